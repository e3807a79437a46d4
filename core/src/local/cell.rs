//! What a child of a local scope and its handle share. All of it stays on one thread.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::cancel::CancelCause;
use crate::sync::{drop_waker, wake};
use crate::task::Output;

/// No borrow is held while a waker or other user code runs.
pub(crate) struct ChildCell<T> {
    outcome: RefCell<Outcome<T>>,
    is_settled: Cell<bool>,
    /// Its own cancellation (T6).
    cause: RefCell<Option<CancelCause>>,
    /// The child's, while it is suspended.
    waker: RefCell<Option<Waker>>,
}

enum Outcome<T> {
    /// Not yet; with the waker of whoever waits.
    Awaited(Option<Waker>),
    Here(Output<T>),
    Taken,
}

impl<T> ChildCell<T> {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            outcome: RefCell::new(Outcome::Awaited(None)),
            is_settled: Cell::new(false),
            cause: RefCell::new(None),
            waker: RefCell::new(None),
        })
    }

    pub(crate) fn cause(&self) -> Option<CancelCause> {
        self.cause.borrow().clone()
    }

    pub(crate) fn cancel(&self, cause: CancelCause) {
        self.cause.borrow_mut().get_or_insert(cause);
        let waker = self.waker.borrow_mut().take();
        if let Some(waker) = waker {
            wake(waker);
        }
    }

    /// The child is suspended, and this is its waker.
    pub(crate) fn park(&self, waker: &Waker) {
        let same = self.waker.borrow().as_ref().is_some_and(|old| old.will_wake(waker));
        if !same {
            let old = self.waker.borrow_mut().replace(waker.clone());
            drop_waker(old);
        }
    }

    /// The child has ended.
    pub(crate) fn settle(&self, output: Output<T>) {
        drop_waker(self.waker.borrow_mut().take());
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
