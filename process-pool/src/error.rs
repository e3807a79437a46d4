//! `ProcessError`: why a job in a worker process has no output.

use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use crate::job::JobId;

/// Why a job has no output, or why there is no pool to run it. It is of that job alone: others, and
/// the pool, are as they were (U4).
///
/// An `Err` that the job itself returned is not among them: that is the job's value.
#[derive(Debug)]
pub struct ProcessError {
    job: Option<JobId>,
    kind: Kind,
}

impl ProcessError {
    pub(crate) fn of(job: JobId, kind: Kind) -> Self {
        Self { job: Some(job), kind }
    }

    /// Whether the job panicked. Its worker has caught that, and goes on.
    pub fn is_panic(&self) -> bool {
        matches!(self.kind, Kind::Panicked(_))
    }

    /// The text of its panic, if it panicked.
    pub fn panic_message(&self) -> Option<&str> {
        match &self.kind {
            Kind::Panicked(text) => Some(text),
            _ => None,
        }
    }

    /// Whether the worker that ran it was lost: it crashed, exited, was killed, or sent what was no
    /// answer, and was killed for that. The worker is gone, and the next call gets another.
    pub fn is_worker_lost(&self) -> bool {
        matches!(self.kind, Kind::Lost(_))
    }

    /// How the worker ended, if it was lost, or if it ended before it was ready. One that the pool
    /// has killed itself ended by SIGKILL.
    pub fn status(&self) -> Option<ExitStatus> {
        match &self.kind {
            Kind::Lost(lost) => lost.status,
            Kind::NotReady { status, .. } => *status,
            _ => None,
        }
    }

    /// Whether its [time limit](crate::Run::limit) was over. The worker was killed, and is gone.
    pub fn is_time_limit(&self) -> bool {
        matches!(self.kind, Kind::TimeLimit(_))
    }

    /// Whether input or output cannot be encoded or decoded, is too large, or the worker knows no
    /// such job: what a mistake in the program leads to.
    pub fn is_codec(&self) -> bool {
        use Kind::{Input, Output, Undecodable, Unencodable, Unknown};
        let kind = &self.kind;
        matches!(kind, Input(_) | Output(_) | Undecodable(_) | Unencodable(_) | Unknown(_))
            || self.is_too_large()
    }

    /// Whether input or output is larger than the pool allows.
    pub fn is_too_large(&self) -> bool {
        matches!(self.kind, Kind::InputTooLarge(_) | Kind::OutputTooLarge(_))
    }

    /// Whether no worker could be started: the program is gone, the system gives no processes, or
    /// the worker did not come to [`init`](crate::init()) in time.
    pub fn is_start(&self) -> bool {
        matches!(self.kind, Kind::Start(_) | Kind::NotReady { .. })
    }

    /// Whether the call was [cancelled](crate::Run::cancel). Its worker, if one ran it, is gone.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.kind, Kind::Cancelled { .. })
    }

    /// Whether the pool was closed before the call.
    pub fn is_closed(&self) -> bool {
        matches!(self.kind, Kind::Closed)
    }

    /// Whether there can be no pool here: in a worker, before [`init`](crate::init()), or on a system
    /// that has no support.
    pub fn is_no_pool(&self) -> bool {
        matches!(self.kind, Kind::InWorker | Kind::NoInit | Kind::Unsupported)
    }

    /// Whether the job may have begun: then it may have had effects. It is never begun twice.
    pub fn has_begun(&self) -> bool {
        self.kind.has_begun()
    }
}

/// What went wrong.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A worker's program asks for a pool.
    InWorker,
    /// The program asks for a pool of itself, and its `main` has not called `init`.
    NoInit,
    Unsupported,
    Closed,
    Cancelled {
        /// Whether a worker may have begun the job.
        begun: bool,
    },
    Start(io::Error),
    NotReady {
        status: Option<ExitStatus>,
        why: String,
    },
    /// The input cannot be encoded.
    Input(String),
    /// The output cannot be decoded.
    Output(String),
    InputTooLarge(usize),
    OutputTooLarge(usize),
    /// The worker knows no such job; what it knows.
    Unknown(String),
    /// The worker cannot decode the input.
    Undecodable(String),
    /// The worker cannot encode the output.
    Unencodable(String),
    Panicked(String),
    Lost(Lost),
    TimeLimit(Duration),
}

/// A worker that was lost while a call was with it.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(crate) worker: u32,
    pub(crate) status: Option<ExitStatus>,
    /// Whether it may have begun the job.
    pub(crate) begun: bool,
    /// Whether it sent what was no answer.
    pub(crate) garbage: bool,
}

impl Kind {
    pub(crate) fn has_begun(&self) -> bool {
        use Kind::{Cancelled, Output, OutputTooLarge, Panicked, TimeLimit, Unencodable};
        match self {
            Kind::Lost(Lost { begun, .. }) | Cancelled { begun } => *begun,
            TimeLimit(_) | Panicked(_) | Unencodable(_) | Output(_) | OutputTooLarge(_) => true,
            _ => false,
        }
    }
}

impl From<Kind> for ProcessError {
    fn from(kind: Kind) -> Self {
        Self { job: None, kind }
    }
}

impl fmt::Display for ProcessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(job) = self.job {
            write!(f, "{job}: ")?;
        }
        self.kind.fmt(f)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InWorker => f.write_str(
                "a worker process has no pool of its own; call `anyscope_process::init` first in \
                 `main`, so that only jobs run in workers",
            ),
            Self::NoInit => f.write_str(
                "call `anyscope_process::init` first in `main`, or name a program that does with \
                 `Builder::program`",
            ),
            Self::Unsupported => f.write_str("worker processes need a Unix system so far"),
            Self::Closed => f.write_str("the pool is closed"),
            Self::Cancelled { .. } => f.write_str("the call was cancelled"),
            Self::Start(_) => f.write_str("no worker process could be started"),
            Self::NotReady { status, why } => {
                write!(f, "the worker process was not ready: {why}")?;
                status.map_or(Ok(()), |status| write!(f, " ({status})"))?;
                f.write_str("; does its `main` begin with `anyscope_process::init`?")
            }
            Self::Input(why) => write!(f, "the input cannot be encoded: {why}"),
            Self::Output(why) => write!(f, "the output cannot be decoded: {why}"),
            Self::InputTooLarge(limit) => write!(f, "the input is larger than {limit} bytes"),
            Self::OutputTooLarge(limit) => write!(f, "the output is larger than {limit} bytes"),
            Self::Unknown(known) => write!(f, "the worker does not know it; it knows {known}"),
            Self::Undecodable(why) => write!(f, "the worker cannot decode the input: {why}"),
            Self::Unencodable(why) => write!(f, "the worker cannot encode the output: {why}"),
            Self::Panicked(text) => write!(f, "panicked: {}", text.escape_debug()),
            Self::Lost(lost) => lost.fmt(f),
            Self::TimeLimit(limit) => write!(f, "stopped after its time limit of {limit:?}"),
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = if self.begun { "while it ran the job" } else { "before it began the job" };
        let what = if self.garbage { "sent what is no answer" } else { "was lost" };
        write!(f, "worker process {} {what} {when}", self.worker)?;
        self.status.map_or(Ok(()), |status| write!(f, " ({status})"))
    }
}

impl Error for ProcessError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            Kind::Start(error) => Some(error),
            _ => None,
        }
    }
}
