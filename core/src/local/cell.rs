//! What a child of a local scope and its handle share. All of it stays on one thread.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::cancel::CancelCause;
use crate::sync::{drop_waker, wake};
use crate::task::Output;

/// No user code runs while something is out of its cell.
pub(crate) struct ChildCell<T> {
    outcome: Cell<Outcome<T>>,
    is_settled: Cell<bool>,
    /// Its own cancellation (T6).
    pub(crate) cause: FirstCause,
    /// The child's, while it is suspended.
    waker: Cell<Option<Waker>>,
}

enum Outcome<T> {
    /// Not yet; with the waker of whoever waits.
    Awaited(Option<Waker>),
    Here(Output<T>),
    Taken,
}

impl<T> ChildCell<T> {
    #[inline]
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            outcome: Cell::new(Outcome::Awaited(None)),
            is_settled: Cell::new(false),
            cause: FirstCause::default(),
            waker: Cell::new(None),
        })
    }

    pub(crate) fn cancel(&self, cause: CancelCause) {
        self.cause.set(cause);
        if let Some(waker) = self.waker.take() {
            wake(waker);
        }
    }

    /// The child is suspended, and this is its waker.
    pub(crate) fn park(&self, waker: &Waker) {
        let old = self.waker.take();
        if old.as_ref().is_some_and(|old| old.will_wake(waker)) {
            self.waker.set(old);
        } else {
            drop_waker(old);
            drop_waker(self.waker.replace(Some(waker.clone())));
        }
    }

    /// The child has ended.
    #[inline]
    pub(crate) fn settle(&self, output: Output<T>) {
        if let Some(waker) = self.waker.take() {
            drop_waker(Some(waker));
        }
        self.is_settled.set(true);
        let before = self.outcome.replace(Outcome::Here(output));
        if let Outcome::Awaited(Some(waker)) = before {
            wake(waker);
        }
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.is_settled.get()
    }

    /// What came of the child; `None` if that was taken.
    #[inline]
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<Output<T>>> {
        if self.is_settled() {
            return Poll::Ready(match self.outcome.replace(Outcome::Taken) {
                Outcome::Here(output) => Some(output),
                _ => None,
            });
        }
        let before = self.outcome.replace(Outcome::Awaited(Some(cx.waker().clone())));
        if let Outcome::Awaited(old) = before {
            drop_waker(old);
        }
        Poll::Pending
    }
}

/// Why something was cancelled; the first cause stays (C2).
#[derive(Default)]
pub(crate) struct FirstCause(Cell<Option<CancelCause>>);

impl FirstCause {
    pub(crate) fn get(&self) -> Option<CancelCause> {
        self.look(Option::clone)
    }

    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        self.look(Option::is_some)
    }

    /// Whether it is the first.
    pub(crate) fn set(&self, cause: CancelCause) -> bool {
        let first = !self.is_set();
        if first {
            self.0.set(Some(cause));
        }
        first
    }

    #[inline]
    fn look<T>(&self, f: impl FnOnce(&Option<CancelCause>) -> T) -> T {
        let cause = self.0.take();
        let seen = f(&cause);
        self.0.set(cause);
        seen
    }
}
