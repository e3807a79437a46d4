//! What a check has found: the seed, the message, and the schedule, shrunk.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;

use crate::report::gist;
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
    /// With fewer switches, or the same again if no replay has failed in the same way.
    pub(crate) trace: Trace,
    pub(crate) switches: Vec<Switch>,
    /// What the replay with these switches has failed with, if it has in the same way.
    pub(crate) replayed: Option<String>,
}

impl CheckFailure {
    /// The seed that failed. The same check with this seed alone fails again.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The text of the panic under this seed.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The run as the seed made it.
    pub fn first_trace(&self) -> &Trace {
        &self.first_trace
    }

    /// A run that fails in the same way, with as few switches as were found. The first run, if no replay of
    /// it does: then something decides that is neither the seed nor the schedule.
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
        let Self { seed, tried, message, trace, replayed, .. } = self;
        let message = message.trim_end();
        writeln!(f, "seed {seed} fails, number {tried} of those that were tried: {message}")?;
        writeln!(f, "\n{}:\n", self.heading())?;
        for line in trace.to_string().lines() {
            writeln!(f, "    {line}")?;
        }
        if let Some(other) = replayed.as_ref().filter(|other| other.trim_end() != message) {
            writeln!(f, "\nSo shrunk it says: {}", other.trim_end())?;
        }
        write!(
            f,
            "\nTo run it alone, set {SEED_VARIABLE}={seed}, or use `Check::only_seed({seed})`."
        )
    }
}

impl CheckFailure {
    fn heading(&self) -> String {
        let (before, after) = (self.first_trace.switches(), self.trace.switches());
        match self.replayed {
            Some(_) => format!("Its schedule, shrunk from {before} to {after} context switches"),
            None => format!("Its schedule, which does not fail in the same way when {AGAIN}"),
        }
    }
}

impl Error for CheckFailure {}

/// How a run failed.
#[derive(Clone, Debug)]
pub(crate) struct Panicked {
    pub(crate) message: String,
    /// Where, and where the panics were that it quotes; as far as that is known.
    pub(crate) places: BTreeSet<String>,
}

impl Panicked {
    /// Whether two failures are the same, which may have come in another order.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.places == other.places && gist(&self.message) == gist(&other.message)
    }
}

/// The environment variable that names the one seed to run.
pub(crate) const SEED_VARIABLE: &str = "ANYSCOPE_SEED";

const AGAIN: &str = "it is replayed: something decides that is neither the seed nor the schedule";
