//! treesum: SHA-256 of every regular file under the given paths, on the runtime of your choice.
//!
//! `engine` walks and hashes, generic over the runtime; `read` and `sum` are the jobs that it starts;
//! `args`, `output` and `progress` are what any such program has.

#![forbid(unsafe_code)]

mod args;
mod engine;
mod output;
mod progress;
mod read;
mod sum;

use std::process::ExitCode;
use std::sync::OnceLock;

use anyscope::async_std::AsyncStd;
use anyscope::smol::Smol;
use anyscope::tokio::Tokio;
use anyscope::{GroupHandle, Runtime};

use crate::args::{Args, Choice};
use crate::engine::{Engine, Report};
use crate::sum::SumError;

fn main() -> ExitCode {
    let args = match Args::from_env() {
        Ok(Some(args)) => args,
        Ok(None) => return output::help(),
        Err(error) => return output::usage(&error.to_string()),
    };
    // The engine is the same; only the runtime that it is given differs.
    let report = match args.runtime {
        Choice::Tokio => anyscope::tokio::run(async {
            sums(Tokio::current().expect("`run` runs it in a runtime"), &args).await
        }),
        Choice::Smol => anyscope::smol::run(sums(Smol::global(), &args)),
        Choice::AsyncStd => anyscope::async_std::run(sums(AsyncStd::global(), &args)),
    };
    output::print(report)
}

/// Hashes all files; Ctrl-C cancels the group that does it, and a second one does not wait.
async fn sums<R: Runtime>(runtime: R, args: &Args) -> Report {
    static RUNNING: OnceLock<Box<dyn Fn() + Send + Sync>> = OnceLock::new();
    let stoppable = |group: GroupHandle<SumError, R>| {
        let stop = move || match group.is_cancelled() {
            false => group.cancel_because("interrupted"),
            true => std::process::exit(output::INTERRUPTED),
        };
        if RUNNING.set(Box::new(stop)).is_ok() {
            let handler = || RUNNING.get().map_or((), |stop| stop());
            if let Err(error) = ctrlc::set_handler(handler) {
                eprintln!("treesum: Ctrl-C will not be noticed: {error}");
            }
        }
    };
    Engine::new(runtime, args.jobs).run(args.paths.clone(), stoppable).await
}
