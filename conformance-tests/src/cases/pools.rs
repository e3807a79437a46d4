//! The pools behind the jobs: queues and running jobs (rules B1, B3, B4, R1, U1, U3).

use std::future::Future;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyscope_core::{
    BoxError, Cancelled, CauseKind, Group, GroupHandle, Runtime, TaskError, TaskHandle,
    check_cancelled,
};

use super::blocking::Crowd;
use super::{Case, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, Stuck, never, poll_once};
use crate::queued::Queued;
use crate::thread;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(b1_more_jobs_than_threads_all_run::<R>),
        case(b3_queued_job_is_gone_as_soon_as_its_group_is_cancelled::<R>),
        case(b3_queued_job_is_gone_as_soon_as_its_group_is_dropped::<R>),
        case(b3_job_spawned_in_a_race_with_the_cancel_never_runs::<R>),
        case(b3_running_job_is_waited_for_after_a_cancel::<R>),
        case(b4_dropped_handle_lets_a_queued_job_run::<R>),
        case(r1_job_dropped_by_its_pool_says_shut_down::<R>),
        case(u1_tasks_and_timers_go_on_while_the_pool_is_full::<R>),
        case(u1_no_more_jobs_run_at_once_than_the_pool_has_threads::<R>),
        case(u3_queued_job_cancelled_alone_is_gone_at_once::<R>),
        case(u3_running_job_cancelled_alone_sees_its_cause::<R>),
    ]
}

/// Both ways to spawn a plain job.
type SpawnJob<T, R> = fn(&GroupHandle<BoxError, R>, Work<T>) -> TaskHandle<T, R>;
pub(super) type Work<T> = Box<dyn FnOnce() -> T + Send>;

fn both_pools<T: Send + 'static, R: Runtime>() -> [SpawnJob<T, R>; 2] {
    [|g, work| g.spawn_blocking(work), |g, work| g.spawn_cpu(work)]
}

fn b1_more_jobs_than_threads_all_run<R: Runtime>(env: &Env<R>) {
    let jobs = env.size(600);
    let ran = Count::new();
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                for spawn in both_pools::<usize, R>() {
                    for _ in 0..jobs {
                        let count = ran.clone();
                        drop(spawn(&g, Box::new(move || count.add())));
                    }
                }
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(ran.get(), 2 * jobs);
}

/// Jobs of both pools that count when they run and when they are gone.
pub(super) fn counted_jobs<R: Runtime>(
    g: &GroupHandle<BoxError, R>,
    ran: &Count,
    gone: &Count,
) -> [TaskHandle<(), R>; 2] {
    both_pools().map(|spawn| {
        let (ran, probe) = (ran.clone(), gone.on_drop());
        spawn(
            g,
            Box::new(move || {
                let _probe = probe;
                ran.add();
            }),
        )
    })
}

fn b3_queued_job_is_gone_as_soon_as_its_group_is_cancelled<R: Runtime>(env: &Env<R>) {
    let (ran, gone) = (Count::new(), Count::new());
    env.block_on(async |rt| {
        let rt = Queued::new(rt);
        let outcome: Outcome<_> = rt
            .group(async |g| {
                let jobs = counted_jobs(&g, &ran, &gone);
                g.cancel_because("no more");
                assert_eq!((rt.len(), gone.get()), (2, 2), "gone, though still in the queue");
                Ok(jobs)
            })
            .await;
        for job in outcome.unwrap() {
            let error = job.await.unwrap_err();
            assert!(error.is_cancelled());
            assert_eq!(error.cause().unwrap().to_string(), "requested: no more");
        }
        assert_eq!(rt.len(), 2, "the group has not waited for the queue");
        run_dry(rt).await;
    });
    assert_eq!((ran.get(), gone.get()), (0, 2));
}

