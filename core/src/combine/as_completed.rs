//! `as_completed`: a stream of outcomes in the order in which they come (W4).

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::stream::{FusedStream, Stream};

use crate::combine::Branch;
use crate::set::Set;

/// A stream of the outcomes, in order of completion (W4). For nothing it is empty (W7).
///
/// Nothing is stopped by a failure; [`TaskError::task`](crate::TaskError::task) says whose it is. To
/// know whose a value is, let the task return it.
///
/// # Cancel safety
///
/// Dropping the stream stops no task: tasks go on in their groups (T2), plain futures are dropped.
/// With `&mut` handles, those that have not given their outcome are still there.
///
/// # Examples
///
/// ```
/// use anyscope_core::{Group, GroupError, Runtime, TaskError, as_completed};
///
/// async fn print<R: Runtime>(rt: &R) -> Result<(), GroupError<TaskError>> {
///     rt.group(async |g| {
///         let mut squares = as_completed((1..4).map(|n| g.spawn(async move { Ok(n * n) })));
///         while let Some(square) = squares.next().await {
///             println!("{}", square?);
///         }
///         Ok(())
///     })
///     .await
/// }
/// ```
pub fn as_completed<I>(branches: I) -> AsCompleted<I::Item>
where
    I: IntoIterator,
    I::Item: Branch,
{
    // Each has its own waker from the first: those that share one are not known by their order.
    AsCompleted { running: Set::of(0, branches) }
}

/// The stream of [`as_completed`].
#[must_use = "streams do nothing unless polled"]
pub struct AsCompleted<B> {
    running: Set<B>,
}

impl<B: Branch> AsCompleted<B> {
    /// The next outcome; `None` when all have been given. The same as `StreamExt::next`.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if it is dropped.
    pub async fn next(&mut self) -> Option<B::Output> {
        poll_fn(|cx| self.poll_outcome(cx)).await
    }

    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Option<B::Output>> {
        let ended = ready!(self.running.poll_next(cx, Future::poll));
        Poll::Ready(ended.map(|(_, outcome)| outcome))
    }
}

impl<B: Branch> Stream for AsCompleted<B> {
    type Item = B::Output;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_outcome(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.running.len(), Some(self.running.len()))
    }
}

/// Outcomes are kept nowhere, and branches pinned elsewhere.
impl<B> Unpin for AsCompleted<B> {}

impl<B: Branch> FusedStream for AsCompleted<B> {
    fn is_terminated(&self) -> bool {
        self.running.is_empty()
    }
}

impl<B> fmt::Debug for AsCompleted<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted").field("running", &self.running.len()).finish()
    }
}
