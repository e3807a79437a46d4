//! The bound of blocking threads, and permits that jobs ask for (rules B2 and B3).

use anyscope_core::{BoxError, Group, GroupHandle, Runtime, Semaphore, TaskHandle};

use super::pools::Work;
use super::{Case, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, Stuck, eventually, never};
use crate::queued::Queued;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(b2_as_many_jobs_run_at_once_as_the_bound::<R>),
        case(b2_no_more_jobs_run_at_once_than_the_bound::<R>),
        case(b2_jobs_start_in_the_order_in_which_they_came::<R>),
        case(b2_bound_is_that_of_the_value_and_its_clones::<R>),
        case(b2_bound_of_none_means_one::<R>),
        case(b2_thread_that_blocks_holds_nobody_up_within_the_bound::<R>),
        case(b2_permits_bound_the_jobs_of_all_who_share_them::<R>),
        case(b2_job_without_a_permit_takes_no_thread::<R>),
        case(b2_further_permits_let_waiting_jobs_go::<R>),
        case(b2_cancelled_waiter_passes_its_permit_on::<R>),
        case(b2_cancelled_job_in_the_pools_queue_passes_its_permit_on::<R>),
        case(b2_ten_thousand_jobs_in_line_are_cancelled_and_dropped::<R>),
        case(b2_ambient_job_waits_for_its_permit_too::<R>),
        case(b3_given_up_job_keeps_its_permit_until_it_ends::<R>),
        case(b3_permit_is_back_when_the_job_has_ended::<R>),
    ]
}

/// Jobs that run until the gate opens.
#[derive(Clone, Default)]
pub(super) struct Crowd {
    pub(super) begun: Count,
    pub(super) ended: Count,
    pub(super) finish: Gate,
}

impl Crowd {
    /// Gives how many ran when it began, itself included, or fewer: some that began later may have
    /// ended already.
    pub(super) fn job(&self) -> impl FnOnce() -> usize + Send + use<> {
        let crowd = self.clone();
        move || {
            let at_once = crowd.begun.add().saturating_sub(crowd.ended.get());
            crowd.finish.wait_blocking();
            crowd.ended.add();
            at_once
        }
    }

    pub(super) async fn fills<R: Runtime>(&self, rt: &R, threads: usize) {
        eventually(rt, "the threads are taken", || self.begun.get() >= threads).await;
    }
}

