//! `Ended`: how a program's outermost group ended, for the program's exit.

use std::fmt;
use std::io::{Write, stderr};
use std::process::{ExitCode, Termination};

use anyscope_core::{AsDynError, BoxError, CancelCause, CauseKind, GroupError, OneLine, TaskInfo};

use crate::stop::StopReason;

/// How a group ended that a [`Stopper`](crate::Stopper) watched: with a value, with failures, because
/// it was stopped, or for another cause. What `main` returns: as its
/// [termination](Termination::report) it prints itself to stderr, if there is no value, and gives the
/// [exit code](Self::code).
///
/// `Display` is the report: why it ended, each task that had to be dropped with its name and place,
/// and the tree of failures.
///
/// ```text
/// stopped by SIGTERM; 1 did not end in time:
///   task #7 'upload' (src/main.rs:12:9)
/// ```
#[must_use = "it may hold failures, and it knows the exit code"]
pub struct Ended<T = (), E = BoxError> {
    result: Result<T, GroupError<E>>,
    stopped_by: Option<StopReason>,
}

impl<T, E> Ended<T, E> {
    pub(super) fn new(result: Result<T, GroupError<E>>, asked: Option<StopReason>) -> Self {
        let is_shutdown = |cause: &CancelCause| *cause.root().kind() == CauseKind::Shutdown;
        let cause = result.as_ref().err().and_then(GroupError::cause);
        let stopped_by = asked.filter(|_| cause.is_some_and(is_shutdown));
        Self { result, stopped_by }
    }

    /// The value, or the group's error, which is a mere cancellation if the group was stopped and
    /// nothing failed.
    ///
    /// # Errors
    ///
    /// The group's error.
    pub fn result(&self) -> Result<&T, &GroupError<E>> {
        self.result.as_ref()
    }

    /// As [`result`](Self::result), by value.
    ///
    /// # Errors
    ///
    /// The group's error.
    pub fn into_result(self) -> Result<T, GroupError<E>> {
        self.result
    }

    /// Who asked it to stop first, if that is why it has ended: not if it had its value before, nor if it
    /// was cancelled for another cause before.
    pub fn stopped_by(&self) -> Option<&StopReason> {
        self.stopped_by.as_ref()
    }

    /// The tasks that had not ended when the grace period was over, or when a second request came:
    /// they were dropped, or still waited for where that is not possible (C3).
    pub fn overdue(&self) -> &[TaskInfo] {
        self.result.as_ref().err().map_or(&[], GroupError::overdue)
    }

    /// 0 for a value; 1 for failures, also while it was being stopped (G21); else that of the reason
    /// it was stopped for, which is 130 for Ctrl-C and 143 for SIGTERM; else, for any other cause, 1.
    pub fn code(&self) -> u8 {
        match (&self.result, &self.stopped_by) {
            (Ok(_), _) => 0,
            (Err(error), Some(reason)) if error.is_cancelled() => reason.code(),
            (Err(_), _) => 1,
        }
    }
}

/// Of a group that nobody watched: for a program in which something may fail before that.
impl<T, E> From<Result<T, GroupError<E>>> for Ended<T, E> {
    fn from(result: Result<T, GroupError<E>>) -> Self {
        Self::new(result, None)
    }
}

impl<T, E: AsDynError> fmt::Display for Ended<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Err(error) = &self.result else {
            return f.write_str("ended");
        };
        match (&self.stopped_by, error.cause()) {
            (Some(reason), _) => write!(f, "stopped by {}", OneLine(reason))?,
            (None, Some(cause)) if error.is_cancelled() => {
                write!(f, "cancelled: {}", OneLine(cause))?
            }
            (None, _) => f.write_str("failed")?,
        }
        if !self.overdue().is_empty() {
            write!(f, "; {} did not end in time:", self.overdue().len())?;
        }
        self.overdue().iter().try_for_each(|task| write!(f, "\n  {task}"))?;
        match error.failures() {
            Some(failures) => write!(f, "\n{}", failures.tree()),
            None => Ok(()),
        }
    }
}

impl<T, E: AsDynError> fmt::Debug for Ended<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<T: Termination, E: AsDynError> Termination for Ended<T, E> {
    fn report(self) -> ExitCode {
        if self.result.is_err() {
            // If even that cannot be written there is nobody left to tell.
            let _ = writeln!(stderr(), "{self}");
        }
        let code = self.code();
        self.result.map_or(code.into(), Termination::report)
    }
}
