//! `in_place`: a plain future as a branch of a combinator, run inside the caller's task.

use std::fmt;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::combine::Branch;
use crate::protect::Cover;
use crate::stack::run_below;

/// A plain future as a [`Branch`]: it runs inside the task that awaits the combinator, may borrow,
/// and is stopped by being dropped, right there; what is [shielded](crate::shield()) in it is waited
/// for first (C4).
///
/// A task's handle needs no wrapping, and should not get one: what is dropped then is the handle,
/// and the task goes on (T2).
///
/// # Cancel safety
///
/// Dropping it drops the future.
///
/// # Examples
///
/// ```
/// use anyscope_core::{gather, in_place};
///
/// # futures_executor::block_on(async {
/// let parse = async |text: &str| text.parse::<i32>();
/// let numbers = gather(["1", "2", "3"].map(|text| in_place(parse(text)))).await;
/// assert_eq!(numbers, Ok(vec![1, 2, 3]));
/// # });
/// ```
pub fn in_place<F: Future>(future: F) -> InPlace<F> {
    InPlace { state: State::Running(Box::pin(future)), cover: None, stopping: false }
}

/// A plain future as a branch of a combinator: [`in_place`].
#[must_use = "futures do nothing unless awaited"]
pub struct InPlace<F: Future> {
    state: State<F>,
    cover: Option<Arc<Cover>>,
    /// Dropped as soon as no shield is active in it.
    stopping: bool,
}

enum State<F: Future> {
    /// Boxed, so that combinators can hand it back.
    Running(Pin<Box<F>>),
    Ended(F::Output),
    /// Stopped, or its outcome was taken.
    Gone,
}

/// Nothing in it is pinned but what is in the box.
impl<F: Future> Unpin for InPlace<F> {}

impl<F: Future> InPlace<F> {
    fn drop_if_stopped(&mut self) {
        let is_covered = self.cover.as_ref().is_some_and(|cover| cover.is_active());
        if self.stopping && !is_covered && self.is_running() {
            self.state = State::Gone;
        }
    }

    fn is_running(&self) -> bool {
        matches!(self.state, State::Running(_))
    }
}

impl<F: Future> Branch for InPlace<F> {
    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let State::Running(future) = &mut self.state {
            let polled = run_below(&mut self.cover, false, || future.as_mut().poll(cx));
            if let Poll::Ready(outcome) = polled.unwrap_or_else(|panic| resume_unwind(panic)) {
                self.state = State::Ended(outcome);
            }
        }
        self.drop_if_stopped();
        if self.is_running() { Poll::Pending } else { Poll::Ready(()) }
    }

    fn outcome(&self) -> Option<&F::Output> {
        match &self.state {
            State::Ended(outcome) => Some(outcome),
            _ => None,
        }
    }

    fn stop(&mut self) {
        self.stopping = true;
        self.drop_if_stopped();
    }
}

impl<F: Future> Future for InPlace<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.poll_ended(cx).is_pending() {
            return Poll::Pending;
        }
        match std::mem::replace(&mut self.state, State::Gone) {
            State::Ended(outcome) => Poll::Ready(outcome),
            _ => panic!("polled after it has given its outcome or was stopped"),
        }
    }
}

impl<F: Future> fmt::Debug for InPlace<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InPlace").field("running", &self.is_running()).finish_non_exhaustive()
    }
}
