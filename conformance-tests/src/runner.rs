//! Runs cases: each on a thread of its own, with a time limit, reported by libtest-mimic.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;

use anyscope_core::panic_message;
use libtest_mimic::{Arguments, Failed, Trial};

use crate::harness::{Flavour, ReadyCase};

/// Runs all cases on each flavour, understanding the arguments of `cargo test`. Use it as the `main`
/// of a test with `harness = false`.
pub fn main(flavours: impl IntoIterator<Item = Flavour>) -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = flavours.into_iter().flat_map(trials).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trials(flavour: Flavour) -> Vec<Trial> {
    let Flavour { name, cases, .. } = flavour;
    cases
        .into_iter()
        .map(|case| {
            let ignored = case.ignored;
            Trial::test(format!("{name}/{}", case.name), move || run(&case).map_err(Failed::from))
                .with_ignored_flag(ignored)
        })
        .collect()
}

/// Runs the one case of this name, as `group::g1_waits_for_every_child`: what the suite's own tests
/// use to see that a broken backend is caught.
///
/// # Errors
///
/// What the case says about the failure.
///
/// # Panics
///
/// If there is no such case.
pub fn run_case(flavour: &Flavour, name: &str) -> Result<(), String> {
    let case = flavour.cases.iter().find(|case| case.name == name);
    run(case.unwrap_or_else(|| panic!("there is no case `{name}`")))
}

/// A case that hangs leaves its thread behind.
fn run(case: &ReadyCase) -> Result<(), String> {
    let (sender, receiver) = mpsc::channel();
    let body = case.run.clone();
    let thread = thread::Builder::new().name(case.name.clone()).spawn(move || {
        let outcome = catch_unwind(AssertUnwindSafe(|| body()));
        let _ = sender.send(outcome.map_err(|payload| panic_message(&*payload).to_owned()));
    });
    thread.map_err(|error| format!("no thread for the case: {error}"))?;
    receiver
        .recv_timeout(case.limit)
        .unwrap_or_else(|_| Err(format!("hangs: not done after {:?}", case.limit)))
}