/// Lets the queued jobs go to their pools, and waits until these have had them.
pub(super) async fn run_dry<R: Runtime>(rt: Queued<R>) {
    let group = rt.group::<BoxError, _>(async |g| {
        let after = both_pools().map(|spawn| spawn(&g, Box::new(|| ())));
        rt.release();
        for job in after {
            job.await?;
        }
        Ok(())
    });
    group.await.unwrap();
}

fn b3_queued_job_is_gone_as_soon_as_its_group_is_dropped<R: Runtime>(env: &Env<R>) {
    let (ran, gone) = (Count::new(), Count::new());
    env.block_on(async |rt| {
        let rt = Queued::new(rt);
        let outer: Outcome<()> = rt
            .group(async |_| {
                let mut inner = Box::pin(rt.group::<BoxError, _>(async |g| {
                    let _jobs = counted_jobs(&g, &ran, &gone);
                    never::<()>().await
                }));
                assert!(poll_once(inner.as_mut()).is_pending());
                drop(inner);
                assert_eq!(gone.get(), 2);
                Ok(())
            })
            .await;
        outer.unwrap();
        assert_eq!(rt.len(), 2, "the outer group has not waited for the queue");
        run_dry(rt).await;
    });
    assert_eq!(ran.get(), 0);
}

/// Refused, or gone: once the cancel is through, nothing that is in the queue can start.
fn b3_job_spawned_in_a_race_with_the_cancel_never_runs<R: Runtime>(env: &Env<R>) {
    let (ran, gone) = (Count::new(), Count::new());
    env.block_on(async |rt| {
        let rt = Queued::new(rt);
        for _ in env.rounds(200) {
            let outcome: Outcome<()> = rt
                .group(async |g| {
                    let canceller = g.clone();
                    let thread = thread::spawn(move || canceller.cancel());
                    let before = gone.get();
                    for _ in 0..10 {
                        drop(counted_jobs(&g, &ran, &gone));
                    }
                    thread.join().unwrap();
                    assert_eq!(gone.get() - before, 20);
                    Ok(())
                })
                .await;
            outcome.unwrap();
        }
        run_dry(rt).await;
    });
    assert_eq!(ran.get(), 0);
}

fn b3_running_job_is_waited_for_after_a_cancel<R: Runtime>(env: &Env<R>) {
    let job = Stuck::default();
    env.block_on(async |rt| {
        let cancelled = Gate::new();
        let group = rt.group::<BoxError, _>(async |g| {
            job.spawn_into(&g);
            job.running.wait().await;
            g.cancel();
            cancelled.open();
            Ok(())
        });
        job.is_waited_for_by(group, &cancelled).await.unwrap();
    });
}

fn b4_dropped_handle_lets_a_queued_job_run<R: Runtime>(env: &Env<R>) {
    let (ran, gone) = (Count::new(), Count::new());
    env.block_on(async |rt| {
        let rt = Queued::new(rt);
        let mut group = pin!(rt.group::<BoxError, _>(async |g| {
            drop(counted_jobs(&g, &ran, &gone));
            Ok(())
        }));
        assert!(poll_once(group.as_mut()).is_pending(), "waits for the queued jobs");
        assert_eq!((ran.get(), gone.get()), (0, 0));
        rt.release();
        group.await.unwrap();
    });
    assert_eq!((ran.get(), gone.get()), (2, 2));
}

/// And its group does not wait for what will never come.
fn r1_job_dropped_by_its_pool_says_shut_down<R: Runtime>(env: &Env<R>) {
    let (ran, gone) = (Count::new(), Count::new());
    env.block_on(async |rt| {
        let rt = Queued::new(rt);
        let outcome: Outcome<_> = rt
            .group(async |g| {
                let jobs = counted_jobs(&g, &ran, &gone);
                rt.drop_jobs();
                Ok(jobs)
            })
            .await;
        for job in outcome.unwrap() {
            assert_eq!(job.await.unwrap_err().cause().unwrap().kind(), &CauseKind::Shutdown);
        }
    });
    assert_eq!((ran.get(), gone.get()), (0, 2));
}