fn b2_as_many_jobs_run_at_once_as_the_bound<R: Runtime>(env: &Env<R>) {
    let crowd = Crowd::default();
    let _at_last = crowd.finish.open_on_drop();
    env.block_on(async |rt| {
        let rt = rt.with_blocking_threads(5);
        let outcome: Outcome<()> = rt
            .group(async |g| {
                (0..5).for_each(|_| drop(g.spawn_blocking(crowd.job())));
                crowd.fills(&rt, 5).await;
                crowd.finish.open();
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn b2_no_more_jobs_run_at_once_than_the_bound<R: Runtime>(env: &Env<R>) {
    let (crowd, size) = (Crowd::default(), env.size(100));
    let _at_last = crowd.finish.open_on_drop();
    env.block_on(async |rt| {
        let rt = rt.with_blocking_threads(3);
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let jobs: Vec<_> = (0..size).map(|_| g.spawn_blocking(crowd.job())).collect();
                crowd.fills(&rt, 3).await;
                crowd.finish.open();
                for job in jobs {
                    assert!(job.await? <= 3);
                }
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(crowd.ended.get(), size);
}

fn b2_jobs_start_in_the_order_in_which_they_came<R: Runtime>(env: &Env<R>) {
    let (started, size) = (Count::new(), env.size(100));
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .with_blocking_threads(1)
            .group(async |g| {
                let started = || {
                    let started = started.clone();
                    move || started.add()
                };
                let jobs: Vec<_> = (0..size).map(|_| g.spawn_blocking(started())).collect();
                for (number, job) in jobs.into_iter().enumerate() {
                    assert_eq!(job.await?, number + 1);
                }
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

/// With one thread taken by either of two clones, the other has none; the value that they were made
/// from has its own.
fn b2_bound_is_that_of_the_value_and_its_clones<R: Runtime>(env: &Env<R>) {
    let (crowd, queued) = (Crowd::default(), Count::new());
    let _at_last = crowd.finish.open_on_drop();
    env.block_on(async |rt| {
        let own = rt.with_blocking_threads(1);
        let outcome: Outcome<()> = rt
            .group(async |g| {
                own.spawn_blocking(crowd.job());
                crowd.fills(&rt, 1).await;
                let count = queued.clone();
                let second = own.clone().spawn_blocking(move || count.note());
                assert_eq!(g.spawn_blocking(|| 7).await?, 7);
                assert_eq!(rt.with_blocking_threads(1).spawn_blocking(|| 8).await?, 8);
                assert_eq!(queued.get(), 0, "there was no thread for it");
                crowd.finish.open();
                second.await?;
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(queued.get(), 1);
}

fn b2_bound_of_none_means_one<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        assert_eq!(rt.with_blocking_threads(0).spawn_blocking(|| 7).await.unwrap(), 7);
    });
}

/// Each of them needs all the others to run at the same time.
fn b2_thread_that_blocks_holds_nobody_up_within_the_bound<R: Runtime>(env: &Env<R>) {
    const THREADS: usize = 8;
    env.block_on(async |rt| {
        let rt = rt.with_blocking_threads(THREADS);
        for _ in env.rounds(20) {
            let (arrived, all) = (Count::new(), Gate::new());
            let outcome: Outcome<()> = rt
                .group(async |g| {
                    for _ in 0..THREADS {
                        let (arrived, all) = (arrived.clone(), all.clone());
                        g.spawn_blocking(move || {
                            if arrived.add() == THREADS {
                                all.open();
                            }
                            all.wait_blocking();
                        });
                    }
                    Ok(())
                })
                .await;
            outcome.unwrap();
        }
    });
}

/// Either way to spawn a job that needs a permit.
type SpawnWithPermit<T, R> = fn(&GroupHandle<BoxError, R>, &Semaphore, Work<T>) -> TaskHandle<T, R>;

fn both_with_permit<T: Send + 'static, R: Runtime>() -> [SpawnWithPermit<T, R>; 2] {
    [
        |g, permits, work| g.job(work).permit_of(permits).spawn_blocking(),
        |g, permits, work| g.job(work).permit_of(permits).spawn_cpu(),
    ]
}

fn b2_permits_bound_the_jobs_of_all_who_share_them<R: Runtime>(env: &Env<R>) {
    let (crowd, permits) = (Crowd::default(), Semaphore::new(2));
    let _at_last = crowd.finish.open_on_drop();
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |outer| {
                for _ in 0..4 {
                    let (permits, crowd) = (permits.clone(), crowd.clone());
                    outer.spawn_group(async move |g| {
                        let spawns = both_with_permit::<usize, R>().repeat(10);
                        let spawn = |spawn: SpawnWithPermit<usize, R>| {
                            spawn(&g, &permits, Box::new(crowd.job()))
                        };
                        for job in spawns.into_iter().map(spawn).collect::<Vec<_>>() {
                            assert!(job.await? <= 2);
                        }
                        Ok(())
                    });
                }
                eventually(&rt, "all are in line", || permits.waiting() == 78).await;
                crowd.finish.open();
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!((crowd.ended.get(), permits.available(), permits.waiting()), (80, 2, 0));
}

fn b2_job_without_a_permit_takes_no_thread<R: Runtime>(env: &Env<R>) {
    let permits = Semaphore::new(0);
    env.block_on(async |rt| {
        let rt = rt.with_blocking_threads(1);
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let waiting = g.job(|| 1).permit_of(&permits).spawn_blocking();
                assert_eq!(g.spawn_blocking(|| 2).await?, 2);
                assert!(!waiting.is_finished());
                permits.set_permits(1);
                assert_eq!(waiting.await?, 1);
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn b2_further_permits_let_waiting_jobs_go<R: Runtime>(env: &Env<R>) {
    let (crowd, permits) = (Crowd::default(), Semaphore::new(1));
    let _at_last = crowd.finish.open_on_drop();
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                for _ in 0..5 {
                    g.job(crowd.job()).permit_of(&permits).spawn_blocking();
                }
                crowd.fills(&rt, 1).await;
                permits.set_permits(3);
                crowd.fills(&rt, 3).await;
                assert_eq!((permits.waiting(), crowd.begun.get()), (2, 3));
                permits.set_permits(1);
                crowd.finish.open();
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!((crowd.begun.get(), permits.available(), permits.permits()), (5, 1, 1));
}

fn b2_cancelled_waiter_passes_its_permit_on<R: Runtime>(env: &Env<R>) {
    let (holder, permits) = (Stuck::default(), Semaphore::new(1));
    let (ran, gone) = (Count::new(), Count::new());
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.job(holder.job()).permit_of(&permits).spawn_blocking();
                holder.running.wait().await;
                let waiting = wait_until_cancelled(&rt, &permits, &ran, &gone);
                waiting.await;
                assert_eq!((gone.get(), permits.waiting()), (2, 0), "they have left the line");
                let next = g.job(|| 7).permit_of(&permits).spawn_cpu();
                holder.finish.open();
                assert_eq!(next.await?, 7);
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!((ran.get(), permits.available()), (0, 1));
}

/// A group whose two jobs come to stand in line, and which is then cancelled.
async fn wait_until_cancelled<R: Runtime>(rt: &R, permits: &Semaphore, ran: &Count, gone: &Count) {
    let inner: Outcome<()> = rt
        .group(async |g| {
            for spawn in both_with_permit::<(), R>() {
                let (ran, probe) = (ran.clone(), gone.on_drop());
                let work = move || {
                    let _probe = probe;
                    ran.note();
                };
                spawn(&g, permits, Box::new(work));
            }
            assert_eq!(permits.waiting(), 2);
            g.cancel();
            Ok(())
        })
        .await;
    inner.unwrap();
}

/// It has its permit, and no thread yet.
fn b2_cancelled_job_in_the_pools_queue_passes_its_permit_on<R: Runtime>(env: &Env<R>) {
    let permits = Semaphore::new(1);
    env.block_on(async |rt| {
        let queued = Queued::new(rt);
        let outcome: Outcome<()> = queued
            .group(async |g| {
                let job = g.job(|| ()).permit_of(&permits).spawn_blocking();
                assert_eq!((queued.len(), permits.available()), (1, 0));
                let next = g.job(|| ()).permit_of(&permits).spawn_cpu();
                assert_eq!((queued.len(), permits.waiting()), (1, 1));
                job.cancel();
                assert_eq!((queued.len(), permits.waiting()), (2, 0), "the next one goes");
                queued.release();
                next.await?;
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(permits.available(), 1);
}

/// By their group, and by a pool that is shut down and refuses one after the other.
fn b2_ten_thousand_jobs_in_line_are_cancelled_and_dropped<R: Runtime>(env: &Env<R>) {
    let (jobs, permits) = (env.size(10_000), Semaphore::new(1));
    env.block_on(async |rt| {
        for refuse in [false, true] {
            let queued = Queued::new(rt.clone());
            let outcome: Outcome<()> = queued
                .group(async |g| {
                    for _ in 0..jobs {
                        g.job(|| ()).permit_of(&permits).spawn_blocking();
                    }
                    assert_eq!((queued.len(), permits.waiting()), (1, jobs - 1));
                    if refuse {
                        queued.refuse();
                    } else {
                        g.cancel();
                    }
                    Ok(())
                })
                .await;
            outcome.unwrap();
            assert_eq!((permits.available(), permits.waiting()), (1, 0));
        }
    });
}

fn b2_ambient_job_waits_for_its_permit_too<R: Runtime>(env: &Env<R>) {
    let permits = Semaphore::new(0);
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let job = rt.job(|| 1).name("ambient").permit_of(&permits).spawn_cpu();
                assert_eq!(rt.spawn_cpu(|| 2).await?, 2, "it passes the one that waits");
                assert_eq!((permits.waiting(), job.is_finished()), (1, false));
                g.cancel();
                assert_eq!(permits.waiting(), 0);
                never().await
            })
            .await;
        assert!(outcome.unwrap_err().failures().is_none());
    });
}

fn b3_given_up_job_keeps_its_permit_until_it_ends<R: Runtime>(env: &Env<R>) {
    let (stuck, permits) = (Stuck::default(), Semaphore::new(1));
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let job = g.job(stuck.job()).permit_of(&permits).spawn_blocking();
                stuck.running.wait().await;
                job.give_up();
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_eq!(permits.available(), 0, "the group has not waited for it");
        stuck.is_waited_for_by(rt.drained(), &stuck.running).await;
    });
    assert_eq!(permits.available(), 1);
}

/// Whoever has awaited it can rely on that.
fn b3_permit_is_back_when_the_job_has_ended<R: Runtime>(env: &Env<R>) {
    let (permits, each) = (Semaphore::new(1), env.size(50));
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                for spawn in both_with_permit::<(), R>().repeat(each) {
                    spawn(&g, &permits, Box::new(|| ())).await?;
                    assert!(permits.try_acquire().is_some());
                    let panics = spawn(&g, &permits, Box::new(|| panic!("expected: of a job")));
                    assert!(panics.await.unwrap_err().is_panic());
                    assert!(permits.try_acquire().is_some());
                }
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(permits.available(), 1);
}
