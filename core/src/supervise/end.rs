//! `InstanceEnd`: how one instance of a child ended.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::error::{AsDynError, GroupError, escape};

/// How one instance of a child ended: in the [history](crate::supervise::SupervisorError::history),
/// and for [`Supervisor::on_end`](crate::supervise::Supervisor::on_end).
pub struct InstanceEnd<E> {
    child: Arc<str>,
    at: Instant,
    stopped: bool,
    outcome: Result<(), GroupError<E>>,
}

impl<E> InstanceEnd<E> {
    pub(super) fn new(
        child: Arc<str>,
        at: Instant,
        stopped: bool,
        outcome: Result<(), GroupError<E>>,
    ) -> Self {
        Self { child, at, stopped, outcome }
    }

    /// The child's name.
    pub fn child(&self) -> &str {
        &self.child
    }

    /// When it ended, by the runtime's clock.
    pub fn at(&self) -> Instant {
        self.at
    }

    /// Whether the supervisor had told it to stop.
    pub fn was_stopped(&self) -> bool {
        self.stopped
    }

    /// The error of the instance's group, unless it ended with `Ok`: its failures, a panic among
    /// them, and who did not stop in time. Without failures it was merely cancelled.
    pub fn error(&self) -> Option<&GroupError<E>> {
        self.outcome.as_ref().err()
    }

    /// The same by value.
    pub fn into_error(self) -> Option<GroupError<E>> {
        self.outcome.err()
    }

    /// The error, if it holds failures.
    pub(super) fn failure(&self) -> Option<&GroupError<E>> {
        self.error().filter(|error| !error.is_cancelled())
    }
}

impl<E: AsDynError> fmt::Display for InstanceEnd<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("child `")?;
        escape::write(f, self.child(), None, false)?;
        match self.error() {
            None => f.write_str("` returned"),
            Some(error) => write!(f, "`: {error}"),
        }
    }
}

impl<E: AsDynError> fmt::Debug for InstanceEnd<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InstanceEnd({self})")
    }
}
