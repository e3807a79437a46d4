//! Task handles: dropping them, keeping them, cancelling one task (rules T2, T4, T6).

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use anyscope_core::{CancelCause, Group, Runtime, TaskContext, TaskHandle};

use super::{Case, case};
use crate::env::Env;
use crate::held::Held;
use crate::probe::{
    Count, Gate, Outcome, boom, eventually, holding, never, on_drop, parked, poll_once, yield_now,
};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(t2_dropped_handle_changes_nothing::<R>),
        case(t2_cancel_on_drop_cancels_unless_taken_out::<R>),
        case(t2_cancel_on_drop_is_asked_and_cancelled_like_the_handle_inside::<R>),
        case(g1_value_of_a_job_goes_with_its_handle::<R>),
        case(t4_value_can_be_taken_once_after_the_group_returned::<R>),
        case(t4_value_can_be_taken_after_the_group_failed::<R>),
        case(t6_cancelling_one_task_leaves_the_others::<R>),
        case(t6_task_can_be_cancelled_before_its_first_poll::<R>),
        case(t6_cancel_handle_reaches_its_task_alone::<R>),
        case(t6_cancel_handle_ends_a_job_that_has_not_begun::<R>),
        case(t6_old_handle_does_not_cancel_a_later_task::<R>),
        case(t6_cause_of_one_task_is_not_its_siblings::<R>),
        case(c2_cause_of_its_group_stays_when_a_task_is_cancelled_later::<R>),
    ]
}

fn t2_dropped_handle_changes_nothing<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let ended = Count::new();
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let gate = Gate::new();
                let waiting = || {
                    let (gate, ended) = (gate.clone(), ended.clone());
                    async move {
                        gate.wait().await;
                        ended.add();
                        Ok(())
                    }
                };
                drop(g.spawn(waiting()));
                let mut polled = g.spawn(waiting());
                assert!(poll_once(&mut polled).is_pending());
                drop(polled);
                let (release, count) = (gate.clone(), ended.clone());
                drop(g.spawn_blocking(move || {
                    release.wait_blocking();
                    count.add();
                }));
                yield_now().await;
                gate.open();
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_eq!(ended.get(), 3);
    });
}

fn t2_cancel_on_drop_cancels_unless_taken_out<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<i32> = rt
            .group(async |g| {
                let (started, dropped) = (Gate::new(), Count::new());
                let cancelled = g.spawn(parked(&started, &dropped)).cancel_on_drop();
                let gate = Gate::new();
                let release = gate.clone();
                let kept = g.spawn(async move {
                    gate.wait().await;
                    Ok(1)
                });
                let kept = kept.cancel_on_drop().into_inner();
                let awaited = g.spawn(async { Ok(2) }).cancel_on_drop();
                started.wait().await;
                drop(cancelled);
                release.open();
                Ok(kept.await? + awaited.await?)
            })
            .await;
        assert_eq!(outcome.unwrap(), 3, "else the group would never return");
    });
}

fn t2_cancel_on_drop_is_asked_and_cancelled_like_the_handle_inside<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (started, dropped) = (Gate::new(), Count::new());
                let task = g.spawn(parked(&started, &dropped));
                let id = task.id();
                let mut task = task.cancel_on_drop();
                started.wait().await;
                assert_eq!((task.id(), task.is_finished()), (id, false));
                task.cancel_because("no longer needed");
                let error = (&mut task).await.unwrap_err();
                assert_eq!(error.cause(), Some(&CancelCause::because("no longer needed")));
                assert!(task.is_finished());
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

/// Drops what it was given when it is woken, and tells whether a value has gone with that.
#[derive(Default)]
struct DropsOnWake {
    kept: Mutex<Option<Box<dyn Send>>>,
    gone: Count,
    gone_then: Mutex<Option<usize>>,
    woken: Gate,
}

impl Wake for DropsOnWake {
    fn wake(self: Arc<Self>) {
        let kept = self.kept.lock().unwrap().take();
        drop(kept);
        *self.gone_then.lock().unwrap() = Some(self.gone.get());
        self.woken.open();
    }
}

/// The job's thread still has it in hand: it would drop the value when the group may have returned.
fn g1_value_of_a_job_goes_with_its_handle<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let (wakes, gate) = (Arc::<DropsOnWake>::default(), Gate::new());
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (value, open) = (wakes.gone.on_drop(), gate.clone());
                let mut job = g.spawn_blocking(move || {
                    open.wait_blocking();
                    value
                });
                let waker = Waker::from(wakes.clone());
                let polled = Pin::new(&mut job).poll(&mut Context::from_waker(&waker));
                assert!(polled.is_pending());
                *wakes.kept.lock().unwrap() = Some(Box::new(job));
                gate.open();
                wakes.woken.wait().await;
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_eq!(*wakes.gone_then.lock().unwrap(), Some(1));
    });
}

fn t4_value_can_be_taken_once_after_the_group_returned<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<(TaskHandle<_, R>, TaskHandle<_, R>)> = rt
            .group(async |g| {
                let task = g.spawn(async { Ok(vec![1, 2]) });
                Ok((task, g.spawn_blocking(|| "job")))
            })
            .await;
        let (mut task, mut job) = outcome.unwrap();
        assert!(task.is_finished() && job.is_finished());
        assert_eq!((&mut task).await.unwrap(), [1, 2]);
        assert_eq!((&mut job).await.unwrap(), "job");
        let (task, job) = (task.await.unwrap_err(), job.await.unwrap_err());
        assert!(task.is_taken() && job.is_taken());
        assert!(!task.is_cancelled() && !task.is_failed() && !task.is_refused());
    });
}

