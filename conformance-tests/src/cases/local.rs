//! Local scopes inside whatever drives them (rules S).

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;

use anyscope_core::{CauseKind, LocalHandle, PanicPolicy, Runtime, Scope, Supervise, defer, scope};

use super::{Case, case};
use crate::env::Env;
use crate::probe::{
    Count, Gate, Outcome, block_on_here, boom, lost, never, on_drop, poll_once, unique, yield_now,
};
use crate::thread;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(s1_children_borrow_and_need_not_be_send::<R>),
        case(s1_children_run_concurrently_in_the_callers_task::<R>),
        case(s1_scope_runs_inside_a_task::<R>),
        case(s2_first_failure_cancels_body_and_children::<R>),
        case(s2_supervised_children_go_on::<R>),
        case(s2_every_child_has_ended_when_it_returns::<R>),
        case(s2_dropped_scope_drops_its_children_in_place::<R>),
        case(s2_spawn_after_the_end_is_refused::<R>),
        case(s2_cancelled_before_the_first_poll_is_never_polled::<R>),
        case(s2_child_cancelled_alone_is_no_failure::<R>),
        case(s2_value_can_be_taken_after_the_scope_returned::<R>),
        case(s2_failed_child_awaited_outside_resolves::<R>),
        case(s2_panic_is_raised_again_after_all_have_ended::<R>),
        case(s2_panic_can_be_captured::<R>),
        case(s2_clean_up_deferred_in_a_callback_is_reported::<R>),
        case(s2_empty_scope_does_not_suspend::<R>),
        case(s2_finished_children_are_forgotten::<R>),
    ]
}

fn s1_children_borrow_and_need_not_be_send<R: Runtime>(env: &Env<R>) {
    env.block_on(async |_| {
        let (text, mut words, shared) = (String::from("a b"), Vec::new(), Rc::new(Cell::new(0)));
        let outcome: Outcome<usize> = scope(async |s| {
            let length = s.spawn(async { Ok(text.len()) });
            s.spawn(async {
                words.extend(text.split(' '));
                Ok(())
            });
            let counter = shared.clone();
            s.spawn(async move {
                yield_now().await;
                counter.set(counter.get() + 1);
                Ok(())
            });
            Ok(length.await?)
        })
        .await;
        assert_eq!((outcome.unwrap(), words, shared.get()), (3, vec!["a", "b"], 1));
    });
}

fn s1_children_run_concurrently_in_the_callers_task<R: Runtime>(env: &Env<R>) {
    env.block_on(async |_| {
        let (there, back) = (Gate::new(), Gate::new());
        let thread = thread::current().id();
        let outcome: Outcome<()> = scope(async |s| {
            s.spawn(async {
                there.open();
                back.wait().await;
                assert_eq!(thread::current().id(), thread);
                Ok(())
            });
            s.spawn(async {
                there.wait().await;
                back.open();
                Ok(())
            });
            Ok(())
        })
        .await;
        outcome.unwrap();
    });
}

fn s1_scope_runs_inside_a_task<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<u32> = rt
            .group(async |g| {
                // A scope stays on its thread; a task that may move runs one on a job's thread.
                let job = g.try_spawn_blocking(|| {
                    let numbers = [1, 2, 3];
                    block_on_here(scope::<anyscope_core::BoxError, _>(async |s| {
                        let parts: Vec<LocalHandle<u32>> =
                            numbers.iter().map(|n| s.spawn(async move { Ok(n * 2) })).collect();
                        let mut sum = 0;
                        for part in parts {
                            sum += part.await?;
                        }
                        Ok(sum)
                    }))
                });
                Ok(job.await?)
            })
            .await;
        assert_eq!(outcome.unwrap(), 12);
    });
}

