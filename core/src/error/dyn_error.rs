//! `AsDynError`: what a group asks of its error type, and how it recognises its own echoes.

use std::error::Error;

use crate::cancel::{CancelCause, Cancelled};
use crate::error::{BoxError, GroupError};
use crate::group::GroupId;
use crate::task::TaskError;

/// An error type that a group can hold: every [`Error`] that is `Send + Sync + 'static`, and
/// [`BoxError`]. There is nothing to implement.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error type of a group",
    note = "it must implement `std::error::Error + Send + Sync + 'static`, or be `BoxError`"
)]
pub trait AsDynError: Send + Sync + 'static {
    /// The error as a trait object.
    fn as_dyn_error(&self) -> &(dyn Error + 'static);

    /// The inner group's error that this is, if the type can tell (G14): then it becomes a nested
    /// node instead of a leaf.
    ///
    /// # Errors
    ///
    /// Gives `self` back if it is not one.
    #[doc(hidden)]
    fn into_nested(self) -> Result<GroupError<Self>, Self>
    where
        Self: Sized,
    {
        Err(self)
    }
}

impl<E: Error + Send + Sync + 'static> AsDynError for E {
    fn as_dyn_error(&self) -> &(dyn Error + 'static) {
        self
    }
}

impl AsDynError for BoxError {
    fn as_dyn_error(&self) -> &(dyn Error + 'static) {
        self.as_error()
    }

    fn into_nested(self) -> Result<GroupError<Self>, Self> {
        self.downcast()
    }
}

/// An error that came back through `?` and is not a failure of its own (G4).
#[derive(Debug)]
pub(crate) enum Echo {
    /// A mere cancellation.
    Cancelled(CancelCause),
    /// A failure or panic that the group already has.
    Recorded,
}

impl Echo {
    /// Looks for our own types in the `source()` chain of an error that a unit of `group` returned.
    pub(crate) fn of(error: &(dyn Error + 'static), group: GroupId) -> Option<Self> {
        let mut next = Some(error);
        for _ in 0..CHAIN_LIMIT {
            let error = next?;
            if let Some(marker) = error.downcast_ref::<Cancelled>() {
                return Some(Self::Cancelled(marker.cause().clone()));
            }
            let report = error.downcast_ref::<TaskError>().and_then(TaskError::recorded_in);
            if report == Some(group) {
                return Some(Self::Recorded);
            }
            next = error.source();
        }
        None
    }
}

/// A `source()` chain may be cyclic.
const CHAIN_LIMIT: usize = 64;