fn t4_value_can_be_taken_after_the_group_failed<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let handle = Arc::new(Mutex::new(None));
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let task = g.spawn(async { Ok(5) });
                while !task.is_finished() {
                    yield_now().await;
                }
                *handle.lock().unwrap() = Some(task);
                Err(boom("body"))
            })
            .await;
        assert!(outcome.is_err());
        let task: TaskHandle<i32, R> = handle.lock().unwrap().take().unwrap();
        assert_eq!(task.await.unwrap(), 5);
    });
}

fn t6_cancelling_one_task_leaves_the_others<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<i32> = rt
            .group(async |g| {
                let (gate, started, dropped) = (Gate::new(), Gate::new(), Count::new());
                let release = gate.clone();
                let sibling = g.spawn(async move {
                    gate.wait().await;
                    Ok(3)
                });
                let cancelled = g.spawn(parked(&started, &dropped));
                started.wait().await;
                cancelled.cancel();
                cancelled.cancel();
                assert!(cancelled.await.unwrap_err().is_cancelled());
                assert_eq!(dropped.get(), 1);
                assert!(!g.is_cancelled());
                release.open();
                Ok(sibling.await?)
            })
            .await;
        assert_eq!(outcome.unwrap(), 3);
    });
}

fn t6_task_can_be_cancelled_before_its_first_poll<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let (hold, polled, dropped) = (Gate::new(), Count::new(), Count::new());
        let outcome: Outcome<()> = Held::new(rt, &hold)
            .group(async |g| {
                let (polls, probe) = (polled.clone(), dropped.on_drop());
                let task = g.spawn(holding(probe, async move {
                    polls.add();
                    never::<()>().await
                }));
                task.cancel();
                hold.open();
                assert!(task.await.unwrap_err().is_cancelled());
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_eq!((polled.get(), dropped.get()), (0, 1));
    });
}

fn t6_cancel_handle_reaches_its_task_alone<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<i32> = rt
            .group(async |g| {
                let (started, dropped) = (Gate::new(), Count::new());
                let task = g.spawn(parked(&started, &dropped));
                let cancel = task.cancel_handle();
                assert_eq!(cancel.id(), task.id());
                drop(task);
                started.wait().await;
                assert!(!cancel.is_finished());
                cancel.clone().cancel();
                eventually(&rt, "it has ended", || cancel.is_finished()).await;
                assert_eq!(dropped.get(), 1);
                let later = g.spawn(async { Ok(7) });
                cancel.cancel();
                Ok(later.await?)
            })
            .await;
        assert_eq!(outcome.unwrap(), 7);
    });
}

fn t6_cancel_handle_ends_a_job_that_has_not_begun<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let (started, dropped, gone) = (Gate::new(), Count::new(), Count::new());
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let holder = g.spawn(parked(&started, &dropped));
                let probe = gone.on_drop();
                let job = g.spawn_blocking(move || drop(probe));
                job.cancel_handle().cancel_because("too late");
                assert_eq!(gone.get(), 1, "its closure is gone at once");
                let cause = job.await.unwrap_err().cause().cloned();
                assert_eq!(cause, Some(CancelCause::because("too late")));
                holder.cancel();
                Ok(())
            })
            .limit(1)
            .await;
        outcome.unwrap();
    });
}

fn t6_old_handle_does_not_cancel_a_later_task<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<i32> = rt
            .group(async |g| {
                let mut first = g.spawn(async { Ok(1) });
                let one = (&mut first).await?;
                while !first.is_finished() {
                    yield_now().await;
                }
                let gate = Gate::new();
                let waiting = gate.clone();
                // It gets the place in the group's table that the first one had.
                let second = g.spawn(async move {
                    waiting.wait().await;
                    Ok(2)
                });
                first.cancel();
                gate.open();
                Ok(one + second.await?)
            })
            .await;
        assert_eq!(outcome.unwrap(), 3);
    });
}

fn t6_cause_of_one_task_is_not_its_siblings<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (one, two) = (Gate::new(), Gate::new());
                let reading = |started: &Gate| {
                    let (started, seen) = (started.clone(), seen.clone());
                    async move {
                        let me = TaskContext::current().unwrap();
                        let _probe = on_drop(move || seen.lock().unwrap().push(me.cause()));
                        started.open();
                        never::<()>().await
                    }
                };
                let (first, _second) = (g.spawn(reading(&one)), g.spawn(reading(&two)));
                one.wait().await;
                two.wait().await;
                first.cancel_because("first");
                assert!(first.await.is_err());
                g.cancel_because("all");
                Ok(())
            })
            .await;
        outcome.unwrap();
        let causes = ["first", "all"].map(|reason| Some(CancelCause::because(reason)));
        assert_eq!(*seen.lock().unwrap(), causes);
    });
}

/// In a grace period: one task is cancelled alone, and another because it is in the background (G19).
fn c2_cause_of_its_group_stays_when_a_task_is_cancelled_later<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let begun = Count::new();
                let reading = || {
                    let (begun, seen) = (begun.clone(), seen.clone());
                    async move {
                        let me = TaskContext::current().unwrap();
                        let _probe = on_drop(move || seen.lock().unwrap().push(me.cause()));
                        begun.note();
                        never::<()>().await
                    }
                };
                let alone = g.spawn(reading());
                g.spawn_background(reading());
                eventually(&rt, "both have begun", || begun.get() == 2).await;
                g.cancel_because("first");
                alone.cancel_because("later");
                assert!(alone.await.unwrap_err().is_cancelled());
                Ok(())
            })
            .grace(Duration::from_secs(3600))
            .await;
        outcome.unwrap();
        let first = Some(CancelCause::because("first"));
        assert_eq!(*seen.lock().unwrap(), [first.clone(), first]);
    });
}
