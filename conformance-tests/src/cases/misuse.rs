//! Bad input: each gives an error value or a clear panic, never a hang.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use anyscope_core::{BoxError, GroupHandle, Runtime, TaskHandle, panic_message, root_future};
use futures_util::future::select;

use super::{Case, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, Stuck, block_on_here, never, poll_once};
use crate::thread;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(c1_future_that_never_wakes_is_ended_by_a_cancel::<R>),
        case(c1_future_that_is_woken_after_its_drop_does_no_harm::<R>),
        case(t4_handle_awaited_twice_says_so::<R>),
        case(t1_handle_can_be_awaited_from_another_thread::<R>),
        case(g10_handle_kept_after_the_end_answers::<R>),
        case(g1_handle_dropped_inside_its_own_task_does_no_harm::<R>),
        case(g1_group_polled_after_its_end_panics_clearly::<R>),
        case(r2_run_inside_a_task_panics_clearly::<R>),
        case(r2_run_inside_a_job_panics_clearly::<R>),
        case(t1_task_that_awaits_itself_is_ended_by_a_cancel::<R>),
        case(g2_group_in_a_job_is_waited_for::<R>),
        case(g2_group_dropped_in_a_job_is_waited_for_by_the_jobs_group::<R>),
    ]
}

fn c1_future_that_never_wakes_is_ended_by_a_cancel<R: Runtime>(env: &Env<R>) {
    let (polled, dropped) = (Gate::new(), Count::new());
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (in_task, probe) = (polled.clone(), dropped.on_drop());
                g.spawn(async move {
                    let _probe = probe;
                    poll_fn(|_| {
                        in_task.open();
                        Poll::<()>::Pending
                    })
                    .await;
                    Ok(())
                });
                polled.wait().await;
                g.cancel();
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_eq!(dropped.get(), 1);
    });
}

fn c1_future_that_is_woken_after_its_drop_does_no_harm<R: Runtime>(env: &Env<R>) {
    let kept: Arc<Mutex<Vec<Waker>>> = Arc::default();
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (polled, keep) = (Gate::new(), kept.clone());
                let in_task = polled.clone();
                g.spawn(poll_fn(move |cx| {
                    keep.lock().unwrap().push(cx.waker().clone());
                    in_task.open();
                    Poll::Pending::<Result<(), BoxError>>
                }));
                polled.wait().await;
                g.cancel();
                Ok(())
            })
            .await;
        outcome.unwrap();
        for waker in kept.lock().unwrap().drain(..) {
            waker.wake_by_ref();
            waker.wake();
        }
        let after: Outcome<u8> = rt.group(async |g| Ok(g.spawn(async { Ok(1) }).await?)).await;
        assert_eq!(after.unwrap(), 1);
    });
}

fn t4_handle_awaited_twice_says_so<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let mut task = g.spawn(async { Ok(1) });
                assert_eq!((&mut task).await?, 1);
                assert!((&mut task).await.unwrap_err().is_taken());
                let mut job = g.spawn_blocking(|| 2);
                assert_eq!((&mut job).await?, 2);
                assert!(job.await.unwrap_err().is_taken());
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn t1_handle_can_be_awaited_from_another_thread<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let gate = Gate::new();
                let in_task = gate.clone();
                let task = g.spawn(async move {
                    in_task.wait().await;
                    Ok(9)
                });
                let waiter = thread::spawn(move || block_on_here(task));
                gate.open();
                let joined = g.spawn_blocking(move || waiter.join().unwrap()).await?;
                assert_eq!(joined?, 9);
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn g10_handle_kept_after_the_end_answers<R: Runtime>(env: &Env<R>) {
    let (ran, gone) = (Count::new(), Count::new());
    env.block_on(async |rt| {
        let group: Outcome<GroupHandle<BoxError, R>> = rt.group(async |g| Ok(g)).await;
        let group = group.unwrap();
        assert_eq!((group.live(), group.cause()), (0, None));
        let work = || {
            let (ran, probe) = (ran.clone(), gone.on_drop());
            move || {
                let _probe = &probe;
                ran.add();
            }
        };
        let task = work();
        let refused = [
            group.spawn(async move {
                task();
                Ok(())
            }),
            group.spawn_blocking(work()),
            group.spawn_cpu(work()),
            group.spawn_group(async |_| never::<()>().await),
        ];
        assert_eq!(gone.get(), 3, "what the futures and closures held is gone");
        for handle in refused {
            assert!(handle.is_finished());
            let error = handle.await.unwrap_err();
            assert!(error.is_refused() && error.cause().is_none());
        }
        group.cancel();
        group.cancelled().await;
        assert_eq!((group.live(), group.is_cancelled()), (0, true));
        assert!(group.try_spawn(never::<()>()).is_err());
        assert!(!format!("{group:?}").is_empty());
    });
    assert_eq!(ran.get(), 0);
}

