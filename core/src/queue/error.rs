//! Why a queue did not take an item.

use std::error::Error;
use std::fmt;

/// The queue did not take the item, which is given back: it was closed, or, for
/// [`Queue::try_put`](crate::Queue::try_put), full.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PutError<T> {
    item: T,
    closed: bool,
}

impl<T> PutError<T> {
    pub(super) fn new(item: T, closed: bool) -> Self {
        Self { item, closed }
    }

    /// The item.
    pub fn into_inner(self) -> T {
        self.item
    }

    /// The queue was closed, and takes nothing any more.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// There was no room.
    pub fn is_full(&self) -> bool {
        !self.closed
    }
}

impl<T> fmt::Display for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.closed { "the queue is closed" } else { "the queue is full" })
    }
}

impl<T> fmt::Debug for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PutError({self})")
    }
}

impl<T> Error for PutError<T> {}
