//! Which runtime a program runs on.

use std::thread;
use std::time::Duration;

use anyscope::BoxError;
use anyscope_sim::{Options, Schedule, Simulation, is_simulated};

use crate::programs::{Out, Program};

/// The runtimes to choose from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Choice {
    Tokio,
    Smol,
    AsyncStd,
    /// One task at a time, in the order in which they were woken, and no time passes.
    Simulated,
}

/// Runs a program to its end.
pub(crate) fn run(choice: Choice, program: &Program, out: Out) -> Result<(), BoxError> {
    let main = program.main(out);
    match choice {
        Choice::Tokio => anyscope::tokio::run(main),
        Choice::Smol => anyscope::smol::run(main),
        Choice::AsyncStd => anyscope::async_std::run(main),
        Choice::Simulated => {
            let in_order = Options::seed(0).schedule(Schedule::Fifo);
            Simulation::new(in_order).run(|_| main)
        }
    }
}

/// Blocks the thread of a job: by the clock of its runtime where that is a virtual one.
pub(crate) fn block_for(duration: Duration) {
    match is_simulated() {
        true => anyscope_sim::block_for(duration),
        false => thread::sleep(duration),
    }
}
