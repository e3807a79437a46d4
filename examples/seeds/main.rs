//! seeds: every program of five documents on asyncio's structured concurrency, on any runtime.
//!
//! `programs` are the programs, a file for each document; `runtimes` is where the runtime is chosen.

#![forbid(unsafe_code)]

mod programs;
mod runtimes;

use std::io::{Write, stdout};
use std::process::ExitCode;

use anyscope::BoxError;
use lexopt::prelude::*;

use crate::programs::{Out, Program, programs};
use crate::runtimes::{Choice, run};

fn main() -> ExitCode {
    match Args::from_env().and_then(|args| args.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("seeds: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What the user asked for.
struct Args {
    runtime: Choice,
    chosen: Vec<Program>,
    list: bool,
}

impl Args {
    fn from_env() -> Result<Self, BoxError> {
        let mut args = Self { runtime: Choice::Tokio, chosen: Vec::new(), list: false };
        let mut parser = lexopt::Parser::from_env();
        while let Some(arg) = parser.next()? {
            match arg {
                Long("runtime") => args.runtime = parser.value()?.parse_with(choice)?,
                Long("list") => args.list = true,
                Value(name) => args.chosen.extend(matching(&name.string()?)?),
                _ => return Err(BoxError::msg(format!("{}\n{USAGE}", arg.unexpected()))),
            }
        }
        Ok(args)
    }

    fn run(self) -> Result<(), BoxError> {
        if !self.list && self.chosen.is_empty() {
            return Err(BoxError::msg(USAGE));
        }
        let chosen = if self.chosen.is_empty() { programs() } else { self.chosen };
        for program in chosen {
            if self.list {
                print(program.name)?;
            } else {
                print(&format!("--- {}", program.name))?;
                run(self.runtime, &program, Out::new(|line| drop(print(&line))))?;
            }
        }
        Ok(())
    }
}

fn choice(name: &str) -> Result<Choice, &'static str> {
    match name {
        "tokio" => Ok(Choice::Tokio),
        "smol" => Ok(Choice::Smol),
        "async-std" => Ok(Choice::AsyncStd),
        "simulated" => Ok(Choice::Simulated),
        _ => Err("expected tokio, smol, async-std or simulated"),
    }
}

/// All whose name begins like this, so that a document can be run as a whole.
fn matching(prefix: &str) -> Result<Vec<Program>, BoxError> {
    let found: Vec<_> =
        programs().into_iter().filter(|program| program.name.starts_with(prefix)).collect();
    match found.is_empty() {
        true => Err(BoxError::msg(format!("no program is called {prefix}; see --list"))),
        false => Ok(found),
    }
}

/// Fails where the reader has gone, instead of panicking.
fn print(line: &str) -> std::io::Result<()> {
    writeln!(stdout(), "{line}")
}

const USAGE: &str = "\
usage: seeds [--runtime tokio|smol|async-std|simulated] NAME...
       seeds --list

Runs the programs whose names begin with NAME. A second of theirs is shorter
by a constant factor; on the simulated runtime no time passes at all, and tasks
run one at a time, in the order in which they were woken.";