/// All its threads are taken, and jobs are in line, until the others have gone on.
fn u1_tasks_and_timers_go_on_while_the_pool_is_full<R: Runtime>(env: &Env<R>) {
    let (crowd, threads) = (Crowd::default(), cpu_threads(env));
    let _alone = alone(env);
    let _at_last = crowd.finish.open_on_drop();
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                (0..threads * 4).for_each(|_| drop(g.spawn_cpu(crowd.job())));
                crowd.fills(&rt, threads).await;
                rt.sleep(Duration::from_millis(1)).await;
                assert_eq!(g.spawn(async { Ok(1) }).await?, 1);
                assert_eq!(g.spawn_blocking(|| 2).await?, 2);
                crowd.finish.open();
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(crowd.ended.get(), threads * 4);
}

fn u1_no_more_jobs_run_at_once_than_the_pool_has_threads<R: Runtime>(env: &Env<R>) {
    let (crowd, threads) = (Crowd::default(), cpu_threads(env));
    let bound = env.cpu_threads().unwrap_or(usize::MAX);
    let _alone = alone(env);
    let _at_last = crowd.finish.open_on_drop();
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let jobs: Vec<_> = (0..threads * 20).map(|_| g.spawn_cpu(crowd.job())).collect();
                crowd.fills(&rt, threads).await;
                crowd.finish.open();
                for job in jobs {
                    assert!(job.await? <= bound);
                }
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(crowd.ended.get(), threads * 20);
}

/// The pool may be the process's: of two cases that fill it each could have a part, and wait for the rest.
fn alone<R: Runtime>(env: &Env<R>) -> Option<MutexGuard<'static, ()>> {
    static FULL: Mutex<()> = Mutex::new(());
    env.cpu_threads().map(|_| FULL.lock().unwrap_or_else(PoisonError::into_inner))
}

/// How many jobs fill the pool. One will run in any case.
fn cpu_threads<R: Runtime>(env: &Env<R>) -> usize {
    env.cpu_threads().unwrap_or(1)
}

fn u3_queued_job_cancelled_alone_is_gone_at_once<R: Runtime>(env: &Env<R>) {
    let (ran, gone) = (Count::new(), Count::new());
    env.block_on(async |rt| {
        let rt = Queued::new(rt);
        let outcome: Outcome<()> = rt
            .group(async |g| {
                for job in counted_jobs(&g, &ran, &gone) {
                    job.cancel_because("not this one");
                    assert!(job.is_finished());
                    let cause = job.await.unwrap_err().cause().cloned();
                    assert_eq!(cause.unwrap().to_string(), "requested: not this one");
                }
                assert_eq!((gone.get(), g.live()), (2, 1));
                assert!(!g.is_cancelled());
                Ok(())
            })
            .await;
        outcome.unwrap();
        run_dry(rt).await;
    });
    assert_eq!(ran.get(), 0);
}

/// Its value counts all the same (C6).
fn u3_running_job_cancelled_alone_sees_its_cause<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                for spawn in both_pools() {
                    let (before, after) = cancel_running(|work| spawn(&g, work)).await?;
                    assert!(before.is_ok());
                    assert_eq!(after.unwrap_err().to_string(), "cancelled: requested: stop");
                    assert!(!g.is_cancelled());
                }
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

/// What a job sees before and after it was cancelled.
type Seen = (Result<(), Cancelled>, Result<(), Cancelled>);

fn cancel_running<R: Runtime>(
    spawn: impl FnOnce(Work<Seen>) -> TaskHandle<Seen, R>,
) -> impl Future<Output = Result<Seen, TaskError>> {
    let (running, cancelled) = (Gate::new(), Gate::new());
    let (in_job, told) = (running.clone(), cancelled.clone());
    let job = spawn(Box::new(move || {
        let before = check_cancelled();
        in_job.open();
        told.wait_blocking();
        (before, check_cancelled())
    }));
    async move {
        running.wait().await;
        job.cancel_because("stop");
        cancelled.open();
        job.await
    }
}
