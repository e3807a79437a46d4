//! The command line.

use std::path::PathBuf;
use std::thread;

use lexopt::prelude::*;

/// What the user asked for.
pub(crate) struct Args {
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) runtime: Choice,
    /// How many files are open at once.
    pub(crate) jobs: usize,
}

/// The runtimes to choose from.
#[derive(Clone, Copy)]
pub(crate) enum Choice {
    Tokio,
    Smol,
    AsyncStd,
}

impl Args {
    /// `None` if help was asked for.
    pub(crate) fn from_env() -> Result<Option<Self>, lexopt::Error> {
        let mut args = Self { paths: Vec::new(), runtime: Choice::Tokio, jobs: default_jobs() };
        let mut parser = lexopt::Parser::from_env();
        while let Some(arg) = parser.next()? {
            match arg {
                Long("runtime") => args.runtime = parser.value()?.parse_with(choice)?,
                Short('j') | Long("jobs") => args.jobs = parser.value()?.parse_with(jobs)?,
                Short('h') | Long("help") => return Ok(None),
                Value(path) => args.paths.push(path.into()),
                _ => return Err(arg.unexpected()),
            }
        }
        match args.paths.is_empty() {
            true => Err("no path given".into()),
            false => Ok(Some(args)),
        }
    }
}

/// Enough to keep all cores busy while some of the files wait for the disk.
fn default_jobs() -> usize {
    4 * thread::available_parallelism().map_or(1, usize::from)
}

fn choice(name: &str) -> Result<Choice, String> {
    match name {
        "tokio" => Ok(Choice::Tokio),
        "smol" => Ok(Choice::Smol),
        "async-std" => Ok(Choice::AsyncStd),
        _ => Err("expected tokio, smol or async-std".into()),
    }
}

fn jobs(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(jobs) if jobs > 0 => Ok(jobs),
        _ => Err("expected a number from 1".into()),
    }
}
