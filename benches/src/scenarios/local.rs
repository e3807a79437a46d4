//! Children that run in the caller's task.

use std::future::Future;

use anyscope_core::{TaskError, scope};
use futures_concurrency::future::FutureGroup;
use futures_executor::block_on;
use futures_util::{Stream, StreamExt};

use super::work::{Ready, Work};
use crate::{Contender, Plan, Scenario, Setting};

pub(super) const LOCAL: Scenario = Scenario {
    name: "local",
    about: "children that are ready at once, run in the caller's task",
    settings: &[Setting::Plain],
    full: Plan { sizes: &[1_000, 100_000], rounds: 15 },
    quick: Plan { sizes: &[1_000, 100_000], rounds: 5 },
    contenders: |_| contenders(),
    ..Scenario::TASKS
};

fn contenders() -> Vec<Contender> {
    vec![
        Contender::plain("futures-buffered", |n| {
            sum(futures(n).collect::<futures_buffered::FuturesUnordered<_>>())
        }),
        Contender::plain("scope", |n| block_on(scoped(n))),
        Contender::plain("futures FuturesUnordered", |n| {
            sum(futures(n).collect::<futures_util::stream::FuturesUnordered<_>>())
        }),
        Contender::plain("futures-concurrency FutureGroup", |n| {
            sum(futures(n).map(Box::pin).collect::<FutureGroup<_>>())
        }),
        Contender::plain("moro", |n| block_on(moro(n))),
    ]
}

fn futures(n: usize) -> impl Iterator<Item = impl Future<Output = u64>> {
    (0..n as u64).map(|i| Ready.plain(i))
}

fn sum(children: impl Stream<Item = u64>) -> u64 {
    block_on(children.fold(0, async |sum, value| sum + value))
}

async fn scoped(n: usize) -> u64 {
    let all = scope::<TaskError, _>(async |s| {
        let children: Vec<_> = (0..n as u64).map(|i| s.spawn(Ready.fallible(i))).collect();
        let mut sum = 0;
        for child in children {
            sum += child.await?;
        }
        Ok(sum)
    });
    all.await.expect("no child fails")
}

async fn moro(n: usize) -> u64 {
    moro::async_scope!(|scope| {
        let children: Vec<_> = (0..n as u64).map(|i| scope.spawn(Ready.plain(i))).collect();
        let mut sum = 0;
        for child in children {
            sum += child.await;
        }
        sum
    })
    .await
}
