//! `ErrorGroup`: the failures of one group, never empty, in order of occurrence (E1).

use std::error::Error;
use std::fmt;
use std::slice;

use crate::error::{AsDynError, Failure, FailureKind, tree};
use crate::panics::contain;
use crate::unhandled::UnhandledKind;

/// At least one failure, in order of occurrence (E1, G6).
///
/// `Display` is one line with the count; the alternate form (`{:#}`) draws the tree (E5). `source()`
/// leads to the first failure.
pub struct ErrorGroup<E = crate::BoxError> {
    /// Never empty, except while it is taken apart.
    failures: Vec<Failure<E>>,
}

impl<E> ErrorGroup<E> {
    /// `None` for no failures: an error group is never empty (G7).
    pub(crate) fn from_vec(failures: Vec<Failure<E>>) -> Option<Self> {
        (!failures.is_empty()).then_some(Self { failures })
    }

    /// The failures in order.
    pub fn iter(&self) -> slice::Iter<'_, Failure<E>> {
        self.failures.iter()
    }

    /// How many direct failures there are: at least one. A nested group counts as one.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.failures.len()
    }

    /// The first failure; in a fail-fast group the one that cancelled it (G6).
    pub fn first(&self) -> &Failure<E> {
        &self.failures[0]
    }

    /// The failures by value, in order.
    pub fn into_failures(mut self) -> Vec<Failure<E>> {
        std::mem::take(&mut self.failures)
    }
}

impl<E> Drop for ErrorGroup<E> {
    /// Nested groups are emptied into one list first, so that depth does not use the stack (E4). A
    /// destructor that panics takes no other failure along (P3).
    fn drop(&mut self) {
        let mut left = std::mem::take(&mut self.failures);
        while let Some(mut failure) = left.pop() {
            if let FailureKind::Group(inner) = failure.kind_mut() {
                left.append(inner.failures_mut());
            }
            contain(UnhandledKind::Destructor, || drop(failure));
        }
    }
}

impl<'a, E> IntoIterator for &'a ErrorGroup<E> {
    type Item = &'a Failure<E>;
    type IntoIter = slice::Iter<'a, Failure<E>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<E: AsDynError> fmt::Display for ErrorGroup<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return tree::draw(f, "", self);
        }
        tree::line(f, "", self)
    }
}

impl<E: AsDynError> fmt::Debug for ErrorGroup<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        tree::draw(f, "", self)
    }
}

impl<E: AsDynError> Error for ErrorGroup<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.first().source()
    }
}

impl<E> ErrorGroup<E> {
    pub(crate) fn failures_mut(&mut self) -> &mut Vec<Failure<E>> {
        &mut self.failures
    }
}
