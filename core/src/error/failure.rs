//! One failure: which task, where it was spawned, how it failed and when (E1).

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{AsDynError, ErrorGroup, GroupError, PanicPayload, escape};
use crate::panics::Payload;
use crate::task::TaskInfo;

/// One failure in an [`ErrorGroup`].
///
/// `Display` is its task and the text of the error, with control characters escaped. A text of several lines
/// keeps them, all but the first indented, so that none is taken for a line of somebody else (E5). The one
/// line that a log wants is that of a [`Leaf`](crate::Leaf).
pub struct Failure<E> {
    task: TaskInfo,
    kind: FailureKind<E>,
    elapsed: Option<Duration>,
}

/// How a task failed.
#[non_exhaustive]
pub enum FailureKind<E> {
    /// It returned this error.
    Error(E),
    /// It panicked, in a group that captures panics (P2).
    Panic(PanicPayload),
    /// The group that it ran failed (G14). It holds at least one failure.
    Group(Box<GroupError<E>>),
}

impl<E> Failure<E> {
    /// A failure that no group has recorded. It has an id of its own, and the caller's place as its
    /// location; [`named`](Self::named) gives it a name.
    #[track_caller]
    pub fn from_error(error: E) -> Self {
        Self::new(TaskInfo::here(), FailureKind::Error(error))
    }

    /// The same for a whole group: a nested node (G14).
    #[track_caller]
    pub fn from_group(group: ErrorGroup<E>) -> Self {
        Self::new(TaskInfo::here(), FailureKind::Group(Box::new(group.into())))
    }

    /// Names the task.
    #[must_use]
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.task.name = Some(name.into());
        self
    }

    pub(crate) fn new(task: TaskInfo, kind: FailureKind<E>) -> Self {
        Self { task, kind, elapsed: None }
    }

    pub(crate) fn panic(task: TaskInfo, payload: Payload) -> Self {
        Self::new(task, FailureKind::Panic(PanicPayload::new(payload)))
    }

    pub(crate) fn at(mut self, elapsed: Option<Duration>) -> Self {
        self.elapsed = elapsed;
        self
    }

    /// The task that failed: id, name and spawn location.
    pub fn task(&self) -> &TaskInfo {
        &self.task
    }

    /// How long its group had run when it failed, by the clock of the group's runtime; that of a local
    /// scope by the system's. `None` for a failure that no group has recorded.
    pub fn elapsed(&self) -> Option<Duration> {
        self.elapsed
    }

    /// How it failed.
    pub fn kind(&self) -> &FailureKind<E> {
        &self.kind
    }

    /// How it failed, by value.
    pub fn into_kind(self) -> FailureKind<E> {
        self.kind
    }

    /// The error, if it returned one.
    pub fn error(&self) -> Option<&E> {
        match &self.kind {
            FailureKind::Error(error) => Some(error),
            _ => None,
        }
    }

    /// The panic, if it panicked.
    pub fn panic_payload(&self) -> Option<&PanicPayload> {
        match &self.kind {
            FailureKind::Panic(panic) => Some(panic),
            _ => None,
        }
    }

    /// The error of the group that it ran, if that failed (G14).
    pub fn group(&self) -> Option<&GroupError<E>> {
        match &self.kind {
            FailureKind::Group(inner) => Some(inner),
            _ => None,
        }
    }

    pub(crate) fn kind_mut(&mut self) -> &mut FailureKind<E> {
        &mut self.kind
    }

    pub(crate) fn into_parts(self) -> (TaskInfo, FailureKind<E>, Option<Duration>) {
        (self.task, self.kind, self.elapsed)
    }
}

impl<E: AsDynError> Failure<E> {
    /// Whether it is a `T`: the group's own error type, what is inside a
    /// [`BoxError`](crate::BoxError), or [`PanicPayload`].
    pub fn is<T: Error + 'static>(&self) -> bool {
        self.as_error().is::<T>()
    }

    /// The error, if it [is](Self::is) a `T`.
    pub fn downcast_ref<T: Error + 'static>(&self) -> Option<&T> {
        self.as_error().downcast_ref()
    }

    /// The error, the panic or the inner group's error.
    pub fn as_error(&self) -> &(dyn Error + 'static) {
        match &self.kind {
            FailureKind::Error(error) => error.as_error(),
            FailureKind::Panic(panic) => panic,
            FailureKind::Group(inner) => &**inner,
        }
    }
}

impl<E: AsDynError> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.task)?;
        escape::write(f, self.as_error(), Some(&INDENTED), false)
    }
}

/// `Display` has the text of the error already, so that `source()` is what caused that.
impl<E: AsDynError> Error for Failure<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.as_error().source()
    }
}

impl<E: AsDynError> fmt::Debug for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("Failure");
        fields.field("task", &self.task).field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl<E: AsDynError> fmt::Debug for FailureKind<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => f.debug_tuple("Error").field(&error.as_error()).finish(),
            Self::Panic(panic) => f.debug_tuple("Panic").field(&panic.message()).finish(),
            Self::Group(_) => f.debug_tuple("Group").finish_non_exhaustive(),
        }
    }
}

/// What a line break in a text becomes.
pub(crate) const INDENTED: &str = "\n  ";
