//! Races, some hundred times each: whatever the timing, the outcome is the same (rules T1, G6).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyscope_core::{BoxError, CauseKind, GroupHandle, Runtime, TaskHandle};

use super::{Case, case};
use crate::env::Env;
use crate::probe::{Gate, Outcome, boom, yield_now};
use crate::thread;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(t1_race_with_a_failing_sibling_gives_one_failure::<R>),
        case(t1_race_across_nested_groups_gives_one_failure::<R>),
        case(t1_race_with_a_cancelled_sibling_gives_no_failure::<R>),
        case(g6_race_of_failures_names_the_first_in_the_list::<R>),
        case(g6_race_of_failing_tasks_names_the_first_in_the_list::<R>),
    ]
}

/// Seven flavours run each case twice: with two cases of 400 and one of 200, 14,000 races.
const ROUNDS: usize = 400;

async fn yields(times: usize) {
    for _ in 0..times {
        yield_now().await;
    }
}

/// Fails once the gate is open, and a little later in some rounds.
fn failing<R: Runtime>(
    g: &GroupHandle<BoxError, R>,
    round: usize,
    gate: &Gate,
) -> TaskHandle<(), R> {
    let gate = gate.clone();
    g.spawn(async move {
        gate.wait().await;
        yields(round % 3).await;
        Err(boom("first"))
    })
}

/// Awaits a handle, and would turn what it says into a failure of its own.
async fn secondary<R: Runtime>(handle: TaskHandle<(), R>, yielding: usize) -> Result<(), BoxError> {
    yields(yielding % 3).await;
    handle.await.map_err(|error| boom(&format!("secondary: {error}")))
}

/// Opens it from here, or from another thread.
fn open_somewhere<R: Runtime>(g: &GroupHandle<BoxError, R>, round: usize, gate: &Gate) {
    let gate = gate.clone();
    match round % 2 {
        0 => gate.open(),
        _ => drop(g.spawn_blocking(move || gate.open())),
    }
}

fn assert_only_the_first(outcome: Outcome<()>, round: usize) {
    let failures = outcome.unwrap_err().into_failures().unwrap();
    let texts: Vec<_> = failures.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 1, "round {round}: {texts:?}");
    assert_eq!(failures.first().error().unwrap().to_string(), "first");
}

fn t1_race_with_a_failing_sibling_gives_one_failure<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        for round in env.rounds(ROUNDS) {
            let outcome: Outcome<()> = rt
                .group(async |g| {
                    let gate = Gate::new();
                    let mut last = failing(&g, round, &gate);
                    // Each awaits the one before it, the body the last.
                    for task in 0..3 {
                        last = g.spawn(secondary(last, round / 3 + task));
                    }
                    open_somewhere(&g, round, &gate);
                    secondary(last, round / 9).await
                })
                .await;
            assert_only_the_first(outcome, round);
        }
    });
}

fn t1_race_across_nested_groups_gives_one_failure<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        for round in env.rounds(ROUNDS) {
            let outcome: Outcome<()> = rt
                .group(async |g| {
                    let gate = Gate::new();
                    let to_a_task = failing(&g, round, &gate);
                    let waiting = g.spawn_group(async move |inner| {
                        inner.spawn(secondary(to_a_task, round / 3));
                        yields(round % 2).await;
                        Ok(())
                    });
                    open_somewhere(&g, round, &gate);
                    let inner: Outcome<()> =
                        rt.group(async |_| secondary(waiting, round / 9).await).await;
                    Ok(inner?)
                })
                .await;
            assert_only_the_first(outcome, round);
        }
    });
}

fn t1_race_with_a_cancelled_sibling_gives_no_failure<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        for round in env.rounds(ROUNDS / 2) {
            let outcome: Outcome<()> = rt
                .group(async |g| {
                    let gate = Gate::new();
                    let mut last = failing(&g, round, &gate);
                    for task in 0..3 {
                        last = g.spawn(secondary(last, round / 3 + task));
                    }
                    let group = g.clone();
                    match round % 2 {
                        0 => g.cancel(),
                        _ => drop(g.spawn_blocking(move || group.cancel())),
                    }
                    secondary(last, round / 9).await
                })
                .await;
            assert!(outcome.unwrap_err().is_cancelled(), "round {round}");
        }
    });
}

/// Returns once `all` threads have come here, so that they go on at the same time.
pub(super) fn meet(met: &AtomicUsize, all: usize) {
    met.fetch_add(1, Ordering::SeqCst);
    while met.load(Ordering::SeqCst) < all {
        thread::yield_now();
    }
}

fn g6_race_of_failures_names_the_first_in_the_list<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        for round in env.rounds(300) {
            let outcome: Outcome<()> = rt
                .group(async |g| {
                    let met = Arc::new(AtomicUsize::new(0));
                    for _ in 0..2 {
                        let met = met.clone();
                        g.try_spawn_blocking(move || {
                            meet(&met, 2);
                            Err::<(), BoxError>(boom("job"))
                        });
                    }
                    std::future::pending().await
                })
                .await;
            assert_cause_names_the_first(outcome, 2..=2, round);
        }
    });
}

fn g6_race_of_failing_tasks_names_the_first_in_the_list<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        for round in env.rounds(300) {
            let outcome: Outcome<()> = rt
                .group(async |g| {
                    let gate = Gate::new();
                    let tasks: Vec<_> = (0..4).map(|_| failing(&g, 0, &gate)).collect();
                    open_somewhere(&g, round, &gate);
                    secondary(tasks.into_iter().next_back().unwrap(), round).await
                })
                .await;
            assert_cause_names_the_first(outcome, 1..=4, round);
        }
    });
}

fn assert_cause_names_the_first(
    outcome: Outcome<()>,
    expected: std::ops::RangeInclusive<usize>,
    round: usize,
) {
    let error = outcome.unwrap_err();
    let failures = error.failures().unwrap();
    assert!(expected.contains(&failures.len()), "{error:#}");
    let first = CauseKind::SiblingFailed(failures.first().task().id());
    assert_eq!(error.cause().unwrap().kind(), &first, "round {round}");
}
