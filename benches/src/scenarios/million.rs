//! One group that lives long: very many short tasks, few of them alive at a time.

use std::collections::VecDeque;

use anyscope_core::{Runtime, TaskError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::rules::{Handle, Rules};
use super::work::{Work, Yielding};
use crate::{Backend, Build, Contender, Plan, Scenario};

/// So many tasks are alive at most.
const ALIVE: usize = 100;

pub(super) const MILLION: Scenario = Scenario {
    name: "million",
    about: "short tasks through one group, at most 100 alive at a time",
    full: Plan { sizes: &[1_000_000], rounds: 15 },
    quick: Plan { sizes: &[100_000], rounds: 5 },
    heap: Some(1_000_000),
    contenders: |setting| setting.build(Million),
    ..Scenario::TASKS
};

struct Million;

impl Build for Million {
    fn build<B: Backend>(self, b: &B) -> Vec<Contender> {
        let mut all = vec![
            Contender::task("bare", b, bare),
            Contender::task("group", b, |b, n| group(b.runtime().clone(), n)),
            Contender::task("rules by hand", b, rules),
            Contender::task("group with a limit", b, |b, n| limited(b.runtime().clone(), n)),
        ];
        if B::IS_TOKIO {
            all.push(Contender::task("JoinSet", b, |_, n| join_set(n)));
            all.push(Contender::task("JoinSet, not drained", b, |_, n| undrained(n)));
            all.push(Contender::task("TaskTracker + token", b, |_, n| tracker(n)));
        }
        all
    }
}

async fn bare<B: Backend>(b: B, n: usize) -> u64 {
    let (mut alive, mut sum) = (VecDeque::with_capacity(ALIVE), 0);
    for i in 0..n as u64 {
        if alive.len() == ALIVE {
            sum += alive.pop_front().expect("there are some").await;
        }
        alive.push_back(b.spawn(Yielding.plain(i)));
    }
    for join in alive {
        sum += join.await;
    }
    sum
}

async fn group<R: Runtime>(rt: R, n: usize) -> u64 {
    let all = rt.group::<TaskError, _>(move |g| async move {
        let (mut alive, mut sum) = (VecDeque::with_capacity(ALIVE), 0);
        for i in 0..n as u64 {
            if alive.len() == ALIVE {
                sum += alive.pop_front().expect("there are some").await?;
            }
            alive.push_back(g.spawn(Yielding.fallible(i)));
        }
        for task in alive {
            sum += task.await?;
        }
        Ok(sum)
    });
    all.await.expect("no task fails")
}

async fn rules<B: Backend>(b: B, n: usize) -> u64 {
    let group = Rules::new();
    let mut alive: VecDeque<Handle<B::Join<Option<u64>>>> = VecDeque::with_capacity(ALIVE);
    let mut sum = 0;
    for i in 0..n as u64 {
        if alive.len() == ALIVE {
            let oldest = alive.pop_front().expect("there are some");
            sum += oldest.await.expect("nobody cancels");
        }
        alive.push_back(group.spawn(&b, Yielding.fallible(i)));
    }
    sum + group.total(alive).await
}

/// The group itself holds the number down.
async fn limited<R: Runtime>(rt: R, n: usize) -> u64 {
    let all = rt.group::<TaskError, _>(move |g| async move {
        let (mut alive, mut sum) = (VecDeque::with_capacity(ALIVE), 0);
        for i in 0..n as u64 {
            let task = g.spawn_when_free(Yielding.fallible(i)).await;
            if alive.len() == ALIVE {
                sum += alive.pop_front().expect("there are some").await?;
            }
            alive.push_back(task);
        }
        for task in alive {
            sum += task.await?;
        }
        Ok(sum)
    });
    all.limit(ALIVE).await.expect("no task fails")
}

async fn join_set(n: usize) -> u64 {
    let (mut set, mut sum) = (JoinSet::new(), 0);
    for i in 0..n as u64 {
        if set.len() == ALIVE {
            sum += set.join_next().await.expect("there are some").expect("no task fails");
        }
        set.spawn(Yielding.plain(i));
    }
    while let Some(value) = set.join_next().await {
        sum += value.expect("no task fails");
    }
    sum
}

/// As it is easily written: what has ended is kept until somebody asks.
async fn undrained(n: usize) -> u64 {
    let mut set = JoinSet::new();
    for i in 0..n as u64 {
        set.spawn(Yielding.plain(i));
        if i % ALIVE as u64 == 0 {
            tokio::task::yield_now().await;
        }
    }
    set.join_all().await.into_iter().sum()
}

async fn tracker(n: usize) -> u64 {
    let (tracker, token) = (TaskTracker::new(), CancellationToken::new());
    let (mut alive, mut sum) = (VecDeque::with_capacity(ALIVE), 0);
    for i in 0..n as u64 {
        if alive.len() == ALIVE {
            let oldest: tokio::task::JoinHandle<Option<u64>> =
                alive.pop_front().expect("there are some");
            sum += oldest.await.expect("no task fails").expect("nobody cancels");
        }
        let task = token.clone().run_until_cancelled_owned(Yielding.plain(i));
        alive.push_back(tracker.spawn(task));
    }
    for join in alive {
        sum += join.await.expect("no task fails").expect("nobody cancels");
    }
    tracker.close();
    tracker.wait().await;
    sum
}
