//! Tasks that spawn tasks, all into one group.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use anyscope_core::{GroupHandle, Runtime, TaskError};
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use super::rules::Rules;
use crate::{Backend, Build, Contender, Plan, Scenario};

pub(super) const RECURSE: Scenario = Scenario {
    name: "recurse",
    about: "a tree of tasks, each of which spawns two, into one group; the size is its depth",
    full: Plan { sizes: &[10, 16], rounds: 15 },
    quick: Plan { sizes: &[16], rounds: 5 },
    items: |depth| (2 << depth) - 1,
    heap: Some(12),
    expect: |depth| 1 << depth,
    contenders: |setting| setting.build(Recurse),
    ..Scenario::TASKS
};

struct Recurse;

impl Build for Recurse {
    fn build<B: Backend>(self, b: &B) -> Vec<Contender> {
        let mut all = vec![
            Contender::task("bare", b, |b, depth| bare(b, depth)),
            Contender::task("group", b, |b, depth| group(b.runtime().clone(), depth)),
            Contender::task("rules by hand", b, rules),
        ];
        if B::IS_TOKIO {
            all.push(Contender::task("JoinSet", b, |_, depth| join_set(depth)));
            all.push(Contender::task("TaskTracker", b, |_, depth| tracker(depth)));
        }
        all
    }
}

type Node<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Leaves = Arc<AtomicU64>;

async fn bare<B: Backend>(b: B, depth: usize) -> u64 {
    fn node<B: Backend>(b: B, depth: usize, leaves: Leaves) -> Node<()> {
        Box::pin(async move {
            if depth == 0 {
                leaves.fetch_add(1, Relaxed);
                return;
            }
            let left = b.spawn(node(b.clone(), depth - 1, leaves.clone()));
            let right = b.spawn(node(b.clone(), depth - 1, leaves));
            left.await;
            right.await;
        })
    }
    let leaves = Leaves::default();
    node(b, depth, leaves.clone()).await;
    leaves.load(Relaxed)
}

async fn group<R: Runtime>(rt: R, depth: usize) -> u64 {
    fn node<R: Runtime>(
        g: GroupHandle<TaskError, R>,
        depth: usize,
        leaves: Leaves,
    ) -> Node<Result<(), TaskError>> {
        Box::pin(async move {
            if depth == 0 {
                leaves.fetch_add(1, Relaxed);
                return Ok(());
            }
            drop(g.spawn(node(g.clone(), depth - 1, leaves.clone())));
            drop(g.spawn(node(g.clone(), depth - 1, leaves)));
            Ok(())
        })
    }
    let leaves = Leaves::default();
    let total = leaves.clone();
    rt.group::<TaskError, _>(move |g| node(g, depth, leaves)).await.expect("no task fails");
    total.load(Relaxed)
}

async fn rules<B: Backend>(b: B, depth: usize) -> u64 {
    fn node<B: Backend>(
        b: B,
        group: Arc<Rules>,
        depth: usize,
        leaves: Leaves,
    ) -> Node<Result<(), TaskError>> {
        Box::pin(async move {
            if depth == 0 {
                leaves.fetch_add(1, Relaxed);
                return Ok(());
            }
            group.start(&b, node(b.clone(), group.clone(), depth - 1, leaves.clone()));
            group.start(&b, node(b.clone(), group.clone(), depth - 1, leaves));
            Ok(())
        })
    }
    let (group, leaves) = (Rules::new(), Leaves::default());
    node(b, group.clone(), depth, leaves.clone()).await.expect("it does not fail");
    assert!(group.close().await, "no task fails");
    leaves.load(Relaxed)
}

async fn join_set(depth: usize) -> u64 {
    fn node(depth: usize, leaves: Leaves) -> Node<()> {
        Box::pin(async move {
            if depth == 0 {
                leaves.fetch_add(1, Relaxed);
                return;
            }
            let mut set = JoinSet::new();
            set.spawn(node(depth - 1, leaves.clone()));
            set.spawn(node(depth - 1, leaves));
            while set.join_next().await.is_some() {}
        })
    }
    let leaves = Leaves::default();
    node(depth, leaves.clone()).await;
    leaves.load(Relaxed)
}

async fn tracker(depth: usize) -> u64 {
    fn node(tracker: TaskTracker, depth: usize, leaves: Leaves) -> Node<()> {
        Box::pin(async move {
            if depth == 0 {
                leaves.fetch_add(1, Relaxed);
                return;
            }
            drop(tracker.spawn(node(tracker.clone(), depth - 1, leaves.clone())));
            drop(tracker.spawn(node(tracker.clone(), depth - 1, leaves)));
        })
    }
    let (tracker, leaves) = (TaskTracker::new(), Leaves::default());
    node(tracker.clone(), depth, leaves.clone()).await;
    tracker.close();
    tracker.wait().await;
    leaves.load(Relaxed)
}
