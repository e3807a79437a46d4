//! treesum: the SHA-256 of every regular file under the given paths, on the runtime of your choice.
//!
//! `engine` is what has to do with groups, and it is generic over the runtime. `walk`, `read` and
//! `hash` are the jobs that it starts; `args`, `output` and `progress` are what any such program has.

#![forbid(unsafe_code)]

mod args;
mod engine;
mod hash;
mod output;
mod progress;
mod read;
mod walk;

use std::process::{self, ExitCode};

use anyscope::Runtime;
use anyscope::async_std::AsyncStd;
use anyscope::smol::Smol;
use anyscope::tokio::Tokio;

use crate::args::{Args, Choice};
use crate::engine::{Group, Report, sum_trees};

fn main() -> ExitCode {
    match Args::from_env() {
        Ok(Some(args)) => output::print(sums(args)),
        Ok(None) => output::help(),
        Err(error) => output::usage(&error),
    }
}

/// The engine is the same; only the runtime that it is given differs.
fn sums(Args { paths, runtime, jobs }: Args) -> Report {
    match runtime {
        Choice::Tokio => anyscope::tokio::run(async {
            let runtime = Tokio::current().expect("`run` runs this in a runtime");
            sum_trees(runtime, paths, jobs, cancel_on_ctrl_c).await
        }),
        Choice::Smol => {
            anyscope::smol::run(sum_trees(Smol::global(), paths, jobs, cancel_on_ctrl_c))
        }
        Choice::AsyncStd => {
            anyscope::async_std::run(sum_trees(AsyncStd::global(), paths, jobs, cancel_on_ctrl_c))
        }
    }
}

/// The first Ctrl-C cancels the group, which then ends by itself; a second one does not wait for it.
fn cancel_on_ctrl_c<R: Runtime>(group: &Group<R>) {
    let group = group.clone();
    let handler = move || match group.is_cancelled() {
        false => group.cancel_because("interrupted"),
        true => process::exit(output::INTERRUPTED.into()),
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        output::complain(format_args!("Ctrl-C will not be noticed: {error}"));
    }
}
