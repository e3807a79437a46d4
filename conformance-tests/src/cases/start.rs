//! The start handshake (rule G22).

use std::panic::Location;
use std::sync::mpsc;

use anyscope_core::{
    BoxError, Carried, ExitKind, GroupHandle, PanicPolicy, Runtime, Started, defer,
};

use super::{Case, case};
use crate::env::Env;
use crate::probe::{
    Count, Gate, Outcome, boom, caught, ended_group, eventually, lost, never, poll_once, unique,
    yield_now,
};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(g22_hands_the_value_over_and_goes_on::<R>),
        case(g22_value_of_a_task_that_ends_at_once_is_not_lost::<R>),
        case(g22_failure_before_it_is_the_callers::<R>),
        case(g22_failure_after_it_is_the_groups::<R>),
        case(g22_panic_before_it_is_raised_in_the_caller::<R>),
        case(c5_cleanups_of_a_task_that_panics_before_it_are_told_so::<R>),
        case(g22_task_that_ends_without_it_is_an_error::<R>),
        case(g22_task_that_drops_it_is_cancelled::<R>),
        case(g22_caller_that_goes_away_cancels_it::<R>),
        case(g22_caller_that_goes_away_after_it_changes_nothing::<R>),
        case(g22_value_goes_with_the_caller_that_has_not_taken_it::<R>),
        case(g22_in_a_cancelled_group_it_is_refused::<R>),
        case(g22_promise_that_is_dropped_with_another_task_is_noticed::<R>),
        case(c9_failure_of_a_start_that_nobody_awaits_goes_to_the_hook::<R>),
        case(g22_nothing_is_spawned_before_it_is_polled::<R>),
        case(g22_task_in_the_background_goes_with_the_last_of_the_others::<R>),
        case(g17_task_that_is_started_has_its_name_and_place::<R>),
        case(x4_task_that_is_started_carries_what_it_is_given::<R>),
    ]
}

fn g22_hands_the_value_over_and_goes_on<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<i32> = rt
            .group(async |g| {
                let finish = Gate::new();
                let wait = finish.clone();
                let (value, task) = g
                    .start(async move |started| {
                        yield_now().await;
                        assert!(started.ready(3));
                        wait.wait().await;
                        Ok(4)
                    })
                    .await?;
                assert!(!task.is_finished());
                finish.open();
                Ok(value + task.await?)
            })
            .await;
        assert_eq!(outcome.unwrap(), 7);
    });
}

/// Without pauses: some end while their starters look at them, where several tasks do this.
async fn start_often<R: Runtime>(
    g: GroupHandle<BoxError, R>,
    rounds: usize,
) -> Result<(), BoxError> {
    for round in 0..rounds {
        let ready = g.start(async move |started| {
            started.ready(round);
            Ok(())
        });
        assert_eq!(ready.await?.0, round);
    }
    Ok(())
}

fn g22_value_of_a_task_that_ends_at_once_is_not_lost<R: Runtime>(env: &Env<R>) {
    let rounds = env.size(1000);
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                for _ in 0..3 {
                    g.spawn(start_often(g.clone(), rounds));
                }
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn g22_failure_before_it_is_the_callers<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let started = g.start(async |started| {
                    let _kept: Started<()> = started;
                    yield_now().await;
                    Err::<(), _>(boom("no port"))
                });
                let error = started.await.unwrap_err();
                assert_eq!(error.to_string(), "the task failed before it was ready: no port");
                assert_eq!(error.into_error().unwrap().to_string(), "no port");
                yield_now().await;
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn g22_failure_after_it_is_the_groups<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (value, _task) = g
                    .start(async |started| {
                        started.ready(3);
                        yield_now().await;
                        Err::<(), _>(boom("later"))
                    })
                    .await?;
                assert_eq!(value, 3);
                never().await
            })
            .await;
        assert_eq!(outcome.unwrap_err().failures().unwrap().len(), 1);
    });
}

