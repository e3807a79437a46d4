//! `ItemError`: which item of a `map_concurrent` failed, and how.

use std::error::Error;
use std::fmt;

use crate::error::AsDynError;

/// One item's failure, with the position of the item in the input. Its source is the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemError<X> {
    index: usize,
    error: X,
}

impl<X> ItemError<X> {
    pub(super) fn new(index: usize, error: X) -> Self {
        Self { index, error }
    }

    /// The item's position in the input, from zero.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Its error.
    pub fn error(&self) -> &X {
        &self.error
    }

    /// Its error, taken out.
    pub fn into_error(self) -> X {
        self.error
    }
}

impl<X: AsDynError> fmt::Display for ItemError<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "item {} failed: {}", self.index, self.error.as_error())
    }
}

impl<X: AsDynError + fmt::Debug> Error for ItemError<X> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.error.as_error())
    }
}
