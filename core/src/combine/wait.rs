//! `wait`: until the first, the first failure, or all, without stopping or losing any (W3).

use std::fmt;
use std::future::{Future, Pending, pending};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::combine::Branch;
use crate::combine::branch::SHARED_POLLS;
use crate::error::{AsDynError, is_cancellation};
use crate::panics::DropEach;
use crate::set::Set;

/// What [`wait`] waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitFor {
    /// Until one has ended, however.
    FirstCompleted,
    /// Until one has failed, or all have ended. One that was only cancelled has not failed.
    FirstFailed,
    /// Until all have ended.
    All,
}

/// Waits for some of them, and gives them back as (done, pending), both in the order of the input
/// (W3). Nothing is stopped, no outcome is taken: awaiting one that is done gives its outcome at
/// once, and what is pending goes on. For nothing both are empty, at once (W7).
///
/// What it gives back it must be able to move: a plain future that may not be is given as
/// `Box::pin(in_place(future))`, or pinned by reference.
///
/// [`until`](Wait::until) sets a limit of time, or another one.
///
/// # Cancel safety
///
/// Dropping it drops what it was given: tasks go on in their groups (T2), plain futures are dropped.
/// With `&mut` handles nothing is lost.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use anyscope_core::{Group, GroupError, Runtime, TaskError, Timer, WaitFor, wait};
///
/// async fn some<R: Runtime>(rt: &R) -> Result<u32, GroupError<TaskError>> {
///     rt.group(async |g| {
///         let tasks = (1..4).map(|n| g.spawn(async move { Ok(n) }));
///         let second = rt.sleep(Duration::from_secs(1));
///         let (done, pending) = wait(tasks, WaitFor::All).until(second).await;
///         pending.iter().for_each(|task| task.cancel());
///         let mut sum = 0;
///         for task in done {
///             sum += task.await?;
///         }
///         Ok(sum)
///     })
///     .await
/// }
/// ```
pub fn wait<I>(branches: I, what: WaitFor) -> Wait<I::Item>
where
    I: IntoIterator,
    I::Item: Branch + Unpin,
{
    let running = Set::of(SHARED_POLLS, branches);
    Wait { running, done: DropEach::default(), what, reached: false, limit: pending() }
}

pin_project! {
    /// The future of [`wait`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct Wait<B, L = Pending<()>> {
        running: Set<B>,
        // With their positions in the input.
        done: DropEach<Vec<(usize, B)>>,
        what: WaitFor,
        // Whether one of `done` is what was waited for.
        reached: bool,
        #[pin]
        limit: L,
    }
}

impl<B: Branch + Unpin> Wait<B> {
    /// Waits no longer than for `limit`: a timer of the runtime (`rt.sleep(duration)`), or any other
    /// event. What has ended when that is ready is done, the rest is pending; that the limit was
    /// reached is seen by that.
    pub fn until<L: Future<Output = ()>>(self, limit: L) -> Wait<B, L> {
        let Self { running, done, what, reached, .. } = self;
        Wait { running, done, what, reached, limit }
    }
}

impl<B, L, T, X> Future for Wait<B, L>
where
    B: Branch<Output = Result<T, X>> + Unpin,
    L: Future<Output = ()>,
    X: AsDynError,
{
    type Output = (Vec<B>, Vec<B>);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // All that have ended are done, also after the one that was waited for.
        while let Poll::Ready(Some((at, ()))) = this.running.poll_ended(cx, Branch::poll_ended) {
            let Some(ended) = this.running.take(at) else { continue };
            *this.reached |= match this.what {
                WaitFor::FirstCompleted => true,
                WaitFor::FirstFailed => has_failed(&ended),
                WaitFor::All => false,
            };
            this.done.push((at, ended));
        }
        if !*this.reached && !this.running.is_empty() && this.limit.poll(cx).is_pending() {
            return Poll::Pending;
        }
        Poll::Ready((in_order(this.done.take()), in_order(this.running.drain())))
    }
}

fn has_failed<B, T, X>(ended: &B) -> bool
where
    B: Branch<Output = Result<T, X>>,
    X: AsDynError,
{
    let error = ended.outcome().and_then(|outcome| outcome.as_ref().err());
    error.is_some_and(|error| !is_cancellation(error.as_error()))
}

fn in_order<B>(mut branches: Vec<(usize, B)>) -> Vec<B> {
    branches.sort_by_key(|(at, _)| *at);
    branches.into_iter().map(|(_, branch)| branch).collect()
}

impl<B, L> fmt::Debug for Wait<B, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait")
            .field("what", &self.what)
            .field("running", &self.running.len())
            .field("done", &self.done.len())
            .finish_non_exhaustive()
    }
}
