//! `in_place`: a plain future as a branch of a combinator, run inside the caller's task.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use pin_project_lite::pin_project;

use crate::combine::Branch;
use crate::panics::Contained;
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
    InPlace { state: State::Running { future }, cover: None, stopping: false }
}

pin_project! {
    /// A plain future as a branch of a combinator: [`in_place`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct InPlace<F: Future> {
        #[pin]
        state: State<F>,
        cover: Option<Arc<Cover>>,
        // Dropped as soon as no shield is active in it.
        stopping: bool,
    }
}

pin_project! {
    #[project = StateProjected]
    #[project_replace = StateTaken]
    enum State<F: Future> {
        Running {
            #[pin]
            future: F,
        },
        Ended {
            outcome: F::Output,
        },
        // Stopped, or its outcome was taken.
        Gone,
    }
}

impl<F: Future> InPlace<F> {
    /// Polls the future, which is dropped when it is ready.
    #[inline(always)]
    fn poll_running(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let StateProjected::Running { future } = this.state.as_mut().project() else {
            return Poll::Pending;
        };
        // The future's destructor may panic, and then the outcome's (P3).
        let outcome = Contained::new(ready!(run_below(this.cover, false, || future.poll(cx))));
        this.state.set(State::Gone);
        Poll::Ready(outcome.into_inner())
    }

    /// One that was stopped is dropped, unless a shield holds it up.
    #[cold]
    fn drop_unless(mut self: Pin<&mut Self>, is_held_up: impl FnOnce(&Arc<Cover>) -> bool) {
        if self.is_running() && !self.cover.as_ref().is_some_and(is_held_up) {
            self.as_mut().project().state.set(State::Gone);
        }
    }

    /// The same of one that is polled: the waker is called at the end of the shield.
    fn drop_stopped(self: Pin<&mut Self>, waker: &Waker) {
        self.drop_unless(|cover| cover.holds_up(waker));
    }

    /// What came of one that was stopped, or has ended already.
    #[cold]
    fn poll_stopped(mut self: Pin<&mut Self>, waker: &Waker) -> Poll<F::Output> {
        if self.stopping {
            self.as_mut().drop_stopped(waker);
        }
        if self.is_running() {
            return Poll::Pending;
        }
        match self.project().state.project_replace(State::Gone) {
            StateTaken::Ended { outcome } => Poll::Ready(outcome),
            _ => panic!("polled after it has given its outcome or was stopped"),
        }
    }

    fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }
}

impl<F: Future> Branch for InPlace<F> {
    fn poll_ended(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Poll::Ready(outcome) = self.as_mut().poll_running(cx) {
            self.project().state.set(State::Ended { outcome });
            return Poll::Ready(());
        }
        if self.stopping {
            self.as_mut().drop_stopped(cx.waker());
        }
        if self.is_running() { Poll::Pending } else { Poll::Ready(()) }
    }

    fn outcome(&self) -> Option<&F::Output> {
        match &self.state {
            State::Ended { outcome } => Some(outcome),
            _ => None,
        }
    }

    fn stop(mut self: Pin<&mut Self>) {
        *self.as_mut().project().stopping = true;
        self.drop_unless(|cover| cover.is_active());
    }
}

impl<F: Future> Future for InPlace<F> {
    type Output = F::Output;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(outcome) = self.as_mut().poll_running(cx) {
            return Poll::Ready(outcome);
        }
        match self.is_running() && !self.stopping {
            true => Poll::Pending,
            false => self.poll_stopped(cx.waker()),
        }
    }
}

impl<F: Future> fmt::Debug for InPlace<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InPlace").field("running", &self.is_running()).finish_non_exhaustive()
    }
}
