//! `race`: the first outcome; the losers have ended before it is returned (W5).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::combine::Branch;
use crate::combine::branch::{poll_stopped, stop_all};
use crate::panics::Contained;
use crate::set::Set;

/// The outcome of the first that ends, value or not. The others are stopped, and have ended before
/// it is returned (W5).
///
/// They are looked at in the order of the input: of several that have ended, the first by position
/// wins, and plain futures after it are not polled, so that none of them ends unheard. An outcome
/// that a losing task had all the same is dropped; with `&mut` handles it can still be taken.
///
/// # Panics
///
/// If there is nothing to race (W7): there would be nothing to return.
///
/// # Cancel safety
///
/// Dropping it stops no task before there is a winner: tasks go on in their groups (T2), plain
/// futures are dropped. After that the losers have been told to stop.
///
/// # Examples
///
/// ```
/// use anyscope_core::{Group, GroupError, Runtime, TaskError, race};
///
/// async fn fastest<R: Runtime>(rt: &R) -> Result<u32, GroupError<TaskError>> {
///     rt.group(async |g| {
///         let mirrors = [g.spawn(async { Ok(1) }), g.spawn(std::future::pending())];
///         Ok(race(mirrors).await?)
///     })
///     .await
/// }
/// ```
#[track_caller]
pub fn race<I>(branches: I) -> Race<I::Item>
where
    I: IntoIterator,
    I::Item: Branch,
{
    let mut running = Set::of(0, branches);
    assert!(!running.is_empty(), "there is nothing to race");
    running.poll_all();
    Race { running, won: None }
}

/// The future of [`race`].
#[must_use = "futures do nothing unless awaited"]
pub struct Race<B: Branch> {
    running: Set<B>,
    /// The first outcome, while the others are stopped: if that panics, this is dropped meanwhile (P3).
    won: Option<Contained<B::Output>>,
}

/// Outcomes are kept, never pinned.
impl<B: Branch> Unpin for Race<B> {}

impl<B: Branch> Future for Race<B> {
    type Output = B::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.won.is_none() {
            // Looks at all by position, up to the first that has ended.
            this.running.begin();
            let first = ready!(this.running.poll_next(cx, Future::poll));
            this.won = first.map(|(_, outcome)| Contained::new(outcome));
            stop_all(&mut this.running);
        }
        ready!(poll_stopped(&mut this.running, cx));
        Poll::Ready(this.won.take().expect("not polled after it was ready").into_inner())
    }
}

impl<B: Branch> fmt::Debug for Race<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Race").field("running", &self.running.len()).finish_non_exhaustive()
    }
}
