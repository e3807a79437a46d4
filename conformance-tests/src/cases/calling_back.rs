//! Jobs that call back into async code (rule B5).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use anyscope_core::{
    BoxError, Cancelled, GroupHandle, Runtime, TaskContext, TaskHandle, block_on, check_cancelled,
    shield,
};

use super::{Case, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, boom, never, parked, poll_once, yield_now};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(b5_job_waits_for_tasks_and_timers::<R>),
        case(b5_group_opened_in_a_job_belongs_to_its_group::<R>),
        case(b5_group_dropped_in_a_job_is_waited_for_by_the_jobs_group::<R>),
        case(b5_future_sees_the_jobs_context::<R>),
        case(b5_cancelled_job_gets_the_cause_and_its_future_is_gone::<R>),
        case(b5_job_cancelled_alone_gets_the_cause::<R>),
        case(b5_group_that_is_cancelled_with_the_job_tells_it_nothing::<R>),
        case(b5_value_that_is_ready_beats_the_cancellation::<R>),
        case(b5_grace_period_is_the_futures_too::<R>),
        case(b5_shield_in_it_is_waited_for::<R>),
        case(b5_panic_of_the_future_is_the_jobs::<R>),
        case(b5_outside_a_job_it_panics::<R>),
    ]
}

/// Both ways to spawn a job that may fail.
type TrySpawn<T, R> = fn(&GroupHandle<BoxError, R>, Fallible<T>) -> TaskHandle<T, R>;
type Fallible<T> = Box<dyn FnOnce() -> Result<T, BoxError> + Send>;

fn both<T: Send + 'static, R: Runtime>() -> [TrySpawn<T, R>; 2] {
    [|g, work| g.try_spawn_blocking(work), |g, work| g.try_spawn_cpu(work)]
}

fn b5_job_waits_for_tasks_and_timers<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                for spawn in both::<u32, R>() {
                    let (group, rt) = (g.clone(), rt.clone());
                    let job = spawn(
                        &g,
                        Box::new(move || {
                            let task = group.spawn(async {
                                yield_now().await;
                                Ok(7)
                            });
                            block_on(rt.sleep(Duration::from_millis(1)))?;
                            Ok(block_on(task)??)
                        }),
                    );
                    assert_eq!(job.await?, 7);
                }
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn b5_group_opened_in_a_job_belongs_to_its_group<R: Runtime>(env: &Env<R>) {
    let gone = Count::new();
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (inner, running) = (rt.clone(), Gate::new());
                let (begun, gone) = (running.clone(), gone.clone());
                g.try_spawn_blocking(move || {
                    let group = inner.group::<BoxError, _>(async |g| {
                        g.spawn(parked(&begun, &gone));
                        never::<()>().await
                    });
                    block_on(group)?.map_err(BoxError::from)
                });
                running.wait().await;
                g.cancel();
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(gone.get(), 1);
}

fn b5_group_dropped_in_a_job_is_waited_for_by_the_jobs_group<R: Runtime>(env: &Env<R>) {
    let gone = Count::new();
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (inner, gone) = (rt.clone(), gone.clone());
                g.try_spawn_blocking(move || {
                    block_on(async {
                        let group = inner.group::<BoxError, _>(async |g| {
                            g.spawn(parked(&Gate::new(), &gone));
                            never::<()>().await
                        });
                        assert!(poll_once(group).is_pending());
                    })
                });
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(gone.get(), 1);
}

fn b5_future_sees_the_jobs_context<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                for spawn in both::<(), R>() {
                    let id = g.id();
                    let job = spawn(
                        &g,
                        Box::new(move || {
                            let here = TaskContext::current().map(|job| job.id());
                            let inside = block_on(async { TaskContext::current() })?.unwrap();
                            assert_eq!((Some(inside.id()), inside.group_id()), (here, id));
                            assert!(inside.group::<BoxError, R>().is_some());
                            Ok(())
                        }),
                    );
                    job.await?;
                }
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

/// A job that waits for ever and tells what it got; with a probe in the future.
fn waits_for_ever(
    begun: &Gate,
    gone: &Count,
) -> impl FnOnce() -> Result<(), Cancelled> + Send + use<> {
    let (begun, probe, gone) = (begun.clone(), gone.on_drop(), gone.clone());
    move || {
        let outcome = block_on(async move {
            let _probe = probe;
            begun.open();
            std::future::pending::<()>().await;
        });
        assert_eq!(gone.get(), 1, "the future is gone when the job goes on");
        outcome
    }
}

fn b5_cancelled_job_gets_the_cause_and_its_future_is_gone<R: Runtime>(env: &Env<R>) {
    let (begun, gone) = (Gate::new(), Count::new());
    env.block_on(async |rt| {
        let outcome: Outcome<_> = rt
            .group(async |g| {
                let job = g.spawn_blocking(waits_for_ever(&begun, &gone));
                begun.wait().await;
                g.cancel_because("no more");
                Ok(job)
            })
            .await;
        let got = outcome.unwrap().await.unwrap().unwrap_err();
        assert_eq!(got.to_string(), "cancelled: requested: no more");
    });
}

