//! `Output`: a task's or job's outcome on its way to the handle.

use std::mem::{self, ManuallyDrop};

use crate::cancel::CancelCause;
use crate::panics::{catch, contained};
use crate::task::{TaskError, TaskId};
use crate::unhandled::UnhandledKind;

/// A task's or job's outcome on its way to the handle. Dropped unseen, its destructor's panic is
/// contained (P3), and what only the handle would have shown goes to the hook (C9).
///
/// What is kept is dropped by this alone, so that one whose outcome was taken has nothing to drop.
#[derive(Debug)]
pub(crate) struct Output<T>(ManuallyDrop<Kept<T>>);

#[derive(Debug)]
enum Kept<T> {
    Outcome(Result<T, TaskError>),
    /// As an error it would cost an allocation, for which most often nobody asks.
    Cancelled(CancelCause),
    /// The handle is gone, and the output was dropped already; or it was taken.
    Nothing,
}

impl<T> Output<T> {
    #[inline]
    pub(crate) fn new(outcome: Result<T, TaskError>) -> Self {
        Self(ManuallyDrop::new(Kept::Outcome(outcome)))
    }

    #[inline]
    pub(crate) fn cancelled(cause: CancelCause) -> Self {
        Self(ManuallyDrop::new(Kept::Cancelled(cause)))
    }

    pub(crate) fn nothing() -> Self {
        Self(ManuallyDrop::new(Kept::Nothing))
    }

    #[inline]
    fn keep_nothing(&mut self) -> Kept<T> {
        mem::replace(&mut *self.0, Kept::Nothing)
    }

    /// The value, if it is one.
    pub(crate) fn value(mut self) -> Option<T> {
        match self.keep_nothing() {
            Kept::Outcome(outcome) => outcome.ok(),
            _ => None,
        }
    }

    /// That of the task or job with this id.
    #[inline]
    pub(crate) fn take(mut self, id: TaskId) -> Option<Result<T, TaskError>> {
        match self.keep_nothing() {
            Kept::Outcome(outcome) => Some(outcome),
            Kept::Cancelled(cause) => Some(Err(TaskError::cancelled(id, cause))),
            Kept::Nothing => None,
        }
    }

    #[inline(never)]
    fn drop_unseen(&mut self) {
        let Kept::Outcome(outcome) = self.keep_nothing() else {
            return;
        };
        let dropped = catch(|| match outcome {
            Ok(value) => drop(value),
            Err(error) => error.report_unseen(),
        });
        contained(UnhandledKind::Destructor, dropped);
    }
}

impl<T> Drop for Output<T> {
    #[inline]
    fn drop(&mut self) {
        if !matches!(*self.0, Kept::Nothing) {
            self.drop_unseen();
        }
    }
}
