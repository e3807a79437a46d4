//! `StartError`: how a start ends without a value (G22).

use std::error::Error;
use std::fmt;

use crate::error::AsDynError;
use crate::task::TaskError;

/// Why a task that was started has not become ready (G22).
pub struct StartError<E>(pub(super) Kind<E>);

pub(super) enum Kind<E> {
    Failed(E),
    NotReady,
    Ended(TaskError),
}

impl<E> StartError<E> {
    /// The task's own error, if it failed.
    pub fn error(&self) -> Option<&E> {
        match &self.0 {
            Kind::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// The task's own error by value, if it failed.
    pub fn into_error(self) -> Option<E> {
        match self.0 {
            Kind::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// Whether the task ended, or dropped its [`Started`](crate::Started), without handing anything over.
    pub fn is_not_ready(&self) -> bool {
        matches!(self.0, Kind::NotReady)
    }

    /// Whether it was cancelled or refused; [`source`](Error::source) then says why.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.0, Kind::Ended(_))
    }
}

impl<E: AsDynError> fmt::Display for StartError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Failed(error) => {
                write!(f, "the task failed before it was ready: {}", error.as_error())
            }
            Kind::NotReady => f.write_str("the task has not said that it is ready"),
            Kind::Ended(error) => write!(f, "the task has not become ready: {error}"),
        }
    }
}

impl<E: AsDynError> fmt::Debug for StartError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StartError({self})")
    }
}

impl<E: AsDynError> Error for StartError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Kind::Failed(error) => Some(error.as_error()),
            Kind::NotReady => None,
            Kind::Ended(error) => Some(error),
        }
    }
}
