//! How a unit came to its end, and what that means for its handle and its group.

use std::error::Error;
use std::time::Instant;

use crate::cancel::CancelCause;
use crate::error::{AsDynError, BoxError, Echo, GroupError};
use crate::group::GroupId;
use crate::panics::{Payload, drop_contained};
use crate::protect::ExitKind;
use crate::task::{TaskError, TaskId, TaskInfo};
use crate::unhandled::{self, UnhandledKind};

/// How a future or closure came to its end.
pub(crate) enum End<T> {
    Value(T),
    Panicked(Payload),
    Cancelled(CancelCause),
}

impl<T, E: AsDynError> End<Result<T, Fault<E>>> {
    /// The destructor panicked after this end: that is a panic of the unit, unless there was one
    /// already. A value that was there is dropped, a failure goes to the hook (P1).
    pub(crate) fn and_panicked(
        self,
        payload: Payload,
        group: GroupId,
        info: &dyn Fn() -> TaskInfo,
    ) -> Self {
        match &self {
            Self::Panicked(_) => {
                unhandled::report_panic(UnhandledKind::Destructor, None, payload);
                return self;
            }
            Self::Value(Err(fault)) => {
                let failure = fault.as_error().filter(|error| Echo::of(*error, group).is_none());
                if let Some(error) = failure {
                    unhandled::report_error(UnhandledKind::Failure, Some(&info()), error);
                }
            }
            _ => {}
        }
        drop_contained(self);
        Self::Panicked(payload)
    }
}

impl<T, E> End<Result<T, Fault<E>>> {
    /// As its clean-ups are told (C5).
    pub(crate) fn exit_kind(&self) -> ExitKind {
        match self {
            Self::Value(Ok(_)) => ExitKind::Value,
            Self::Value(Err(Fault::Returned { panicked: true })) | Self::Panicked(_) => {
                ExitKind::Panicked
            }
            Self::Value(Err(_)) => ExitKind::Failed,
            Self::Cancelled(cause) => ExitKind::Cancelled(cause.clone()),
        }
    }
}

/// What a unit of a group returns as its error.
pub(crate) enum Fault<E> {
    Error(E),
    /// The error of a group that the unit ran (G14).
    Group(GroupError<E>),
    /// It, or a panic, went to whoever started the task, who has not been told yet that it runs (G22).
    Returned {
        panicked: bool,
    },
    /// A detached task's: whoever awaits its handle gets it (C9).
    Lone(BoxError),
}

impl<E> From<E> for Fault<E> {
    fn from(error: E) -> Self {
        Self::Error(error)
    }
}

impl<E> From<GroupError<E>> for Fault<E> {
    fn from(error: GroupError<E>) -> Self {
        Self::Group(error)
    }
}

impl<E: AsDynError> Fault<E> {
    /// `None` if it went to somebody else.
    pub(crate) fn as_error(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Error(error) => Some(error.as_error()),
            Self::Group(error) => Some(error),
            Self::Returned { .. } => None,
            Self::Lone(error) => Some(error.as_error()),
        }
    }
}

/// The parts of a group that can end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Body,
    Task,
    Job,
}

/// Who ended, and whether its group is cancelled already: each is looked up only when it is needed.
pub(crate) struct Ending<'a> {
    pub(crate) group: GroupId,
    pub(crate) role: Role,
    pub(crate) info: &'a dyn Fn() -> TaskInfo,
    pub(crate) now: &'a dyn Fn() -> Instant,
    pub(crate) is_cancelled: &'a dyn Fn() -> bool,
}

impl Ending<'_> {
    pub(super) fn id(&self) -> TaskId {
        (self.info)().id()
    }
}

/// What an end means: for the handle, and for the group.
pub(crate) struct Settled<T> {
    pub(crate) outcome: Result<T, TaskError>,
    pub(crate) cancel: Option<CancelCause>,
}