fn s2_first_failure_cancels_body_and_children<R: Runtime>(env: &Env<R>) {
    env.block_on(async |_| {
        let dropped = Count::new();
        let outcome: Outcome<()> = scope(async |s| {
            let (_in_body, in_child) = (dropped.on_drop(), dropped.on_drop());
            s.spawn(async move {
                let _probe = in_child;
                never::<()>().await
            });
            let failing = s.spawn(async { Err::<(), _>(boom("first")) });
            failing.await?;
            Err(boom("a secondary error"))
        })
        .await;
        let error = outcome.unwrap_err();
        assert!(matches!(error.cause().unwrap().kind(), CauseKind::SiblingFailed(_)));
        let failures = error.failures().unwrap();
        assert_eq!(failures.len(), 1);
        assert_eq!(failures.first().error().unwrap().to_string(), "first");
        assert_eq!(dropped.get(), 2);
    });
}

fn s2_supervised_children_go_on<R: Runtime>(env: &Env<R>) {
    env.block_on(async |_| {
        let ran = Count::new();
        let outcome: Outcome<()> = scope(async |s| {
            let failed = s.spawn(async { Err::<(), _>(boom("one")) });
            assert!(failed.await.unwrap_err().is_failed());
            s.spawn(async {
                ran.add();
                Err::<(), _>(boom("two"))
            });
            Ok(())
        })
        .policy(Supervise)
        .await;
        assert_eq!((outcome.unwrap_err().failures().unwrap().len(), ran.get()), (2, 1));
    });
}

fn s2_every_child_has_ended_when_it_returns<R: Runtime>(env: &Env<R>) {
    fn chain<'env>(s: &Scope<'env>, left: u32, ended: &'env Count) {
        let scope = s.clone();
        s.spawn(async move {
            yield_now().await;
            if left > 0 {
                chain(&scope, left - 1, ended);
            }
            ended.add();
            Ok(())
        });
    }
    env.block_on(async |_| {
        let ended = Count::new();
        let outcome: Outcome<()> = scope(async |s| {
            chain(&s, 99, &ended);
            Ok(())
        })
        .await;
        outcome.unwrap();
        assert_eq!(ended.get(), 100);
    });
}

fn s2_dropped_scope_drops_its_children_in_place<R: Runtime>(env: &Env<R>) {
    env.block_on(async |_| {
        let dropped = Count::new();
        {
            let running = scope::<anyscope_core::BoxError, _>(async |s| {
                for _ in 0..10 {
                    let probe = dropped.on_drop();
                    s.spawn(async move {
                        let _probe = probe;
                        never::<()>().await
                    });
                }
                let _probe = dropped.on_drop();
                never::<()>().await
            });
            let mut running = pin!(running);
            assert!(poll_once(running.as_mut()).is_pending());
            assert_eq!(dropped.get(), 0);
        }
        assert_eq!(dropped.get(), 11);
    });
}

fn s2_spawn_after_the_end_is_refused<R: Runtime>(env: &Env<R>) {
    env.block_on(async |_| {
        let outcome: Outcome<Scope<'static>> = scope(async |s| Ok(s)).await;
        let kept = outcome.unwrap();
        assert!(kept.spawn(async { Ok(()) }).await.unwrap_err().is_refused());
        assert!(kept.try_spawn(never::<()>()).is_err());
        assert_eq!(kept.live(), 0);
    });
}

fn s2_cancelled_before_the_first_poll_is_never_polled<R: Runtime>(env: &Env<R>) {
    env.block_on(async |_| {
        let (polled, dropped) = (Count::new(), Count::new());
        let outcome: Outcome<()> = scope(async |s| {
            let probe = dropped.on_drop();
            s.spawn(async {
                let _probe = probe;
                polled.add();
                Ok(())
            });
            s.cancel_because("at once");
            Ok(())
        })
        .await;
        outcome.unwrap();
        assert_eq!((polled.get(), dropped.get()), (0, 1));
    });
}

fn s2_child_cancelled_alone_is_no_failure<R: Runtime>(env: &Env<R>) {
    env.block_on(async |_| {
        let outcome: Outcome<u32> = scope(async |s| {
            let parked = s.spawn(never::<()>());
            yield_now().await;
            parked.cancel();
            let error = parked.await.unwrap_err();
            assert!(error.is_cancelled());
            Ok(s.spawn(async { Ok(3) }).await?)
        })
        .await;
        assert_eq!(outcome.unwrap(), 3);
    });
}

