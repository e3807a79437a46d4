//! `gather`: the results of all, in order; the first failure stops the rest (W1, W2).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::stream::{FuturesUnordered, Stream};

use crate::combine::Branch;
use crate::combine::branch::{Indexed, Stopping};

/// Waits for all and gives their values, in the order of the input. The first that ends without a
/// value stops the others, and its error is returned once they have ended (W1). For nothing it gives
/// an empty list (W7).
///
/// [`settled`](Gather::settled) gives an outcome for each instead.
///
/// Among tasks of one fail-fast group there is nothing left to do here: the failure has cancelled
/// all of them, and the one who gathers (T1). A task that was cancelled by itself gives an error
/// like one that failed, since a value is missing.
///
/// # Errors
///
/// The error of the first that gave one.
///
/// # Cancel safety
///
/// Dropping it stops no task: tasks go on in their groups (T2), plain futures are dropped, values
/// that were there are lost. With [`cancel_on_drop`](crate::TaskHandle::cancel_on_drop) handles it
/// cancels; with `&mut` handles, those that have not ended are still there.
///
/// # Examples
///
/// ```
/// use anyscope_core::{Group, GroupError, Runtime, TaskError, gather};
///
/// async fn squares<R: Runtime>(rt: &R) -> Result<Vec<u32>, GroupError<TaskError>> {
///     rt.group(async |g| {
///         let tasks = (1..4).map(|n| g.spawn(async move { Ok(n * n) }));
///         Ok(gather(tasks).await?)
///     })
///     .await
/// }
/// ```
pub fn gather<I>(branches: I) -> Gather<I::Item>
where
    I: IntoIterator,
    I::Item: Branch,
{
    let indexed = branches.into_iter().enumerate();
    let running: FuturesUnordered<_> =
        indexed.map(|(index, branch)| Indexed { index, branch }).collect();
    let outcomes = running.iter().map(|_| None).collect();
    Gather { running, outcomes, failed: None }
}

/// The future of [`gather`].
#[must_use = "futures do nothing unless awaited"]
pub struct Gather<B: Branch> {
    running: FuturesUnordered<Indexed<B>>,
    /// By position in the input.
    outcomes: Vec<Option<B::Output>>,
    /// The first failure, and the others until they have ended.
    failed: Option<(B::Output, Stopping<B>)>,
}

impl<B: Branch> Gather<B> {
    /// Gives an outcome for each, in the order of the input, when all have ended; nothing is stopped
    /// (W2).
    ///
    /// In a fail-fast group a failure cancels the group all the same, and with it the one who
    /// gathers: this is for groups with another policy, and for tasks whose value is a `Result`.
    ///
    /// # Cancel safety
    ///
    /// As for [`gather`].
    ///
    /// # Examples
    ///
    /// ```
    /// use anyscope_core::{gather, in_place};
    ///
    /// # futures_executor::block_on(async {
    /// let parse = async |text: &str| text.parse::<i32>();
    /// let outcomes = gather(["1", "x"].map(|text| in_place(parse(text)))).settled().await;
    /// assert!(outcomes[0].is_ok() && outcomes[1].is_err());
    /// # });
    /// ```
    pub fn settled(self) -> GatherSettled<B> {
        GatherSettled(self)
    }

    /// Takes outcomes as they come, until `stops` says of one that it is the last to be waited for.
    fn poll_until(
        &mut self,
        cx: &mut Context<'_>,
        stops: impl Fn(&B::Output) -> bool,
    ) -> Poll<Option<B::Output>> {
        while let Some((index, outcome)) = ready!(Pin::new(&mut self.running).poll_next(cx)) {
            if stops(&outcome) {
                return Poll::Ready(Some(outcome));
            }
            self.outcomes[index] = Some(outcome);
        }
        Poll::Ready(None)
    }

    fn stop_rest(&mut self) -> Stopping<B> {
        let rest = std::mem::take(&mut self.running);
        Stopping::new(rest.into_iter().map(|indexed| indexed.branch))
    }

    fn take_outcomes(&mut self) -> impl Iterator<Item = B::Output> + use<B> {
        std::mem::take(&mut self.outcomes).into_iter().flatten()
    }
}

/// Outcomes are kept, never pinned.
impl<B: Branch> Unpin for Gather<B> {}

impl<B, T, X> Future for Gather<B>
where
    B: Branch<Output = Result<T, X>>,
{
    type Output = Result<Vec<T>, X>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.failed.is_none() {
            if let Some(failure) = ready!(self.poll_until(cx, Result::is_err)) {
                self.failed = Some((failure, self.stop_rest()));
            }
        }
        if let Some((_, stopping)) = &mut self.failed {
            ready!(stopping.poll_ended(cx));
        }
        let failure = self.failed.take().map(|(failure, _)| failure);
        let values = self.take_outcomes();
        Poll::Ready(failure.into_iter().chain(values).collect())
    }
}

impl<B: Branch> fmt::Debug for Gather<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gather").field("running", &self.running.len()).finish_non_exhaustive()
    }
}

/// The future of [`Gather::settled`].
#[must_use = "futures do nothing unless awaited"]
#[derive(Debug)]
pub struct GatherSettled<B: Branch>(Gather<B>);

impl<B: Branch> Future for GatherSettled<B> {
    type Output = Vec<B::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(self.0.poll_until(cx, |_| false));
        Poll::Ready(self.0.take_outcomes().collect())
    }
}
