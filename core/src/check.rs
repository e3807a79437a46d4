//! Checks for cancellation in computations, which nobody can stop from outside (B3, U3).

use crate::cancel::{Cancelled, is_any_in_effect};
use crate::stack::current_cause;

/// Fails if the current task or job has been cancelled: what a long computation asks now and then,
/// because a running job cannot be stopped from outside (B3, U3). Outside any task and inside a
/// [shield](crate::shield()) it never fails. It costs a few nanoseconds while nobody was cancelled.
///
/// It asks for what runs on this thread. The pieces of a data-parallel computation (rayon's) run on
/// others too: they ask the job's context, see
/// [`TaskContext::check_cancelled`](crate::TaskContext::check_cancelled).
///
/// # Errors
///
/// [`Cancelled`], with the cause.
///
/// # Examples
///
/// ```
/// use anyscope_core::{Cancelled, check_cancelled};
///
/// fn sum(numbers: &[u64]) -> Result<u64, Cancelled> {
///     let mut total = 0;
///     for part in numbers.chunks(1024) {
///         check_cancelled()?;
///         total += part.iter().sum::<u64>();
///     }
///     Ok(total)
/// }
/// assert_eq!(sum(&[1, 2, 3]), Ok(6));
/// ```
#[inline]
pub fn check_cancelled() -> Result<(), Cancelled> {
    // In inner loops: as long as nobody at all is cancelled it is one look at one number.
    if is_any_in_effect() { look_closer() } else { Ok(()) }
}

#[cold]
fn look_closer() -> Result<(), Cancelled> {
    current_cause().map_or(Ok(()), |cause| Err(cause.into()))
}

/// Iterators that check for cancellation.
pub trait CheckCancelled: Iterator + Sized {
    /// Checks before each item as [`check_cancelled`] does. Once that has failed there are no further
    /// items.
    ///
    /// # Examples
    ///
    /// ```
    /// use anyscope_core::{Cancelled, CheckCancelled};
    ///
    /// fn sum(numbers: &[u64]) -> Result<u64, Cancelled> {
    ///     numbers.iter().copied().check_cancelled().sum()
    /// }
    /// assert_eq!(sum(&[1, 2, 3]), Ok(6));
    /// ```
    fn check_cancelled(self) -> Checked<Self> {
        Checked { items: Some(self) }
    }
}

impl<I: Iterator> CheckCancelled for I {}

/// The iterator of [`CheckCancelled::check_cancelled`].
#[derive(Clone, Debug)]
#[must_use = "iterators do nothing unless consumed"]
pub struct Checked<I> {
    /// `None` once a check has failed.
    items: Option<I>,
}

impl<I: Iterator> Iterator for Checked<I> {
    type Item = Result<I::Item, Cancelled>;

    fn next(&mut self) -> Option<Self::Item> {
        let items = self.items.as_mut()?;
        match check_cancelled() {
            Ok(()) => items.next().map(Ok),
            Err(cancelled) => {
                self.items = None;
                Some(Err(cancelled))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let upper = self.items.as_ref().map_or(Some(0), |items| items.size_hint().1);
        (0, upper.and_then(|upper| upper.checked_add(1)))
    }
}
