//! What not to do with very many handles of tokio, and that our own combinators may.

use anyscope_core::{Runtime, TaskError, as_completed, gather};
use futures_concurrency::prelude::{ConcurrentStream, IntoConcurrentStream};
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;

use super::work::{Ready, Work};
use crate::{Backend, Build, Contender, Plan, Scenario, Setting};

pub(super) const TRAPS: Scenario = Scenario {
    name: "traps",
    about: "handles of ready tasks, awaited through a combinator",
    settings: &[Setting::TokioMt, Setting::TokioCt],
    full: Plan { sizes: &[1_000, 20_000, 100_000], rounds: 3 },
    quick: Plan { sizes: &[1_000, 20_000], rounds: 3 },
    heap: None,
    contenders: |setting| setting.build(Traps),
    ..Scenario::TASKS
};

struct Traps;

impl Build for Traps {
    fn build<B: Backend>(self, b: &B) -> Vec<Contender> {
        vec![
            Contender::task("bare", b, bare),
            Contender::task("group, gather", b, |b, n| gathered(b.runtime().clone(), n)),
            Contender::task("group, as_completed", b, |b, n| completed(b.runtime().clone(), n)),
            Contender::task("futures-buffered join_all", b, |b, n| async move {
                futures_buffered::join_all(joins(&b, n)).await.into_iter().sum()
            }),
            Contender::task("futures join_all", b, |b, n| async move {
                join_all(joins(&b, n)).await.into_iter().sum()
            }),
            Contender::task("ConcurrentStream", b, |b, n| async move {
                let values = joins(&b, n).into_co_stream().map(|join| join);
                values.collect::<Vec<_>>().await.into_iter().sum()
            })
            .up_to(20_000),
            Contender::task("futures FuturesUnordered", b, |b, n| async move {
                let all: FuturesUnordered<_> = joins(&b, n).into_iter().collect();
                all.fold(0, async |sum, value| sum + value).await
            }),
        ]
    }
}

fn joins<B: Backend>(b: &B, n: usize) -> Vec<B::Join<u64>> {
    (0..n as u64).map(|i| b.spawn(Ready.plain(i))).collect()
}

async fn bare<B: Backend>(b: B, n: usize) -> u64 {
    let mut sum = 0;
    for join in joins(&b, n) {
        sum += join.await;
    }
    sum
}

async fn gathered<R: Runtime>(rt: R, n: usize) -> u64 {
    let all = rt.group::<TaskError, _>(move |g| async move {
        let tasks: Vec<_> = (0..n as u64).map(|i| g.spawn(Ready.fallible(i))).collect();
        Ok(gather(tasks).await?.into_iter().sum())
    });
    all.await.expect("no task fails")
}

async fn completed<R: Runtime>(rt: R, n: usize) -> u64 {
    let all = rt.group::<TaskError, _>(move |g| async move {
        let tasks: Vec<_> = (0..n as u64).map(|i| g.spawn(Ready.fallible(i))).collect();
        let (mut tasks, mut sum) = (as_completed(tasks), 0);
        while let Some(value) = tasks.next().await {
            sum += value?;
        }
        Ok(sum)
    });
    all.await.expect("no task fails")
}
