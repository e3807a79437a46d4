//! Many groups of some tasks each, in one group.

use anyscope_core::{Runtime, TaskError};
use tokio::task::JoinSet;

use super::rules::Rules;
use crate::{Backend, Build, Contender, Plan, Scenario};

/// Tasks in each group.
const EACH: usize = 100;

pub(super) const GROUPS: Scenario = Scenario {
    name: "groups",
    about: "groups of 100 ready tasks each, all at once in one group; the size is their number",
    full: Plan { sizes: &[1_000], rounds: 15 },
    quick: Plan { sizes: &[1_000], rounds: 5 },
    items: |groups| groups * EACH,
    heap: Some(100),
    expect: |groups| groups as u64 * (EACH as u64 * (EACH as u64 - 1) / 2),
    contenders: |setting| setting.build(Groups),
    ..Scenario::TASKS
};

struct Groups;

impl Build for Groups {
    fn build<B: Backend>(self, b: &B) -> Vec<Contender> {
        let mut all = vec![
            Contender::task("bare", b, bare),
            Contender::task("group", b, |b, n| group(b.runtime().clone(), n)),
            Contender::task("group, spawn_all", b, |b, n| all_at_once(b.runtime().clone(), n)),
            Contender::task("rules by hand", b, rules),
        ];
        if B::IS_TOKIO {
            all.push(Contender::task("JoinSet", b, |_, n| join_set(n)));
        }
        all
    }
}

async fn bare<B: Backend>(b: B, groups: usize) -> u64 {
    let inner = |b: B| async move {
        let joins: Vec<_> = (0..EACH as u64).map(|i| b.spawn(async move { i })).collect();
        let mut sum = 0;
        for join in joins {
            sum += join.await;
        }
        sum
    };
    let joins: Vec<_> = (0..groups).map(|_| b.spawn(inner(b.clone()))).collect();
    let mut sum = 0;
    for join in joins {
        sum += join.await;
    }
    sum
}

async fn group<R: Runtime>(rt: R, groups: usize) -> u64 {
    let all = rt.group::<TaskError, _>(move |outer| async move {
        let inner = |_| {
            outer.spawn_group(|g| async move {
                let spawn = |i| g.spawn(async move { Ok(i) });
                let tasks: Vec<_> = (0..EACH as u64).map(spawn).collect();
                let mut sum = 0;
                for task in tasks {
                    sum += task.await?;
                }
                Ok(sum)
            })
        };
        let tasks: Vec<_> = (0..groups).map(inner).collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await?;
        }
        Ok(sum)
    });
    all.await.expect("no task fails")
}

async fn all_at_once<R: Runtime>(rt: R, groups: usize) -> u64 {
    async fn inner<R: Runtime>(rt: R) -> Result<u64, TaskError> {
        let sum = rt.group::<TaskError, _>(|g| async move {
            let values = g.spawn_all((0..EACH as u64).map(|i| async move { Ok(i) })).await?;
            Ok(values.into_iter().sum::<u64>())
        });
        Ok(sum.await.expect("no task fails"))
    }
    let all = rt.group::<TaskError, _>(move |g| async move {
        let rt = g.runtime();
        let sums = g.spawn_all((0..groups).map(|_| inner(rt.clone()))).await?;
        Ok(sums.into_iter().sum::<u64>())
    });
    all.await.expect("no task fails")
}

/// Each inner group is a task of the outer one.
async fn rules<B: Backend>(b: B, groups: usize) -> u64 {
    async fn inner<B: Backend>(b: B) -> Result<u64, TaskError> {
        let group = Rules::new();
        let spawn = |i| group.spawn(&b, async move { Ok::<_, TaskError>(i) });
        let tasks: Vec<_> = (0..EACH as u64).map(spawn).collect();
        Ok(group.total(tasks).await)
    }
    let outer = Rules::new();
    let tasks: Vec<_> = (0..groups).map(|_| outer.spawn(&b, inner(b.clone()))).collect();
    outer.total(tasks).await
}

async fn join_set(groups: usize) -> u64 {
    async fn total(mut set: JoinSet<u64>) -> u64 {
        let mut sum = 0;
        while let Some(value) = set.join_next().await {
            sum += value.expect("no task fails");
        }
        sum
    }
    let inner = |_| async { total((0..EACH as u64).map(|i| async move { i }).collect()).await };
    total((0..groups).map(inner).collect()).await
}
