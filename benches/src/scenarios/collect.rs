//! Many tasks, spawned and awaited: ready at once, or suspended once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use anyscope_core::{AnyRuntime, Group, Runtime, TaskError};
use async_executors::{SpawnHandle, TokioTp};
use async_nursery::{NurseExt, Nursery};
use futures_buffered::FuturesUnordered;
use futures_util::StreamExt;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::rules::Rules;
use super::work::{Ready, Work, Yielding};
use crate::{Backend, Build, Contender, Scenario, Setting};

pub(super) const READY: Scenario = Scenario {
    name: "ready",
    about: "tasks that are ready at their first poll, spawned and awaited in order",
    contenders: |setting| contenders(setting, Ready),
    ..Scenario::TASKS
};

pub(super) const YIELDING: Scenario = Scenario {
    name: "yield",
    about: "tasks that are suspended once, spawned and awaited in order",
    contenders: |setting| contenders(setting, Yielding),
    ..Scenario::TASKS
};

fn contenders<W: Work>(setting: Setting, work: W) -> Vec<Contender> {
    let mut all = setting.build(Collect(work));
    match setting {
        Setting::TokioMt => all.push(with_nursery("async_nursery", setting, work)),
        Setting::AsyncStd => all.push(with_nursery("async_nursery", setting, work)),
        _ => {}
    }
    all
}

struct Collect<W>(W);

impl<W: Work> Build for Collect<W> {
    fn build<B: Backend>(self, b: &B) -> Vec<Contender> {
        let work = self.0;
        let mut all = vec![
            Contender::task("bare", b, move |b, n| bare(b, n, work)),
            Contender::task("group", b, move |b, n| group(b.runtime().clone(), n, work)),
            Contender::task("group, spawn_all", b, move |b, n| {
                all_at_once(b.runtime().clone(), n, work)
            }),
            Contender::task("rules by hand", b, move |b, n| rules(b, n, work)),
            Contender::task("group, handles dropped", b, move |b, n| dropped(b, n, work)),
            Contender::task("group of AnyRuntime", b, move |b, n| {
                group(AnyRuntime::new(b.runtime().clone()), n, work)
            }),
            Contender::task("child token + select!", b, move |b, n| by_hand(b, n, work)),
            Contender::task("futures-buffered over handles", b, move |b, n| buffered(b, n, work)),
            Contender::task("moro", b, move |_, n| moro(n, work)).up_to(100_000),
        ];
        if B::IS_TOKIO {
            all.push(Contender::task("JoinSet", b, move |_, n| join_set(n, work)));
            all.push(Contender::task("TaskTracker + token", b, move |_, n| tracker(n, work)));
        }
        all
    }
}

async fn bare<B: Backend>(b: B, n: usize, work: impl Work) -> u64 {
    let joins: Vec<_> = (0..n as u64).map(|i| b.spawn(work.plain(i))).collect();
    let mut sum = 0;
    for join in joins {
        sum += join.await;
    }
    sum
}

async fn group<R: Runtime>(rt: R, n: usize, work: impl Work) -> u64 {
    let all = rt.group::<TaskError, _>(move |g| async move {
        let tasks: Vec<_> = (0..n as u64).map(|i| g.spawn(work.fallible(i))).collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await?;
        }
        Ok(sum)
    });
    all.await.expect("no task fails")
}

async fn all_at_once<R: Runtime>(rt: R, n: usize, work: impl Work) -> u64 {
    let all = rt.group::<TaskError, _>(move |g| async move {
        let values = g.spawn_all((0..n as u64).map(|i| work.fallible(i))).await?;
        Ok(values.into_iter().sum())
    });
    all.await.expect("no task fails")
}

async fn rules<B: Backend>(b: B, n: usize, work: impl Work) -> u64 {
    let group = Rules::new();
    let tasks: Vec<_> = (0..n as u64).map(|i| group.spawn(&b, work.fallible(i))).collect();
    group.total(tasks).await
}

