//! `in_place`: a plain future as a branch of a combinator, run inside the caller's task.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::combine::Branch;

/// A plain future as a [`Branch`]: it runs inside the task that awaits the combinator, may borrow,
/// and is stopped by being dropped, right there.
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
    InPlace(State::Running(Box::pin(future)))
}

/// A plain future as a branch of a combinator: [`in_place`].
#[must_use = "futures do nothing unless awaited"]
pub struct InPlace<F: Future>(State<F>);

enum State<F: Future> {
    /// Boxed, so that combinators can hand it back.
    Running(Pin<Box<F>>),
    Ended(F::Output),
    /// Stopped, or its outcome was taken.
    Gone,
}

/// Nothing in it is pinned but what is in the box.
impl<F: Future> Unpin for InPlace<F> {}

impl<F: Future> Branch for InPlace<F> {
    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let State::Running(future) = &mut self.0 {
            match future.as_mut().poll(cx) {
                Poll::Ready(outcome) => self.0 = State::Ended(outcome),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }

    fn outcome(&self) -> Option<&F::Output> {
        match &self.0 {
            State::Ended(outcome) => Some(outcome),
            _ => None,
        }
    }

    fn stop(&mut self) {
        if let State::Running(_) = self.0 {
            self.0 = State::Gone;
        }
    }
}

impl<F: Future> Future for InPlace<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.poll_ended(cx).is_pending() {
            return Poll::Pending;
        }
        match std::mem::replace(&mut self.0, State::Gone) {
            State::Ended(outcome) => Poll::Ready(outcome),
            _ => panic!("polled after it has given its outcome or was stopped"),
        }
    }
}

impl<F: Future> fmt::Debug for InPlace<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let running = matches!(self.0, State::Running(_));
        f.debug_struct("InPlace").field("running", &running).finish_non_exhaustive()
    }
}
