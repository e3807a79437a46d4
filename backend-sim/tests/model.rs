//! The reference model on the simulated runtime: each program under many seeds, each outcome one that the
//! contract allows.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::str::FromStr;
use std::sync::Once;
use std::{env, thread};

use anyscope_conformance::model::{Found, Outcome, PANIC, Program, Search, play};
use anyscope_core::{panic_message, set_unhandled_hook};
use anyscope_sim::{Options, Schedule, Simulation};

/// What most of them may do in the end has been seen: else the seeds would not reach the orders that matter.
#[test]
fn random_schedules_keep_to_the_model_and_reach_most_outcomes() {
    let found = search(1, Options::seed);
    assert!(found.seen * 2 > found.allowed, "{found:?}");
}

#[test]
fn bounded_preemption_keeps_to_the_model() {
    search(2, |seed| Options::seed(seed).schedule(Schedule::Pct { changes: 3, steps: 40 }));
}

/// `MODEL_PROGRAMS`, `MODEL_PLAYS` and `MODEL_SEED` ask for more, or others.
fn search(seed: u64, options: impl Fn(u64) -> Options) -> Found {
    keep_expected_panics_quiet();
    let search = Search {
        programs: from_env("MODEL_PROGRAMS", 1000),
        plays: from_env("MODEL_PLAYS", 50),
        seed: from_env("MODEL_SEED", seed),
    };
    let found = search.run(|program, seed| played(program, seed, options(seed)));
    let found = found.unwrap_or_else(|what| panic!("{what}"));
    println!("{found:?}");
    found
}

/// A deadlock is a panic, and no outcome.
fn played(program: &Program, seed: u64, options: Options) -> Result<Outcome, String> {
    let program = program.clone();
    let run = || Simulation::new(options).run(async move |rt| play(&rt, &program, seed).await);
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|payload| Err(panic_message(&*payload).to_owned()))
}

fn from_env<T: FromStr>(name: &str, default: T) -> T {
    env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn keep_expected_panics_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let default = take_hook();
        set_hook(Box::new(move |info| {
            let expected = panic_message(info.payload()).starts_with(PANIC);
            // Those of a simulation's threads come in the outcome.
            if !expected && thread::current().name().is_some() {
                default(info);
            }
        }));
        set_unhandled_hook(|_| {});
    });
}
