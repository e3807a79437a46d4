//! What a check has found: the seed, the message, and the schedule, shrunk.

use std::error::Error;
use std::fmt;

use crate::schedule::Switch;
use crate::trace::Trace;

/// A scenario failed under one of the seeds.
#[derive(Clone, Debug)]
pub struct CheckFailure {
    pub(crate) seed: u64,
    /// How many seeds have been tried, this one included.
    pub(crate) tried: u64,
    pub(crate) message: String,
    pub(crate) first_trace: Trace,
    pub(crate) trace: Trace,
    pub(crate) switches: Vec<Switch>,
}

impl CheckFailure {
    /// The seed that failed. The same check with this seed alone fails again.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The text of the panic.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The run as the seed made it.
    pub fn first_trace(&self) -> &Trace {
        &self.first_trace
    }

    /// A run that fails as well, with as few switches as were found.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The switches of the shrunk run, for [`Schedule::Switches`](crate::Schedule::Switches).
    pub fn switches(&self) -> &[Switch] {
        &self.switches
    }
}

impl fmt::Display for CheckFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, tried, message, first_trace, trace, .. } = self;
        let message = message.trim_end();
        writeln!(f, "seed {seed} fails, number {tried} of those that were tried: {message}")?;
        let (before, after) = (first_trace.switches(), trace.switches());
        writeln!(f, "\nIts schedule, shrunk from {before} to {after} context switches:\n")?;
        for line in trace.to_string().lines() {
            writeln!(f, "    {line}")?;
        }
        write!(
            f,
            "\nTo run it alone, set {SEED_VARIABLE}={seed}, or use `Check::only_seed({seed})`."
        )
    }
}

impl Error for CheckFailure {}

/// The environment variable that names the one seed to run.
pub(crate) const SEED_VARIABLE: &str = "ANYSCOPE_SEED";