fn g22_panic_before_it_is_raised_in_the_caller<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let started = g.start(async |started: Started<()>| {
                    let _kept = started;
                    panic!("expected");
                    #[expect(unreachable_code, reason = "it names the type")]
                    Ok(())
                });
                let payload = caught(started).await.expect_err("it is raised here");
                assert_eq!(anyscope_core::panic_message(&*payload), "expected");
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

/// The panic is the caller's, whose group makes a failure of it.
fn c5_cleanups_of_a_task_that_panics_before_it_are_told_so<R: Runtime>(env: &Env<R>) {
    let (tell, told) = mpsc::channel();
    env.run(async |rt| {
        let group = rt.group(async |g| {
            let panics = async move |_: Started<()>| {
                defer(async move |exit| tell.send(exit).unwrap());
                yield_now().await;
                panic!("before it is ready")
            };
            g.start::<_, _, _, ()>(panics).await?;
            Ok(())
        });
        let outcome: Outcome<()> = group.panics(PanicPolicy::Capture).await;
        outcome.unwrap_err();
    });
    assert_eq!(told.try_recv(), Ok(ExitKind::Panicked));
}

fn g22_task_that_ends_without_it_is_an_error<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let started = g.start(async |started: Started<()>| {
                    drop(started);
                    Ok(())
                });
                assert!(started.await.unwrap_err().is_not_ready());
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn g22_task_that_drops_it_is_cancelled<R: Runtime>(env: &Env<R>) {
    let gone = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let probe = gone.on_drop();
                let started = g.start(async move |started: Started<()>| {
                    let _probe = probe;
                    drop(started);
                    never::<()>().await
                });
                assert!(started.await.unwrap_err().is_not_ready());
                assert_eq!(gone.get(), 1, "it has ended");
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn g22_caller_that_goes_away_cancels_it<R: Runtime>(env: &Env<R>) {
    let gone = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (begun, probe) = (Gate::new(), gone.on_drop());
                let running = begun.clone();
                let mut start = Box::pin(g.start(async move |started| {
                    let _probe = probe;
                    running.open();
                    yield_now().await;
                    never::<()>().await?;
                    started.ready(());
                    Ok(())
                }));
                assert!(poll_once(start.as_mut()).is_pending());
                begun.wait().await;
                drop(start);
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(gone.get(), 1);
}

fn g22_caller_that_goes_away_after_it_changes_nothing<R: Runtime>(env: &Env<R>) {
    let ended = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let [go, ready, finish] = [(); 3].map(|()| Gate::new());
                let (told, is_ready, wait) = (go.clone(), ready.clone(), finish.clone());
                let done = ended.clone();
                let mut start = Box::pin(g.start(async move |started| {
                    told.wait().await;
                    assert!(started.ready(()));
                    is_ready.open();
                    wait.wait().await;
                    done.add();
                    Ok(())
                }));
                assert!(poll_once(start.as_mut()).is_pending());
                go.open();
                ready.wait().await;
                drop(start);
                yield_now().await;
                finish.open();
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(ended.get(), 1, "it was told that somebody waited");
}

fn g22_value_goes_with_the_caller_that_has_not_taken_it<R: Runtime>(env: &Env<R>) {
    let gone = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (begin, ready, finish) = (Gate::new(), Gate::new(), Gate::new());
                let (began, is_ready, wait) = (begin.clone(), ready.clone(), finish.clone());
                let value = gone.on_drop();
                let mut start = Box::pin(g.start(async move |started| {
                    began.wait().await;
                    assert!(started.ready(value));
                    is_ready.open();
                    wait.wait().await;
                    Ok(())
                }));
                assert!(poll_once(start.as_mut()).is_pending());
                begin.open();
                ready.wait().await;
                assert_eq!(gone.get(), 0, "it waits for the caller");
                drop(start);
                assert_eq!(gone.get(), 1, "the task, which may go on for long, does not keep it");
                finish.open();
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn g22_in_a_cancelled_group_it_is_refused<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let start = ended_group(&rt).await.start(async |started| {
            started.ready(());
            Ok(())
        });
        assert!(start.await.unwrap_err().is_cancelled());
    });
}

