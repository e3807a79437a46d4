//! Time limits that are never reached.

use std::time::Duration;

use anyscope_core::{Runtime, TaskError};
use tokio::task::JoinSet;

use super::work::{Work, Yielding};
use crate::{Backend, Build, Contender, Plan, Scenario};

const FAR: Duration = Duration::from_secs(600);

pub(super) const TIMERS: Scenario = Scenario {
    name: "timers",
    about: "tasks with a time limit that is not reached, suspended once each",
    full: Plan { sizes: &[100_000], rounds: 15 },
    quick: Plan { sizes: &[100_000], rounds: 3 },
    contenders: |setting| setting.build(Timers),
    ..Scenario::TASKS
};

struct Timers;

impl Build for Timers {
    fn build<B: Backend>(self, b: &B) -> Vec<Contender> {
        let mut all = vec![
            Contender::task("bare", b, bare),
            Contender::task("group", b, |b, n| group(b.runtime().clone(), n)),
        ];
        if B::IS_TOKIO {
            all.push(Contender::task("JoinSet", b, |_, n| join_set::<B>(n)));
        }
        all
    }
}

async fn bare<B: Backend>(b: B, n: usize) -> u64 {
    let limited = |i| b.spawn(async move { B::timeout(FAR, Yielding.plain(i)).await });
    let joins: Vec<_> = (0..n as u64).map(limited).collect();
    let mut sum = 0;
    for join in joins {
        sum += join.await.expect("the limit is far");
    }
    sum
}

async fn group<R: Runtime>(rt: R, n: usize) -> u64 {
    let timer = rt.clone();
    let all = rt.group::<TaskError, _>(move |g| async move {
        let limited = |i| {
            let limited = timer.timeout(FAR, Yielding.plain(i));
            g.spawn(async move { Ok(limited.await.expect("the limit is far")) })
        };
        let tasks: Vec<_> = (0..n as u64).map(limited).collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await?;
        }
        Ok(sum)
    });
    all.await.expect("no task fails")
}

async fn join_set<B: Backend>(n: usize) -> u64 {
    let mut set = JoinSet::new();
    for i in 0..n as u64 {
        set.spawn(B::timeout(FAR, Yielding.plain(i)));
    }
    let mut sum = 0;
    while let Some(value) = set.join_next().await {
        sum += value.expect("no task fails").expect("the limit is far");
    }
    sum
}
