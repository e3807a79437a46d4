//! Why something was cancelled: the cause that travels with every cancellation, the error that carries it,
//! and how many cancellations are in effect (C2).

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::group::{GroupId, GroupInfo};
use crate::task::{TaskId, TaskInfo};

/// Why a group, task or job was cancelled. Cheap to clone; the first cause stays (C2).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CancelCause(Arc<CauseKind>);

/// The kinds of [`CancelCause`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CauseKind {
    /// Somebody called `cancel`, perhaps with a reason.
    Requested(Option<String>),
    /// The named sibling failed or panicked.
    SiblingFailed(TaskId),
    /// The deadline of this group has passed.
    Deadline(GroupInfo),
    /// The named enclosing group was cancelled; with the cause that began it.
    Parent(GroupId, CancelCause),
    /// The named task was the first to succeed, under a policy that stops there.
    FirstSuccess(TaskId),
    /// The runtime was shut down, or the program is stopping (R7).
    Shutdown,
    /// The future or value of the group was dropped, or the task that opened it ended.
    Dropped,
    /// It was a background task, and the others of its group have ended (G19).
    Finished,
}

impl CancelCause {
    /// A request without a reason.
    pub fn requested() -> Self {
        CauseKind::Requested(None).into()
    }

    /// A request with a reason for whoever reads it.
    pub fn because(reason: impl Into<String>) -> Self {
        CauseKind::Requested(Some(reason.into())).into()
    }

    /// What kind of cause it is.
    pub fn kind(&self) -> &CauseKind {
        &self.0
    }

    /// The cause where the cancellation began: itself, unless it came from an enclosing group.
    pub fn root(&self) -> &CancelCause {
        match self.kind() {
            CauseKind::Parent(_, root) => root,
            _ => self,
        }
    }

    /// What is dropped by who is not cancelled itself.
    pub(crate) fn dropped() -> Self {
        CauseKind::Dropped.into()
    }

    /// The same cancellation as a group inside `parent` sees it. The chain is at most one long, so
    /// that depth costs nothing (G15).
    pub(crate) fn inherited_from(&self, parent: GroupId) -> Self {
        CauseKind::Parent(parent, self.root().clone()).into()
    }

    /// Whether a body that had already returned keeps its value (G20).
    pub(crate) fn keeps_value(&self) -> bool {
        matches!(self.kind(), CauseKind::Requested(_) | CauseKind::FirstSuccess(_))
    }

    /// Whether it says something that no failure and no enclosing group's error says already: a request, a
    /// deadline, a shutdown or a drop. Such a cause stays when failures are taken out (E3, G21).
    pub(crate) fn stands_alone(&self) -> bool {
        use CauseKind::{Finished, FirstSuccess, Parent, SiblingFailed};
        !matches!(self.kind(), Parent(..) | SiblingFailed(_) | FirstSuccess(_) | Finished)
    }
}

impl From<CauseKind> for CancelCause {
    fn from(kind: CauseKind) -> Self {
        Self(Arc::new(kind))
    }
}

impl fmt::Display for CauseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requested(None) => f.write_str("requested"),
            Self::Requested(Some(reason)) => write!(f, "requested: {reason}"),
            Self::SiblingFailed(task) => write!(f, "task {task} failed"),
            Self::Deadline(group) => write!(f, "the deadline of {group} passed"),
            Self::Parent(group, root) => write!(f, "enclosing group {group} cancelled: {root}"),
            Self::FirstSuccess(task) => write!(f, "task {task} succeeded first"),
            Self::Shutdown => f.write_str("shutdown"),
            Self::Dropped => f.write_str("it was dropped"),
            Self::Finished => f.write_str("the others of its group have ended"),
        }
    }
}

impl fmt::Display for CancelCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.kind(), f)
    }
}

impl fmt::Debug for CancelCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CancelCause({self})")
    }
}

/// Counts one cancellation of a group or unit as long as it is kept with that.
pub(crate) struct InEffect(());

/// How many groups and single units of the process are cancelled and not gone. Raised before a cause
/// can be seen; whoever was told of a cancellation was told after that. Relaxed.
static IN_EFFECT: AtomicUsize = AtomicUsize::new(0);

impl InEffect {
    pub(crate) fn begin() -> Self {
        IN_EFFECT.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for InEffect {
    fn drop(&mut self) {
        IN_EFFECT.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether anything at all is cancelled: what inner loops can afford to ask.
#[inline]
pub(crate) fn is_any_in_effect() -> bool {
    IN_EFFECT.load(Ordering::Relaxed) > 0
}

/// The error that says "cancelled", and nothing else. Every error of this crate that stands for a
/// mere cancellation has it in its `source()` chain, and a group recognises it there by its type:
/// what comes back through `?` with it is not a failure (G4). Its own source is a private type, by which
/// it is recognised in what hides the type of an error and keeps its sources, as the boxes of `anyhow` do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancelled {
    marker: CancelMarker,
    /// Who had not stopped when the grace period of the group was over (C3).
    overdue: Option<Arc<[TaskInfo]>>,
}

impl Cancelled {
    /// Why.
    pub fn cause(&self) -> &CancelCause {
        &self.marker.0
    }

    pub(crate) fn with_overdue(self, overdue: Vec<TaskInfo>) -> Self {
        Self { overdue: (!overdue.is_empty()).then(|| overdue.into()), ..self }
    }

    pub(crate) fn overdue(&self) -> &[TaskInfo] {
        self.overdue.as_deref().unwrap_or_default()
    }
}

impl From<CancelCause> for Cancelled {
    fn from(cause: CancelCause) -> Self {
        Self { marker: CancelMarker(cause), overdue: None }
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cancelled: {}", self.cause())
    }
}

impl Error for Cancelled {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.marker)
    }
}

/// The end of the `source()` chain of each mere cancellation: what a group looks for (G4), with the cause.
/// A wrapper that forwards its source, or a box that cannot be downcast, hides a `Cancelled` and not this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CancelMarker(CancelCause);

impl CancelMarker {
    pub(crate) fn cause(&self) -> &CancelCause {
        &self.0
    }
}

/// The error above it has said why: reports that print the chain need not say it twice.
impl fmt::Display for CancelMarker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a cancellation is not a failure")
    }
}

impl Error for CancelMarker {}
