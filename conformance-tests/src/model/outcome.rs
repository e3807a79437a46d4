//! What can be seen of a program when its outermost group has returned. Numbers are those of steps.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::model::Id;

/// One outcome of a program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Outcome {
    /// The steps that were reached.
    pub reached: BTreeSet<Id>,
    /// The clean-ups of each task and body in the order in which they ran, and what they were told.
    pub cleanups: BTreeMap<Id, Vec<(Id, Exit)>>,
    /// What the outermost group gave.
    pub returned: Returned,
}

/// What a group gives to whoever awaits it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Returned {
    /// The body's value.
    Value,
    /// The error of the group.
    Error(Failed),
    /// A panic, raised again: that of this step.
    Panic(Id),
}

/// The error of a group (G7).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Failed {
    /// Why it was cancelled, if it was.
    pub cause: Option<Cause>,
    /// In their order (G6).
    pub failures: Vec<Failure>,
}

/// A failure in the error of a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Failure {
    /// The task, job or body that failed.
    pub of: Id,
    /// With what.
    pub with: Failures,
}

/// What a failure consists of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failures {
    /// The error of this step.
    Error(Id),
    /// The panic of this step, captured (P2).
    Panic(Id),
    /// The error of an inner group (G14).
    Group(Failed),
}

/// Why a group was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cause {
    /// Where it began.
    pub root: Root,
    /// Whether that was an enclosing group.
    pub inherited: bool,
}

/// How a cancellation began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Root {
    /// By `cancel`.
    Requested,
    /// By the failure of this task or body.
    Failed(Id),
    /// By the deadline of this group.
    Deadline(Id),
    /// Because the future of a group was dropped.
    Dropped,
}

/// What a clean-up is told (C5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exit {
    /// The task has returned its value.
    Value,
    /// It has returned an error.
    Failed,
    /// It has panicked.
    Panicked,
    /// It was cancelled.
    Cancelled(Cause),
}

impl Cause {
    /// As the groups below see it.
    #[must_use]
    pub fn inherited(self) -> Self {
        Self { inherited: true, ..self }
    }
}

impl From<Root> for Cause {
    fn from(root: Root) -> Self {
        Self { root, inherited: false }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; reached {:?}", self.returned, self.reached)?;
        for (of, ran) in &self.cleanups {
            for (step, exit) in ran {
                write!(f, "; clean-up {step} of {of} told {exit:?}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Returned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value => f.write_str("value"),
            Self::Error(failed) => write!(f, "{failed}"),
            Self::Panic(step) => write!(f, "panic of {step}"),
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            Some(Cause { root, inherited: false }) => write!(f, "error by {root:?}")?,
            Some(Cause { root, inherited: true }) => write!(f, "error by inherited {root:?}")?,
            None => f.write_str("error")?,
        }
        f.write_str(" [")?;
        for (at, Failure { of, with }) in self.failures.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            match with {
                Failures::Group(inner) => write!(f, "{comma}{of}: {inner}")?,
                single => write!(f, "{comma}{of}: {single:?}")?,
            }
        }
        f.write_str("]")
    }
}
