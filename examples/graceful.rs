//! graceful: what becomes of a program's tasks when Ctrl-C or SIGTERM stops it.
//!
//! `graceful [RUNTIME [MILLISECONDS [TASK...]]]` starts the tasks and waits for a signal. A `polite` one
//! ends when it is told, a `failing` one with an error; a `stubborn` one is dropped when the grace
//! period is over, or at a second signal, and then cleans up; the clean-up of a `stuck` one never ends,
//! so that it takes a third signal.

#![forbid(unsafe_code)]

use std::env;
use std::future::pending;
use std::process::{ExitCode, Termination};
use std::time::Duration;

use anyscope::prelude::*;
use anyscope::{CancelCause, Ended, until_signal};

fn main() -> ExitCode {
    match run(env::args().skip(1)) {
        Some(ended) => ended.report(),
        None => {
            eprintln!("usage: graceful [tokio|smol|async-std [MILLISECONDS [TASK...]]]");
            ExitCode::from(2)
        }
    }
}

/// `None` for a wrong command line.
fn run(mut args: impl Iterator<Item = String>) -> Option<Ended> {
    let runtime = args.next().unwrap_or_else(|| "tokio".into());
    let grace = args.next().map_or(Ok(10_000), |text| text.parse()).ok()?;
    let mut tasks: Vec<_> = args.collect();
    if tasks.is_empty() {
        tasks = vec!["polite".into(), "stubborn".into()];
    }
    let program = program(Duration::from_millis(grace), tasks);
    match runtime.as_str() {
        "tokio" => Some(anyscope::tokio::run(program)),
        "smol" => Some(anyscope::smol::run(program)),
        "async-std" => Some(anyscope::async_std::run(program)),
        _ => None,
    }
}

async fn program(grace: Duration, tasks: Vec<String>) -> Ended {
    until_signal(grace, async |g| {
        for name in tasks {
            g.task(task(name.clone())).name(name).spawn();
        }
        Ok(())
    })
    .await
}

async fn task(name: String) -> Result<(), BoxError> {
    match name.as_str() {
        "polite" => {
            println!("polite: told ({})", until_told("polite").await);
            Ok(())
        }
        "failing" => {
            until_told("failing").await;
            Err(BoxError::msg("the last words could not be written"))
        }
        "stubborn" => {
            defer(async |_| println!("stubborn: cleaned up"));
            println!("stubborn: running");
            pending().await
        }
        "stuck" => {
            defer(async |_| {
                println!("stuck: cleaning up");
                pending::<()>().await;
            });
            println!("stuck: running");
            pending().await
        }
        other => Err(BoxError::msg(format!("there is no task {other}"))),
    }
}

/// Runs until the program is stopped.
async fn until_told(name: &str) -> CancelCause {
    println!("{name}: running");
    cancelled().await
}