fn s2_value_can_be_taken_after_the_scope_returned<R: Runtime>(env: &Env<R>) {
    env.block_on(async |_| {
        let outcome: Outcome<LocalHandle<u32>> =
            scope(async |s| Ok(s.spawn(async { Ok(5) }))).await;
        let mut handle = outcome.unwrap();
        assert!(handle.is_finished());
        assert_eq!((&mut handle).await.unwrap(), 5);
        assert!(handle.await.unwrap_err().is_taken());
    });
}

fn s2_failed_child_awaited_outside_resolves<R: Runtime>(env: &Env<R>) {
    env.block_on(async |_| {
        let kept = Cell::new(None);
        let outcome: Outcome<()> = scope(async |s| {
            kept.set(Some(s.spawn(async { Err::<(), _>(boom("failed")) })));
            Ok(())
        })
        .await;
        assert!(outcome.is_err());
        assert!(kept.take().unwrap().await.unwrap_err().is_failed());
    });
}

fn s2_panic_is_raised_again_after_all_have_ended<R: Runtime>(env: &Env<R>) {
    let dropped = Count::new();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        env.block_on(async |_| {
            let _: Outcome<()> = scope(async |s| {
                // A destructor that panics as well must not keep the others alive.
                for bad in [true, false] {
                    let probe = dropped.on_drop();
                    let bomb = on_drop(move || assert!(!bad, "in a destructor"));
                    s.spawn(async move {
                        let _held = (probe, bomb);
                        never::<()>().await
                    });
                }
                yield_now().await;
                panic!("of the body")
            })
            .await;
        });
    }));
    let payload = outcome.expect_err("the panic is raised again");
    assert_eq!(anyscope_core::panic_message(&*payload), "of the body");
    assert_eq!(dropped.get(), 2);
}

fn s2_panic_can_be_captured<R: Runtime>(env: &Env<R>) {
    env.block_on(async |_| {
        let outcome: Outcome<()> = scope(async |s| {
            s.spawn::<_, ()>(async { panic!("captured") });
            never().await
        })
        .panics(PanicPolicy::Capture)
        .await;
        let error = outcome.unwrap_err();
        let panic = error.failures().unwrap().first().panic_payload().unwrap();
        assert_eq!(panic.message(), "captured");
    });
}

fn s2_clean_up_deferred_in_a_callback_is_reported<R: Runtime>(env: &Env<R>) {
    let (name, ran) = (unique("deferred in a local callback"), Count::new());
    assert!(lost(&name).is_empty());
    env.run(async |rt| {
        let (name, ran) = (name.clone(), ran.clone());
        // In a task, which could run it.
        let outcome: Outcome<()> = rt
            .group(async |_| {
                let spawned: Outcome<()> = scope(async |s| {
                    let late = |_: Result<&(), &_>| defer(async move |_| ran.note());
                    s.task(async { Ok(()) }).name(name).on_done(late).spawn();
                    Ok(())
                })
                .await;
                Ok(spawned?)
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!((lost(&name).len(), ran.get()), (1, 0), "{:?}", lost(&name));
}

fn s2_empty_scope_does_not_suspend<R: Runtime>(env: &Env<R>) {
    env.block_on(async |_| {
        let empty = scope::<anyscope_core::BoxError, _>(async |_| Ok(1));
        assert!(poll_once(empty).is_ready());
    });
}

fn s2_finished_children_are_forgotten<R: Runtime>(env: &Env<R>) {
    let tasks = env.size(50) * 100;
    env.block_on(async |_| {
        let dropped = Count::new();
        let outcome: Outcome<()> = scope(async |s| {
            for spawned in 1..=tasks {
                let probe = dropped.on_drop();
                s.spawn(async { Ok(probe) });
                if spawned % 100 == 0 {
                    while dropped.get() < spawned {
                        yield_now().await;
                    }
                    assert_eq!(s.live(), 1);
                }
            }
            Ok(())
        })
        .await;
        outcome.unwrap();
    });
}
