//! Groups with a limit (rule G18).

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Context;

use anyscope_core::{BoxError, Group, GroupHandle, Runtime};

use super::{Case, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, calling, eventually, parked, yield_now};
use crate::queued::Queued;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(g18_runs_so_many_at_once_and_no_more::<R>),
        case(g18_queue_is_first_in_first_out::<R>),
        case(g18_jobs_need_a_place_as_well::<R>),
        case(g18_job_that_has_given_its_value_has_no_place_any_more::<R>),
        case(g18_ten_thousand_jobs_in_line_are_dropped_by_their_pool::<R>),
        case(g18_queued_task_is_dropped_unpolled_by_a_cancellation::<R>),
        case(g18_queued_job_never_runs_after_a_cancellation::<R>),
        case(g18_queued_task_cancelled_alone_leaves_the_queue::<R>),
        case(g18_queued_task_counts_as_live::<R>),
        case(g18_try_spawn_says_that_it_is_full::<R>),
        case(g18_zero_counts_as_one::<R>),
    ]
}

fn g18_runs_so_many_at_once_and_no_more<R: Runtime>(env: &Env<R>) {
    const LIMIT: usize = 3;
    let (running, done) = (Count::new(), Count::new());
    let most = Arc::new(Mutex::new((0, 0)));
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                for _ in 0..50 {
                    let (most, done, began) = (most.clone(), done.clone(), running.clone());
                    g.spawn(async move {
                        began.add();
                        {
                            let mut now = most.lock().unwrap();
                            now.0 += 1;
                            now.1 = now.1.max(now.0);
                        }
                        yield_now().await;
                        most.lock().unwrap().0 -= 1;
                        done.add();
                        Ok(())
                    });
                }
                Ok(())
            })
            .limit(LIMIT)
            .await;
        outcome.unwrap();
    });
    assert_eq!(done.get(), 50);
    assert!(most.lock().unwrap().1 <= LIMIT, "{} at once", most.lock().unwrap().1);
}

/// One task that holds the only place until the gate is opened.
pub(super) async fn fill<R: Runtime>(g: &GroupHandle<BoxError, R>) -> Gate {
    let (begun, finish) = (Gate::new(), Gate::new());
    let (started, wait) = (begun.clone(), finish.clone());
    g.spawn(async move {
        started.open();
        wait.wait().await;
        Ok(())
    });
    begun.wait().await;
    finish
}

fn g18_queue_is_first_in_first_out<R: Runtime>(env: &Env<R>) {
    let order = Arc::new(Mutex::new(Vec::new()));
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let finish = fill(&g).await;
                for n in 0..10 {
                    let order = order.clone();
                    if n % 2 == 0 {
                        g.spawn(async move {
                            order.lock().unwrap().push(n);
                            Ok(())
                        });
                    } else {
                        g.spawn_blocking(move || order.lock().unwrap().push(n));
                    }
                }
                finish.open();
                Ok(())
            })
            .limit(1)
            .await;
        outcome.unwrap();
    });
    assert_eq!(*order.lock().unwrap(), (0..10).collect::<Vec<_>>());
}

fn g18_jobs_need_a_place_as_well<R: Runtime>(env: &Env<R>) {
    let ran = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let finish = fill(&g).await;
                let (first, second) = (ran.clone(), ran.clone());
                let jobs =
                    (g.spawn_blocking(move || first.add()), g.spawn_cpu(move || second.add()));
                rt.spawn_blocking(|| ()).await?;
                assert_eq!(ran.get(), 0);
                finish.open();
                assert_eq!(jobs.0.await? + jobs.1.await?, 3);
                Ok(())
            })
            .limit(1)
            .await;
        outcome.unwrap();
    });
}

/// Whoever is told of the value can rely on that, as with a task (T3).
fn g18_job_that_has_given_its_value_has_no_place_any_more<R: Runtime>(env: &Env<R>) {
    let (told, admitted) = (Count::new(), Count::new());
    env.run(async |rt| {
        let outcome: Outcome<_> = rt
            .group(async |g| {
                let finish = Gate::new();
                let wait = finish.clone();
                let mut job = g.spawn_blocking(move || wait.wait_blocking());
                let (group, told, admitted) = (g.clone(), told.clone(), admitted.clone());
                let waker = calling(move || {
                    told.add();
                    if group.try_spawn(async { Ok(()) }).is_ok() {
                        admitted.add();
                    }
                });
                assert!(pin!(&mut job).poll(&mut Context::from_waker(&waker)).is_pending());
                finish.open();
                Ok(job)
            })
            .limit(1)
            .await;
        drop(outcome.unwrap());
    });
    assert_eq!((told.get(), admitted.get()), (1, 1));
}

