//! One failure: which task, where it was spawned, and how it failed (E1).

use std::error::Error;
use std::fmt;

use crate::error::{AsDynError, GroupError};
use crate::panics::{Payload, panic_message};
use crate::task::TaskInfo;

/// One failure in an [`ErrorGroup`](crate::ErrorGroup).
#[derive(Debug)]
pub struct Failure<E> {
    task: TaskInfo,
    kind: FailureKind<E>,
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

/// The payload of a captured panic.
pub struct PanicPayload(std::sync::Mutex<Payload>);

impl PanicPayload {
    /// The payload, to be inspected or raised again.
    pub fn into_inner(self) -> Payload {
        self.0.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The panic's text.
    pub fn message(&self) -> String {
        panic_message(&**self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
            .to_owned()
    }
}

impl<E> Failure<E> {
    pub(crate) fn new(task: TaskInfo, kind: FailureKind<E>) -> Self {
        Self { task, kind }
    }

    pub(crate) fn panic(task: TaskInfo, payload: Payload) -> Self {
        Self::new(task, FailureKind::Panic(PanicPayload(std::sync::Mutex::new(payload))))
    }

    /// The task that failed: id, name and spawn location.
    pub fn task(&self) -> &TaskInfo {
        &self.task
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

    pub(crate) fn kind_mut(&mut self) -> &mut FailureKind<E> {
        &mut self.kind
    }
}

impl<E: AsDynError> Failure<E> {
    pub(crate) fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            FailureKind::Error(error) => Some(error.as_dyn_error()),
            FailureKind::Panic(panic) => Some(panic),
            FailureKind::Group(inner) => Some(&**inner),
        }
    }
}

impl<E: AsDynError> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.task)?;
        match &self.kind {
            FailureKind::Error(error) => fmt::Display::fmt(error.as_dyn_error(), f),
            FailureKind::Panic(panic) => fmt::Display::fmt(panic, f),
            FailureKind::Group(inner) => fmt::Display::fmt(inner, f),
        }
    }
}

impl<E: fmt::Debug> fmt::Debug for FailureKind<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => f.debug_tuple("Error").field(error).finish(),
            Self::Panic(panic) => f.debug_tuple("Panic").field(&panic.message()).finish(),
            Self::Group(_) => f.debug_tuple("Group").finish_non_exhaustive(),
        }
    }
}

impl fmt::Debug for PanicPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PanicPayload").field(&self.message()).finish()
    }
}

impl fmt::Display for PanicPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panicked: {}", self.message())
    }
}

impl Error for PanicPayload {}
