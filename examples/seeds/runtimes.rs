//! Which runtime a program runs on, and by which clock.

use anyscope::async_std::AsyncStd;
use anyscope::smol::Smol;
use anyscope::tokio::Tokio;
use anyscope::{BoxError, Group, Runtime};

use crate::lockstep::Lockstep;
use crate::programs::{Out, Program};

/// The runtimes to choose from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Choice {
    Tokio,
    Smol,
    AsyncStd,
}

/// By which clock the timers go.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Clock {
    /// The runtime's own.
    Real,
    /// Time passes when nobody is due: [`Lockstep`].
    Lockstep,
}

/// Runs a program to its end.
pub(crate) fn run(
    choice: Choice,
    clock: Clock,
    program: &Program,
    out: Out,
) -> Result<(), BoxError> {
    let main = program.main(out);
    match choice {
        Choice::Tokio => anyscope::tokio::run(async {
            let runtime = Tokio::current().expect("`run` runs this in a runtime");
            by_clock(runtime, clock, main).await
        }),
        Choice::Smol => anyscope::smol::run(by_clock(Smol::global(), clock, main)),
        Choice::AsyncStd => anyscope::async_std::run(by_clock(AsyncStd::global(), clock, main)),
    }
}

/// The group sets the runtime that the ambient functions find.
async fn by_clock(
    runtime: impl Runtime,
    clock: Clock,
    main: impl Future<Output = Result<(), BoxError>>,
) -> Result<(), BoxError> {
    match clock {
        Clock::Real => main.await,
        Clock::Lockstep => {
            let lockstep = Lockstep::around(runtime);
            lockstep.in_turn(lockstep.group(|_| main)).await?;
            Ok(())
        }
    }
}
