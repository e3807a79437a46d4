//! What happened in a run: which unit took each step, and when the clock moved on.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The number of a unit of the simulation: a main future, task, job or thread, counted from zero in
/// the order of creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitId(pub(crate) u32);

impl fmt::Display for UnitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What kind of unit it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnitKind {
    /// A future that the simulation was told to run to its end.
    Main,
    /// A started future.
    Task,
    /// A job of the blocking pool.
    BlockingJob,
    /// A job of the CPU pool.
    CpuJob,
    /// A thread that takes its turns with the others.
    Thread,
}

impl fmt::Display for UnitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Main => "main",
            Self::Task => "task",
            Self::BlockingJob => "blocking job",
            Self::CpuJob => "CPU job",
            Self::Thread => "thread",
        })
    }
}

/// One entry of a [`Trace`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TraceStep {
    /// A unit ran until it waited or ended. One that blocks, and only looked whether it can go on, has not
    /// run.
    Ran(UnitKind, UnitId),
    /// Nothing could run, and the clock moved on to this time after the start.
    Clock(Duration),
    /// The runtime was shut down.
    ShutDown,
}

/// All steps of a run, in order. `Display` writes a line for each unit that runs, however many steps it
/// takes in a row.
///
/// Equal traces mean equal runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    pub(crate) steps: Vec<TraceStep>,
    /// What each unit is called, where that was asked for.
    pub(crate) labels: BTreeMap<UnitId, String>,
}

impl Trace {
    /// The steps.
    pub fn steps(&self) -> &[TraceStep] {
        &self.steps
    }

    /// How many steps the first main future has had.
    pub(crate) fn polls_of_main(&self) -> usize {
        self.steps.iter().filter(|step| ran(step) == Some(UnitId(0))).count()
    }

    /// How many steps units have taken.
    pub(crate) fn turns(&self) -> usize {
        self.steps.iter().filter_map(ran).count()
    }

    /// How often another unit ran than before.
    pub fn switches(&self) -> usize {
        let ran: Vec<_> = self.steps.iter().filter_map(ran).collect();
        ran.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }
}

fn ran(step: &TraceStep) -> Option<UnitId> {
    match step {
        TraceStep::Ran(_, unit) => Some(*unit),
        _ => None,
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in self.steps.chunk_by(|a, b| a == b) {
            match row[0] {
                TraceStep::Ran(UnitKind::Main, UnitId(0)) => f.write_str("main")?,
                TraceStep::Ran(kind, unit) => write!(f, "{kind} {unit}")?,
                TraceStep::Clock(at) => write!(f, "the clock: {at:?}")?,
                TraceStep::ShutDown => f.write_str("the runtime is shut down")?,
            }
            if let Some(label) = ran(&row[0]).and_then(|unit| self.labels.get(&unit)) {
                write!(f, " {label}")?;
            }
            match row.len() {
                1 => writeln!(f)?,
                n => writeln!(f, ", {n} steps")?,
            }
        }
        Ok(())
    }
}
