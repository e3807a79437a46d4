//! `storm`: plays random trees of groups on every runtime and prints how many broke the contract.

#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyscope_async_std::AsyncStd;
use anyscope_conformance::storm::{PANIC, storm};
use anyscope_core::{Runtime, panic_message, root_future};
use anyscope_smol::Smol;
use anyscope_tokio::Tokio;

const USAGE: &str = "usage: storm [--seeds N] [--first SEED] [--runtime tokio|smol|async-std]";

fn main() -> ExitCode {
    let options = match Options::from_args() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("storm: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    keep_expected_panics_quiet();
    for (name, play) in options.runtimes() {
        for seed in options.first..options.first.saturating_add(options.seeds) {
            if let Err(violation) = within_bound(play, seed) {
                println!("violation: seed {seed} on {name}: {violation}");
                println!("again: storm --runtime {name} --first {seed} --seeds 1");
                return ExitCode::FAILURE;
            }
        }
        println!("{name}: {} seeds from {}", options.seeds, options.first);
    }
    println!("violations: 0");
    ExitCode::SUCCESS
}

struct Options {
    seeds: u64,
    first: u64,
    runtime: Option<String>,
}

type Play = fn(u64) -> Result<(), String>;

const RUNTIMES: [(&str, Play); 3] =
    [("tokio", on_tokio), ("smol", on_smol), ("async-std", on_async_std)];

impl Options {
    fn from_args() -> Result<Self, lexopt::Error> {
        let mut options = Self { seeds: 1000, first: 0, runtime: None };
        let mut args = lexopt::Parser::from_env();
        while let Some(arg) = args.next()? {
            use lexopt::prelude::*;
            match arg {
                Long("seeds") => options.seeds = args.value()?.parse()?,
                Long("first") => options.first = args.value()?.parse()?,
                Long("runtime") => options.runtime = Some(args.value()?.string()?),
                other => return Err(other.unexpected()),
            }
        }
        if options.runtimes().next().is_none() {
            return Err("there is no such runtime".into());
        }
        Ok(options)
    }

    fn runtimes(&self) -> impl Iterator<Item = (&'static str, Play)> + use<'_> {
        let wanted = |name: &str| self.runtime.as_deref().is_none_or(|only| only == name);
        RUNTIMES.into_iter().filter(move |(name, _)| wanted(name))
    }
}

/// A storm that hangs leaves its thread behind.
fn within_bound(play: Play, seed: u64) -> Result<(), String> {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::Builder::new().name(format!("seed {seed}")).spawn(move || {
        let _ = sender.send(play(seed));
    });
    thread.map_err(|error| format!("no thread: {error}"))?;
    receiver.recv_timeout(BOUND).unwrap_or_else(|error| match error {
        mpsc::RecvTimeoutError::Timeout => Err(format!("has not returned after {BOUND:?}")),
        mpsc::RecvTimeoutError::Disconnected => Err("has panicked".to_owned()),
    })
}

/// Far more than a tree of milliseconds needs.
const BOUND: Duration = Duration::from_secs(30);

fn on_tokio(seed: u64) -> Result<(), String> {
    static RUNTIME: std::sync::LazyLock<tokio::runtime::Runtime> = std::sync::LazyLock::new(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(2).enable_all().build().expect("threads for a runtime")
    });
    let runtime = Tokio::from_handle(RUNTIME.handle().clone());
    RUNTIME.block_on(played(&runtime, seed))
}

fn on_smol(seed: u64) -> Result<(), String> {
    smol::block_on(played(&Smol::global(), seed))
}

fn on_async_std(seed: u64) -> Result<(), String> {
    async_std::task::block_on(played(&AsyncStd::global(), seed))
}

async fn played<R: Runtime>(runtime: &R, seed: u64) -> Result<(), String> {
    root_future(runtime, storm(runtime, seed)).await
}

fn keep_expected_panics_quiet() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if panic_message(info.payload()) != PANIC {
            default(info);
        }
    }));
    anyscope_core::set_unhandled_hook(|_| {});
}
