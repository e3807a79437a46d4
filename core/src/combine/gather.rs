//! `gather`: the results of all, in order; the first failure stops the rest (W1, W2).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::combine::Branch;
use crate::combine::branch::{SHARED_POLLS, poll_stopped, stop_all};
use crate::panics::Contained;
use crate::set::Set;

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
    let mut running = Set::of(SHARED_POLLS, branches);
    if running.len() <= FEW {
        running.poll_all();
    }
    Gather { many: running.len(), running, failure: None }
}

/// So few are polled in turn, with the caller's waker: that is cheaper than to know who was woken.
const FEW: usize = 32;

/// The future of [`gather`].
#[must_use = "futures do nothing unless awaited"]
pub struct Gather<B: Branch> {
    /// And the outcomes of those that have ended, by position in the input.
    running: Set<B, B::Output>,
    /// How many there were.
    many: usize,
    /// The first failure, while the others are stopped: if that panics, this is dropped meanwhile (P3).
    failure: Option<Contained<B::Output>>,
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
        self.running.begin();
        self.running.poll_kept(cx, Future::poll, stops)
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
        if self.failure.is_none() {
            self.failure = ready!(self.poll_until(cx, Result::is_err)).map(Contained::new);
            if self.failure.is_some() {
                stop_all(&mut self.running);
            }
        }
        if self.failure.is_some() {
            ready!(poll_stopped(&mut self.running, cx));
        }
        if let Some(Err(error)) = self.failure.take().map(Contained::into_inner) {
            return Poll::Ready(Err(error));
        }
        let mut values = Vec::with_capacity(self.many);
        self.running.take_kept(|outcome| values.extend(outcome));
        Poll::Ready(Ok(values))
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
        let mut outcomes = Vec::with_capacity(self.0.many);
        self.0.running.take_kept(|outcome| outcomes.push(outcome));
        Poll::Ready(outcomes)
    }
}
