//! Tasks that fail, and all their errors.

use std::backtrace::{Backtrace, BacktraceStatus};

use anyhow::anyhow;
use anyscope_core::{BoxError, Runtime, Supervise};
use tokio::task::JoinSet;

use crate::{Backend, Build, Contender, Plan, Scenario, Setting};

pub(super) const ERRORS: Scenario = Scenario {
    name: "errors",
    about: "tasks that all fail, from the first spawn to the last error in hand, without backtraces",
    settings: &[Setting::TokioMt, Setting::TokioCt, Setting::SmolGlobal],
    full: Plan { sizes: &[1_000, 100_000], rounds: 15 },
    quick: Plan { sizes: &[1_000], rounds: 5 },
    expect: |n| n as u64,
    contenders: |setting| setting.build(Errors),
    ..Scenario::TASKS
};

struct Errors;

impl Build for Errors {
    fn build<B: Backend>(self, b: &B) -> Vec<Contender> {
        let mut all = vec![
            Contender::task("Vec + anyhow", b, vec_of_anyhow).unless(takes_backtraces),
            Contender::task("group", b, |b, n| group(b.runtime().clone(), n)),
        ];
        if B::IS_TOKIO {
            let join_set = Contender::task("JoinSet", b, |_, n| join_set(n));
            all.push(join_set.unless(takes_backtraces));
        }
        all
    }
}

/// anyhow takes one for each error if the environment says so, which costs more than the task.
fn takes_backtraces() -> Option<String> {
    let taken = Backtrace::capture().status() == BacktraceStatus::Captured;
    taken.then(|| "RUST_BACKTRACE is set, and anyhow would take one for each error".into())
}

async fn vec_of_anyhow<B: Backend>(b: B, n: usize) -> u64 {
    let spawn = |i| b.spawn(async move { Err::<u64, _>(anyhow!("number {i}")) });
    let joins: Vec<_> = (0..n).map(spawn).collect();
    let mut errors = Vec::new();
    for join in joins {
        errors.extend(join.await.err());
    }
    errors.len() as u64
}

async fn group<R: Runtime>(rt: R, n: usize) -> u64 {
    let all = rt.group(move |g| async move {
        for i in 0..n {
            drop(g.spawn(async move { Err::<u64, _>(BoxError::msg(format!("number {i}"))) }));
        }
        Ok(())
    });
    let error = all.policy(Supervise).await.expect_err("each task fails");
    error.failures().map_or(0, |failures| failures.iter().count() as u64)
}

async fn join_set(n: usize) -> u64 {
    let mut set = JoinSet::new();
    for i in 0..n {
        set.spawn(async move { Err::<u64, _>(anyhow!("number {i}")) });
    }
    let mut errors = Vec::new();
    while let Some(ended) = set.join_next().await {
        errors.extend(ended.expect("no task panics").err());
    }
    errors.len() as u64
}