fn g22_promise_that_is_dropped_with_another_task_is_noticed<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (begun, other) = (Gate::new(), g.clone());
                let started = begun.clone();
                let start = g.start(async move |promise| {
                    let holder = other.spawn(async move {
                        let _promise = promise;
                        started.open();
                        never::<()>().await
                    });
                    begun.wait().await;
                    holder.cancel();
                    never::<()>().await
                });
                let error = start.await.map(|(value, _): ((), _)| value).unwrap_err();
                assert!(error.is_not_ready(), "{error}");
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn c9_failure_of_a_start_that_nobody_awaits_goes_to_the_hook<R: Runtime>(env: &Env<R>) {
    let (fails, panics) = (unique("fails unseen"), unique("panics unseen"));
    assert!(lost(&fails).is_empty());
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let go = Gate::new();
                let (error, first) = (fails.clone(), go.clone());
                let mut failing = Box::pin(g.start(async move |_promise: Started<()>| {
                    first.wait().await;
                    Err::<(), _>(boom(&error))
                }));
                let (panic, second) = (panics.clone(), go.clone());
                let mut panicking = Box::pin(g.start(async move |_promise: Started<()>| {
                    second.wait().await;
                    assert!(panic.is_empty(), "{panic}");
                    Ok(())
                }));
                assert!(poll_once(failing.as_mut()).is_pending());
                assert!(poll_once(panicking.as_mut()).is_pending());
                go.open();
                eventually(&g.runtime(), "both have ended", || g.live() == 1).await;
                drop((failing, panicking));
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!((lost(&fails).len(), lost(&panics).len()), (1, 1));
}

fn g22_nothing_is_spawned_before_it_is_polled<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (held, dropped) = (Gate::new(), Count::new());
                let begin = |probe| {
                    let held = held.clone();
                    g.start(async move |started| {
                        let _probe = probe;
                        started.ready(());
                        held.wait().await;
                        Ok(())
                    })
                };
                let start = begin(dropped.on_drop());
                assert_eq!(g.live(), 1, "the body");
                drop(start);
                assert_eq!(dropped.get(), 1);
                let ((), task) = begin(dropped.on_drop()).await?;
                assert_eq!(g.live(), 2);
                held.open();
                Ok(task.await?)
            })
            .await;
        outcome.unwrap();
    });
}

fn g22_task_in_the_background_goes_with_the_last_of_the_others<R: Runtime>(env: &Env<R>) {
    let dropped = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<u16> = rt
            .group(async |g| {
                let probe = dropped.on_drop();
                let server = g.start(async move |started| {
                    let _probe = probe;
                    started.ready(8080);
                    never::<()>().await
                });
                let (port, _server) = server.background().await?;
                Ok(port)
            })
            .await;
        assert_eq!(outcome.unwrap(), 8080);
    });
    assert_eq!(dropped.get(), 1);
}

fn g17_task_that_is_started_has_its_name_and_place<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let fails = async |started: Started<()>| {
                    started.ready(());
                    never().await?;
                    Ok(())
                };
                let (start, here) = (g.start(fails).name("listener"), Location::caller());
                let ((), task) = start.await?;
                let info = g.tasks().pop().expect("it is alive");
                assert_eq!((info.id(), info.name()), (task.id(), Some("listener")));
                assert_eq!(info.location().line(), here.line());
                task.cancel();
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn x4_task_that_is_started_carries_what_it_is_given<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let asks = async |started: Started<_>| {
                    started.ready(Carried::here().get::<u32>().map(|n| *n));
                    Ok(())
                };
                assert_eq!(g.start(asks).carrying(Carried::of(7_u32)).await?.0, Some(7));
                assert_eq!(g.start(asks).await?.0, None);
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}
