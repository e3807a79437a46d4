//! Blocking and CPU jobs (rules B1, B3, B4 and U1 to U3).

use std::collections::HashSet;

use anyscope_core::{BoxError, CauseKind, GroupHandle, Runtime, TaskHandle};

use super::{Case, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, boom, eventually, never};
use crate::thread;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(b1_runs_off_the_async_threads_and_gives_its_value::<R>),
        case(b1_async_tasks_go_on_while_jobs_block::<R>),
        case(b3_job_not_yet_started_never_runs_after_a_cancel::<R>),
        case(b4_dropped_handle_lets_the_job_run_on::<R>),
        case(b4_ambient_job_belongs_to_the_enclosing_group::<R>),
        case(u1_cpu_jobs_run_apart_from_the_others::<R>),
        case(u2_jobs_that_start_jobs_all_run::<R>),
        case(u3_plain_value_is_never_a_failure_of_the_group::<R>),
        case(u3_try_forms_fail_the_group::<R>),
    ]
}

fn b1_runs_off_the_async_threads_and_gives_its_value<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let task = g.spawn(async { Ok(thread::current().id()) }).await?;
                let job = g.spawn_blocking(|| thread::current().id()).await?;
                assert_ne!(job, task);
                assert_ne!(job, thread::current().id());
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn b1_async_tasks_go_on_while_jobs_block<R: Runtime>(env: &Env<R>) {
    let (running, finish) = (Count::new(), Gate::new());
    let _at_last = finish.open_on_drop();
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let jobs: Vec<_> = (0..4)
                    .map(|_| {
                        let (running, finish) = (running.clone(), finish.clone());
                        g.spawn_blocking(move || {
                            running.add();
                            finish.wait_blocking();
                        })
                    })
                    .collect();
                eventually(&rt, "all jobs run", || running.get() == 4).await;
                assert_eq!(g.spawn(async { Ok(3) }).await?, 3);
                finish.open();
                for job in jobs {
                    job.await?;
                }
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

/// Starts a job that runs until `finish` is open, and waits until it runs.
async fn start_job<R: Runtime>(
    g: &GroupHandle<BoxError, R>,
    finish: &Gate,
    ended: &Count,
) -> TaskHandle<(), R> {
    let running = Gate::new();
    let (in_job, finish, ended) = (running.clone(), finish.clone(), ended.clone());
    let job = g.spawn_blocking(move || {
        in_job.open();
        finish.wait_blocking();
        ended.add();
    });
    running.wait().await;
    job
}

/// Jobs are queued and cancelled in a race with their start: each runs or was revoked, never both,
/// and none starts after the group has returned.
fn b3_job_not_yet_started_never_runs_after_a_cancel<R: Runtime>(env: &Env<R>) {
    for _ in env.rounds(50) {
        let (ran, dropped) = (Count::new(), Count::new());
        env.block_on(async |rt| {
            let outcome: Outcome<Vec<TaskHandle<(), R>>> = rt
                .group(async |g| {
                    let jobs = (0..10).map(|_| {
                        let (ran, probe) = (ran.clone(), dropped.on_drop());
                        g.spawn_blocking(move || {
                            let _probe = probe;
                            ran.add();
                        })
                    });
                    let jobs = jobs.collect();
                    g.cancel();
                    Ok(jobs)
                })
                .await;
            let ran_in_time = ran.get();
            assert_eq!(dropped.get(), 10, "each closure is gone");
            let mut values = 0;
            for job in outcome.unwrap() {
                match job.await {
                    Ok(()) => values += 1,
                    Err(error) => assert!(error.is_cancelled()),
                }
            }
            assert_eq!((values, ran.get()), (ran_in_time, ran_in_time));
        });
    }
}

fn b4_dropped_handle_lets_the_job_run_on<R: Runtime>(env: &Env<R>) {
    let (finish, ended) = (Gate::new(), Count::new());
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                drop(start_job(&g, &finish, &ended).await);
                finish.open();
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_eq!(ended.get(), 1);
    });
}

/// It outlives the task that started it, but not the group.
fn b4_ambient_job_belongs_to_the_enclosing_group<R: Runtime>(env: &Env<R>) {
    let (finish, ended) = (Gate::new(), Count::new());
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (rt, in_job, count) = (rt.clone(), finish.clone(), ended.clone());
                g.spawn(async move {
                    drop(rt.spawn_blocking(move || {
                        in_job.wait_blocking();
                        count.add();
                    }));
                    Ok(())
                })
                .await?;
                assert_eq!(ended.get(), 0);
                finish.open();
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_eq!(ended.get(), 1);
    });
}

/// One after the other, so that a pool that both share would use its threads again.
fn u1_cpu_jobs_run_apart_from_the_others<R: Runtime>(env: &Env<R>) {
    let (mut others, mut cpu) = (HashSet::new(), HashSet::new());
    let each = env.size(20);
    others.insert(thread::current().id());
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                for _ in 0..each {
                    others.insert(g.spawn(async { Ok(thread::current().id()) }).await?);
                    others.insert(g.spawn_blocking(|| thread::current().id()).await?);
                }
                for _ in 0..each {
                    cpu.insert(g.spawn_cpu(|| thread::current().id()).await?);
                }
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert!(cpu.is_disjoint(&others));
}

/// None waits for another: that takes its thread, and is promised to data-parallel work alone, which knows
/// its pool. The tests of that, in `anyscope-pools`, show it with rayon's.
fn u2_jobs_that_start_jobs_all_run<R: Runtime>(env: &Env<R>) {
    fn spread<R: Runtime>(g: GroupHandle<BoxError, R>, depth: u32, count: Count) {
        count.add();
        for _ in 0..if depth > 0 { 2 } else { 0 } {
            let (group, count) = (g.clone(), count.clone());
            g.spawn_cpu(move || spread(group, depth - 1, count));
        }
    }
    let (count, depth) = (Count::new(), env.size(512).ilog2() - 1);
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                spread(g, depth, count.clone());
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(count.get(), (2 << depth) - 1);
}

fn u3_plain_value_is_never_a_failure_of_the_group<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let plain = || Err::<(), _>(boom("a value like any other"));
                assert!(g.spawn_cpu(plain).await?.is_err());
                assert!(g.spawn_blocking(plain).await?.is_err());
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn u3_try_forms_fail_the_group<R: Runtime>(env: &Env<R>) {
    type Spawn<R> = fn(&GroupHandle<BoxError, R>) -> TaskHandle<u32, R>;
    let spawns: [Spawn<R>; 2] = [
        |g| g.try_spawn_cpu(|| "x".parse::<u32>()),
        |g| g.try_spawn_blocking(|| "x".parse::<u32>()),
    ];
    for spawn in spawns {
        env.block_on(async |rt| {
            let outcome: Outcome<()> = rt
                .group(async |g| {
                    spawn(&g);
                    never().await
                })
                .await;
            let error = outcome.unwrap_err();
            assert!(matches!(error.cause().unwrap().kind(), CauseKind::SiblingFailed(_)));
            let failure = error.failures().unwrap().first();
            assert!(failure.error().unwrap().is::<std::num::ParseIntError>());
        });
    }
}
