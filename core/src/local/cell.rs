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
    wish: Cell<Wish>,
}

enum Outcome<T> {
    /// Not yet; with the waker of whoever waits.
    Awaited(Option<Waker>),
    Here(Output<T>),
    Taken,
}

/// What its handle wants of the child.
enum Wish {
    /// To go on; with the child's waker, while it is suspended.
    GoOn(Option<Waker>),
    /// Its own cancellation (T6). The first cause stays (C2).
    End(CancelCause),
}

impl<T> ChildCell<T> {
    #[inline]
    pub(crate) fn new() -> Rc<Self> {
        let (outcome, wish) = (Outcome::Awaited(None), Wish::GoOn(None));
        Rc::new(Self { outcome: Cell::new(outcome), wish: Cell::new(wish) })
    }

    pub(crate) fn cause(&self) -> Option<CancelCause> {
        self.look(|wish| match wish {
            Wish::GoOn(_) => None,
            Wish::End(cause) => Some(cause.clone()),
        })
    }

    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.look(|wish| matches!(wish, Wish::End(_)))
    }

    #[inline]
    fn look<R>(&self, f: impl FnOnce(&Wish) -> R) -> R {
        look_at(&self.wish, Wish::GoOn(None), f)
    }

    pub(crate) fn cancel(&self, cause: CancelCause) {
        match self.wish.replace(Wish::End(cause)) {
            Wish::GoOn(Some(waker)) => wake(waker),
            Wish::GoOn(None) => {}
            first => self.wish.set(first),
        }
    }

    /// The child is suspended, and this is its waker.
    pub(crate) fn park(&self, waker: &Waker) {
        let same = self.look(|wish| match wish {
            Wish::GoOn(Some(old)) => old.will_wake(waker),
            Wish::GoOn(None) => false,
            // Nothing more is wanted of it.
            Wish::End(_) => true,
        });
        if !same {
            self.replace_waker(waker.clone());
        }
    }

    /// As it was cloned, which is user code, the child was perhaps cancelled.
    fn replace_waker(&self, fresh: Waker) {
        match self.wish.replace(Wish::GoOn(Some(fresh))) {
            Wish::GoOn(old) => drop_waker(old),
            end => {
                if let Wish::GoOn(Some(fresh)) = self.wish.replace(end) {
                    wake(fresh);
                }
            }
        }
    }

    /// The child has ended.
    #[inline]
    pub(crate) fn settle(&self, output: Output<T>) {
        if let Wish::GoOn(Some(waker)) = self.wish.replace(Wish::GoOn(None)) {
            drop_waker(Some(waker));
        }
        let before = self.outcome.replace(Outcome::Here(output));
        if let Outcome::Awaited(Some(waker)) = before {
            wake(waker);
        }
    }

    pub(crate) fn is_settled(&self) -> bool {
        look_at(&self.outcome, Outcome::Taken, |outcome| !matches!(outcome, Outcome::Awaited(_)))
    }

    /// What came of the child; `None` if that was taken.
    #[inline]
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<Output<T>>> {
        if let Some(settled) = self.take() {
            return Poll::Ready(settled);
        }
        if self.is_awaited_with(cx.waker()) {
            return Poll::Pending;
        }
        let fresh = cx.waker().clone();
        // As it was cloned, which is user code, the child has perhaps ended.
        if let Some(settled) = self.take() {
            drop_waker(Some(fresh));
            return Poll::Ready(settled);
        }
        if let Outcome::Awaited(old) = self.outcome.replace(Outcome::Awaited(Some(fresh))) {
            drop_waker(old);
        }
        Poll::Pending
    }

    /// Its handle is gone.
    pub(crate) fn forget_waiter(&self) {
        match self.outcome.replace(Outcome::Awaited(None)) {
            Outcome::Awaited(waker) => drop_waker(waker),
            settled => self.outcome.set(settled),
        }
    }

    /// `None` as long as the child has not ended.
    #[inline]
    fn take(&self) -> Option<Option<Output<T>>> {
        match self.outcome.replace(Outcome::Taken) {
            Outcome::Here(output) => Some(Some(output)),
            Outcome::Taken => Some(None),
            awaited => {
                self.outcome.set(awaited);
                None
            }
        }
    }

    fn is_awaited_with(&self, waker: &Waker) -> bool {
        let is_same = |old: &Outcome<T>| match old {
            Outcome::Awaited(Some(old)) => old.will_wake(waker),
            _ => false,
        };
        look_at(&self.outcome, Outcome::Taken, is_same)
    }
}

/// Looks at what is in the cell, in which `meanwhile` is until then.
#[inline]
fn look_at<T, R>(cell: &Cell<T>, meanwhile: T, f: impl FnOnce(&T) -> R) -> R {
    let value = cell.replace(meanwhile);
    let seen = f(&value);
    cell.set(value);
    seen
}