fn b5_job_cancelled_alone_gets_the_cause<R: Runtime>(env: &Env<R>) {
    let (begun, gone) = (Gate::new(), Count::new());
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let job = g.spawn_cpu(waits_for_ever(&begun, &gone));
                begun.wait().await;
                job.cancel_because("not this one");
                let got = job.await?.unwrap_err();
                assert_eq!(got.to_string(), "cancelled: requested: not this one");
                assert!(!g.is_cancelled());
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

/// As for a task (T1, T6): whether its thread is parked, or in the middle of a poll.
fn b5_group_that_is_cancelled_with_the_job_tells_it_nothing<R: Runtime>(env: &Env<R>) {
    for in_a_poll in [false, true] {
        let (begun, cancelled) = (Gate::new(), Gate::new());
        env.block_on(async |rt| {
            let outcome: Outcome<()> = rt
                .group(async |g| {
                    let (runtime, begun_there, cancelled_here) =
                        (rt.clone(), begun.clone(), cancelled.clone());
                    let inner = async move {
                        begun_there.open();
                        if in_a_poll {
                            cancelled_here.wait_blocking();
                        }
                        never::<()>().await
                    };
                    let job = g.spawn_blocking(move || {
                        block_on(runtime.group::<BoxError, _>(async |_| inner.await))
                    });
                    begun.wait().await;
                    job.cancel();
                    cancelled.open();
                    assert!(job.await?.is_err(), "in a poll: {in_a_poll}");
                    Ok(())
                })
                .await;
            outcome.unwrap();
        });
    }
}

/// As for a task (C6); and what does not suspend is not cut (C1).
fn b5_value_that_is_ready_beats_the_cancellation<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let group = rt.group::<BoxError, _>(async |g| {
            let group = g.clone();
            Ok(g.spawn_blocking(move || {
                group.cancel();
                (block_on(async { 7 }), block_on(yield_now()).is_err())
            }))
        });
        let (value, is_cut) = group.await.unwrap().await.unwrap();
        assert!(value == Ok(7) && is_cut);
    });
}

fn b5_grace_period_is_the_futures_too<R: Runtime>(env: &Env<R>) {
    let (begun, go_on) = (Gate::new(), Gate::new());
    env.block_on(async |rt| {
        let group = rt.group::<BoxError, _>(async |g| {
            let (in_job, wait) = (begun.clone(), go_on.clone());
            let job = g.spawn_blocking(move || {
                block_on(async {
                    in_job.open();
                    wait.wait().await;
                    check_cancelled().is_err()
                })
            });
            begun.wait().await;
            g.cancel();
            go_on.open();
            Ok(job)
        });
        let job = group.grace(Duration::from_secs(3600)).await.unwrap();
        assert_eq!(job.await.unwrap(), Ok(true), "told, and not cut");
    });
}

fn b5_shield_in_it_is_waited_for<R: Runtime>(env: &Env<R>) {
    let (begun, go_on, after) = (Gate::new(), Gate::new(), Count::new());
    env.block_on(async |rt| {
        let outcome: Outcome<_> = rt
            .group(async |g| {
                let (in_job, wait, after) = (begun.clone(), go_on.clone(), after.clone());
                let job = g.spawn_blocking(move || {
                    block_on(async {
                        shield(async {
                            in_job.open();
                            wait.wait().await;
                            after.note();
                        })
                        .await;
                        never::<()>().await
                    })
                });
                begun.wait().await;
                g.cancel();
                go_on.open();
                Ok(job)
            })
            .await;
        assert!(outcome.unwrap().await.unwrap().is_err());
    });
    assert_eq!(after.get(), 1, "what is shielded has run to its end");
}

fn b5_panic_of_the_future_is_the_jobs<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let job = g.spawn_blocking(|| block_on(async { panic!("expected: in block_on") }));
                let error: Result<Result<(), Cancelled>, _> = job.await;
                assert!(error.unwrap_err().is_panic());
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

/// In a body, in a task, and in a task below a job: there one awaits.
fn b5_outside_a_job_it_panics<R: Runtime>(env: &Env<R>) {
    fn is_refused() -> bool {
        catch_unwind(AssertUnwindSafe(|| block_on(async {}))).is_err()
    }
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                assert!(is_refused());
                assert!(g.spawn(async { Ok(is_refused()) }).await?);
                let inner = rt.clone();
                let job = g.try_spawn_blocking(move || {
                    let group = inner.group::<BoxError, _>(async |_| match is_refused() {
                        true => Ok(()),
                        false => Err(boom("a body is no job")),
                    });
                    block_on(group)?.map_err(BoxError::from)
                });
                job.await?;
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert!(is_refused());
}
