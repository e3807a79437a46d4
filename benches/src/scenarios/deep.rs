//! Groups in groups in groups.

use std::future::Future;
use std::pin::Pin;

use anyscope_core::{GroupHandle, Runtime, TaskError};
use tokio::task::JoinSet;

use crate::{Backend, Build, Contender, Plan, Scenario};

pub(super) const DEEP: Scenario = Scenario {
    name: "deep",
    about: "a task that opens a group with a task that opens a group; the size is the depth",
    full: Plan { sizes: &[10_000], rounds: 15 },
    quick: Plan { sizes: &[10_000], rounds: 5 },
    heap: Some(1_000),
    expect: |depth| depth as u64,
    contenders: |setting| setting.build(Deep),
    ..Scenario::TASKS
};

struct Deep;

impl Build for Deep {
    fn build<B: Backend>(self, b: &B) -> Vec<Contender> {
        let mut all = vec![
            Contender::task("bare", b, |b, depth| bare(b, depth as u64)),
            Contender::task("group", b, |b, depth| group(b.runtime().clone(), depth as u64)),
        ];
        if B::IS_TOKIO {
            all.push(Contender::task("JoinSet", b, |_, depth| join_set(depth as u64)));
        }
        all
    }
}

type Level<T> = Pin<Box<dyn Future<Output = T> + Send>>;

fn bare<B: Backend>(b: B, depth: u64) -> Level<u64> {
    Box::pin(async move {
        if depth == 0 {
            return 0;
        }
        b.spawn(bare(b.clone(), depth - 1)).await + 1
    })
}

async fn group<R: Runtime>(rt: R, depth: u64) -> u64 {
    fn level<R: Runtime>(
        g: GroupHandle<TaskError, R>,
        depth: u64,
    ) -> Level<Result<u64, TaskError>> {
        Box::pin(async move {
            if depth == 0 {
                return Ok(0);
            }
            Ok(g.spawn_group(move |inner| level(inner, depth - 1)).await? + 1)
        })
    }
    rt.group::<TaskError, _>(move |g| level(g, depth)).await.expect("no task fails")
}

fn join_set(depth: u64) -> Level<u64> {
    Box::pin(async move {
        if depth == 0 {
            return 0;
        }
        let mut set = JoinSet::new();
        set.spawn(join_set(depth - 1));
        set.join_next().await.expect("there is one").expect("no task fails") + 1
    })
}