fn g1_handle_dropped_inside_its_own_task_does_no_harm<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (group, placed) = (g.clone(), Gate::new());
                let slot = Arc::new(Mutex::new(None));
                let (own, in_task) = (slot.clone(), placed.clone());
                let task = g.spawn(async move {
                    in_task.wait().await;
                    drop(own.lock().unwrap().take());
                    drop(group);
                    Ok(())
                });
                *slot.lock().unwrap() = Some(task);
                placed.open();
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

/// The text of the panic of `f`.
fn panic_of(f: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("it panics");
    panic_message(&*payload).to_owned()
}

fn g1_group_polled_after_its_end_panics_clearly<R: Runtime>(env: &Env<R>) {
    let text = env.block_on(async |rt| {
        let mut group = pin!(rt.group::<BoxError, _>(async |_| Ok(())));
        group.as_mut().await.unwrap();
        panic_of(|| drop(poll_once(group.as_mut())))
    });
    assert!(text.contains("not polled after it has returned"), "{text}");
}

fn r2_run_inside_a_task_panics_clearly<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |_| {
                let text = panic_of(|| drop(root_future(&rt, async {})));
                assert!(text.contains("await the future instead"), "{text}");
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn r2_run_inside_a_job_panics_clearly<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let inner = rt.clone();
                let job = g.spawn_blocking(move || drop(root_future(&inner, async {})));
                let error = job.await.unwrap_err();
                let text = error.panic_message().unwrap();
                assert!(text.contains("await the future instead"), "{text}");
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

/// It waits for ever, as it was told, but not longer than its group.
fn t1_task_that_awaits_itself_is_ended_by_a_cancel<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (placed, waits) = (Gate::new(), Gate::new());
                let slot = Arc::new(Mutex::new(None));
                let (own, in_task, waiting) = (slot.clone(), placed.clone(), waits.clone());
                let task = g.spawn(async move {
                    in_task.wait().await;
                    let task: TaskHandle<(), R> = own.lock().unwrap().take().unwrap();
                    waiting.open();
                    Ok(task.await?)
                });
                *slot.lock().unwrap() = Some(task);
                placed.open();
                waits.wait().await;
                g.cancel();
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

/// A job may block on a group: that belongs to the job's own group.
fn g2_group_in_a_job_is_waited_for<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<u32> = rt
            .group(async |g| {
                let inner = rt.clone();
                let job = g.spawn_blocking(move || {
                    let group = inner.group(async |h| Ok(h.spawn(async { Ok(8) }).await?));
                    let outcome: Outcome<u32> = block_on_here(group);
                    outcome
                });
                Ok(job.await??)
            })
            .await;
        assert_eq!(outcome.unwrap(), 8);
    });
}

fn g2_group_dropped_in_a_job_is_waited_for_by_the_jobs_group<R: Runtime>(env: &Env<R>) {
    let (stuck, dropped) = (Stuck::default(), Gate::new());
    env.block_on(async |rt: R| {
        let outer = rt.group::<BoxError, _>(async |g| {
            let (inner, work) = (rt.clone(), stuck.job());
            let (running, left) = (stuck.running.clone(), dropped.clone());
            let job = g.spawn_blocking(move || {
                let group = inner.group::<BoxError, _>(async |h| {
                    drop(h.spawn_blocking(work));
                    never::<()>().await
                });
                block_on_here(async { drop(select(pin!(group), pin!(running.wait())).await) });
                left.open();
            });
            Ok(job.await?)
        });
        stuck.is_waited_for_by(outer, &dropped).await.unwrap();
    });
}
