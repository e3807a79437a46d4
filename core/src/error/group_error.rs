//! `GroupError`: how a group ends when it has no value: its cause, its failures, or both (G7, G21).

use std::error::Error;
use std::fmt;

use crate::cancel::{CancelCause, Cancelled, CauseKind};
use crate::error::{AsDynError, ErrorGroup, Failure, tree};
use crate::group::GroupId;
use crate::task::TaskInfo;

/// Why a group has no value: it was cancelled, it failed, or both (G7, G21).
///
/// `Display` is one line; the alternate form (`{:#}`) and `Debug` draw the tree of failures (E5).
///
/// # Examples
///
/// ```
/// use anyscope_core::{BoxError, GroupError};
///
/// fn report(error: &GroupError<BoxError>) {
///     if let Some(cause) = error.cause() {
///         eprintln!("cancelled: {cause}");
///     }
///     for failure in error.failures().into_iter().flatten() {
///         eprintln!("{failure}");
///     }
/// }
/// ```
pub struct GroupError<E = crate::BoxError> {
    cancelled: Option<Cancelled>,
    /// At least one of the two fields is there.
    failures: Option<ErrorGroup<E>>,
    /// Who did not stop within a grace period.
    overdue: Vec<TaskInfo>,
}

impl<E> GroupError<E> {
    /// `None` if there is neither a cause nor a failure: then there is no error.
    pub(crate) fn new(cause: Option<CancelCause>, failures: Vec<Failure<E>>) -> Option<Self> {
        let failures = ErrorGroup::from_vec(failures);
        (cause.is_some() || failures.is_some())
            .then(|| Self { cancelled: cause.map(Cancelled::from), failures, overdue: Vec::new() })
    }

    /// A mere cancellation.
    pub(crate) fn cancelled(cause: CancelCause) -> Self {
        Self { cancelled: Some(cause.into()), failures: None, overdue: Vec::new() }
    }

    pub(crate) fn with_overdue(self, overdue: Vec<TaskInfo>) -> Self {
        Self { overdue, ..self }
    }

    /// Why the group was cancelled, if it was. A fail-fast group that failed was cancelled by its
    /// first failure.
    pub fn cause(&self) -> Option<&CancelCause> {
        self.cancelled.as_ref().map(Cancelled::cause)
    }

    /// The failures, if there were any.
    pub fn failures(&self) -> Option<&ErrorGroup<E>> {
        self.failures.as_ref()
    }

    /// The failures by value, if there were any.
    pub fn into_failures(self) -> Option<ErrorGroup<E>> {
        self.failures
    }

    /// Whether it is a mere cancellation, without a failure (G20).
    pub fn is_cancelled(&self) -> bool {
        self.failures.is_none()
    }

    /// The tasks, at whatever depth, that had not ended when the group's grace period was over (C3).
    /// They were dropped then; a job or a shielded task was still waited for.
    pub fn overdue(&self) -> &[TaskInfo] {
        &self.overdue
    }

    pub(crate) fn is_deadline_of(&self, group: Option<GroupId>) -> bool {
        let deadline = |cause: &CancelCause| match cause.kind() {
            CauseKind::Deadline(owner) => Some(*owner),
            _ => None,
        };
        group.is_some() && self.cause().and_then(deadline) == group
    }

    /// The failures of a group about to be dropped, so that depth does not use the stack.
    pub(crate) fn failures_mut(&mut self) -> &mut Vec<Failure<E>> {
        self.failures.as_mut().expect("a nested group has failures").failures_mut()
    }
}

impl<E: AsDynError> fmt::Display for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.failures, &self.cancelled) {
            (Some(failures), _) if f.alternate() => tree::draw(f, &self.suffix(), failures),
            (Some(failures), _) => tree::line(f, &self.suffix(), failures),
            (None, Some(marker)) => write!(f, "group {marker}"),
            (None, None) => f.write_str("group ended"),
        }
    }
}

impl<E> GroupError<E> {
    /// What the failures themselves do not say: a cause that is not one of them.
    pub(crate) fn suffix(&self) -> String {
        use crate::cancel::CauseKind::SiblingFailed;
        match self.cause() {
            Some(cause) if !matches!(cause.kind(), SiblingFailed(_)) => {
                format!(", cancelled: {cause}")
            }
            _ => String::new(),
        }
    }
}

impl<E: AsDynError> fmt::Debug for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.failures {
            Some(failures) => tree::draw(f, &self.suffix(), failures),
            None => write!(f, "{self}"),
        }
    }
}

impl<E: AsDynError> Error for GroupError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match (&self.failures, &self.cancelled) {
            (Some(failures), _) => failures.first().source(),
            (None, Some(marker)) => Some(marker),
            (None, None) => None,
        }
    }
}