/// One after the other gets the place and is refused, because the pool is shut down.
fn g18_ten_thousand_jobs_in_line_are_dropped_by_their_pool<R: Runtime>(env: &Env<R>) {
    let (jobs, ran, gone) = (env.size(10_000), Count::new(), Count::new());
    env.block_on(async |rt| {
        let queued = Queued::new(rt);
        let outcome: Outcome<()> = queued
            .group(async |g| {
                for _ in 0..jobs {
                    let (ran, probe) = (ran.clone(), gone.on_drop());
                    g.spawn_blocking(move || {
                        let _probe = probe;
                        ran.note();
                    });
                }
                assert_eq!(queued.len(), 1);
                queued.refuse();
                assert_eq!(gone.get(), jobs);
                Ok(())
            })
            .limit(1)
            .await;
        outcome.unwrap();
    });
    assert_eq!(ran.get(), 0);
}

fn g18_queued_task_is_dropped_unpolled_by_a_cancellation<R: Runtime>(env: &Env<R>) {
    let (started, dropped) = (Gate::new(), Count::new());
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                fill(&g).await;
                for _ in 0..5 {
                    g.spawn(parked(&started, &dropped));
                }
                yield_now().await;
                g.cancel();
                Ok(())
            })
            .limit(1)
            .await;
        outcome.unwrap();
    });
    assert_eq!(dropped.get(), 5);
    assert!(!started.is_open());
}

fn g18_queued_job_never_runs_after_a_cancellation<R: Runtime>(env: &Env<R>) {
    let (ran, dropped) = (Count::new(), Count::new());
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                fill(&g).await;
                let (count, probe) = (ran.clone(), dropped.on_drop());
                let job = g.spawn_blocking(move || {
                    let _probe = probe;
                    count.add()
                });
                g.cancel();
                drop(job);
                Ok(())
            })
            .limit(1)
            .await;
        outcome.unwrap();
    });
    assert_eq!((ran.get(), dropped.get()), (0, 1));
}

fn g18_queued_task_cancelled_alone_leaves_the_queue<R: Runtime>(env: &Env<R>) {
    let (started, dropped, ran) = (Gate::new(), Count::new(), Count::new());
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let finish = fill(&g).await;
                let queued = g.spawn(parked(&started, &dropped));
                let count = ran.clone();
                let job = g.spawn_blocking(move || count.add());
                queued.cancel();
                assert!(queued.await.unwrap_err().is_cancelled());
                job.cancel();
                assert!(job.await.unwrap_err().is_cancelled());
                let last = g.spawn(async { Ok(7) });
                finish.open();
                assert_eq!(last.await?, 7);
                Ok(())
            })
            .limit(1)
            .await;
        outcome.unwrap();
    });
    assert_eq!((dropped.get(), ran.get()), (1, 0));
    assert!(!started.is_open());
}

fn g18_queued_task_counts_as_live<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let finish = fill(&g).await;
                let queued = g.spawn(async { Ok(()) });
                assert_eq!(g.live(), 3);
                assert!(!queued.is_finished());
                finish.open();
                Ok(queued.await?)
            })
            .limit(1)
            .await;
        outcome.unwrap();
    });
}

fn g18_try_spawn_says_that_it_is_full<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let finish = fill(&g).await;
                let refused = g.try_spawn(async { Ok(7) }).unwrap_err();
                assert!(refused.is_full() && refused.cause().is_none());
                let future = refused.into_future();
                finish.open();
                eventually(&rt, "its place is free", || g.live() == 1).await;
                assert_eq!(g.try_spawn(future)?.await?, 7);
                Ok(())
            })
            .limit(1)
            .await;
        outcome.unwrap();
    });
}

fn g18_zero_counts_as_one<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<i32> =
            rt.group(async |g| Ok(g.spawn(async { Ok(7) }).await?)).limit(0).await;
        assert_eq!(outcome.unwrap(), 7);
    });
}