/// The values go another way, which costs an addition to a shared number.
async fn dropped<B: Backend>(b: B, n: usize, work: impl Work) -> u64 {
    let sum = Arc::new(AtomicU64::new(0));
    let total = sum.clone();
    let all = b.runtime().group::<TaskError, _>(move |g| async move {
        for i in 0..n as u64 {
            let (sum, value) = (sum.clone(), work.fallible(i));
            drop(g.spawn(async move {
                sum.fetch_add(value.await?, Relaxed);
                Ok(())
            }));
        }
        Ok(())
    });
    all.await.expect("no task fails");
    total.load(Relaxed)
}

/// Fail-fast as it is written without a library for it.
async fn by_hand<B: Backend>(b: B, n: usize, work: impl Work) -> u64 {
    let root = CancellationToken::new();
    let spawn = |i| {
        let (token, future) = (root.child_token(), work.fallible(i));
        b.spawn(async move {
            tokio::select! {
                biased;
                () = token.cancelled() => None,
                value = future => Some(value),
            }
        })
    };
    let joins: Vec<_> = (0..n as u64).map(spawn).collect();
    let mut sum = 0;
    for join in joins {
        match join.await {
            Some(Ok(value)) => sum += value,
            Some(Err(_)) => root.cancel(),
            None => {}
        }
    }
    sum
}

async fn buffered<B: Backend>(b: B, n: usize, work: impl Work) -> u64 {
    let joins: FuturesUnordered<_> = (0..n as u64).map(|i| b.spawn(work.plain(i))).collect();
    joins.fold(0, async |sum, value| sum + value).await
}

async fn moro(n: usize, work: impl Work) -> u64 {
    moro::async_scope!(|scope| {
        let tasks: Vec<_> = (0..n as u64).map(|i| scope.spawn(work.plain(i))).collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await;
        }
        sum
    })
    .await
}

async fn join_set(n: usize, work: impl Work) -> u64 {
    let mut set = JoinSet::new();
    for i in 0..n as u64 {
        set.spawn(work.plain(i));
    }
    let mut sum = 0;
    while let Some(value) = set.join_next().await {
        sum += value.expect("no task fails");
    }
    sum
}

async fn tracker(n: usize, work: impl Work) -> u64 {
    let (tracker, token) = (TaskTracker::new(), CancellationToken::new());
    let spawn = |i| tracker.spawn(token.clone().run_until_cancelled_owned(work.plain(i)));
    let joins: Vec<_> = (0..n as u64).map(spawn).collect();
    let mut sum = 0;
    for join in joins {
        sum += join.await.expect("no task fails").expect("nobody cancels");
    }
    tracker.close();
    tracker.wait().await;
    sum
}

/// It polls all handles through one `FuturesUnordered`, so large sizes take minutes on tokio.
fn with_nursery<W: Work>(name: &'static str, setting: Setting, work: W) -> Contender {
    struct One<W>(&'static str, Setting, W);
    impl<W: Work> Build for One<W> {
        fn build<B: Backend>(self, b: &B) -> Vec<Contender> {
            let Self(name, setting, work) = self;
            let run = move |_, n| async move {
                match setting {
                    Setting::TokioMt => {
                        nursery(TokioTp::try_current().expect("on tokio"), n, work).await
                    }
                    _ => nursery(async_executors::AsyncStd::new(), n, work).await,
                }
            };
            vec![Contender::task(name, b, run).up_to(1_000)]
        }
    }
    setting.build(One(name, setting, work)).pop().expect("a contender for this setting")
}

async fn nursery<S: SpawnHandle<u64>>(spawner: S, n: usize, work: impl Work) -> u64 {
    let (nursery, results) = Nursery::new(spawner);
    for i in 0..n as u64 {
        nursery.nurse(work.plain(i)).expect("the nursery is open");
    }
    drop(nursery);
    results.fold(0, async |sum, value| sum + value).await
}
