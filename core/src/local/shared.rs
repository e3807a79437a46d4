//! What the parts of a local scope share: its children, its handles and its future.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::task::Waker;

use crate::cancel::CancelCause;
use crate::group::{GroupId, Ledger};
use crate::local::cell::ChildCell;
use crate::local::child::LocalFuture;
use crate::stack::{frames, is_below_unshielded};
use crate::sync::{drop_waker, wake};
use crate::task::{Output, TaskError};

/// What the scope's future, its handles and its children share. No borrow is held while user code
/// runs.
pub(crate) struct Shared {
    pub(crate) id: GroupId,
    pub(crate) cause: OnceCell<CancelCause>,
    /// The body and the children that have not ended; zero once closes the scope.
    live: Cell<usize>,
    /// That the scope's future is being polled, and below how many frames: only then will an awaiting
    /// child be dropped (T1).
    polling: Cell<Option<usize>>,
    /// Of the scope's future, as last polled.
    waker: Cell<Option<Waker>>,
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self {
            id: GroupId::new(),
            cause: OnceCell::new(),
            live: Cell::new(0),
            polling: Cell::new(None),
            waker: Cell::new(None),
        }
    }

    pub(crate) fn live(&self) -> usize {
        self.live.get()
    }

    pub(crate) fn add_child(&self) {
        self.live.set(self.live.get() + 1);
    }

    /// A child has ended with this outcome.
    #[inline]
    pub(crate) fn hand_over<T>(&self, cell: Rc<ChildCell<T>>, outcome: Result<T, TaskError>) {
        cell.settle(Output::new(outcome));
        // An output that nobody will take is gone before the child counts as ended.
        drop(cell);
        self.live.set(self.live.get() - 1);
    }

    /// Whether the one who is polled right now is about to be dropped, with the child of this scope that
    /// it is in.
    pub(crate) fn is_cutting(&self) -> bool {
        self.cause.get().is_some() && self.polling.get().is_some_and(is_below_unshielded)
    }

    pub(crate) fn cancel(&self, cause: CancelCause) {
        if self.cause.set(cause).is_ok() {
            self.wake();
        }
    }

    /// Has the scope's future polled: something was spawned or cancelled.
    pub(crate) fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            wake(waker);
        }
    }

    pub(crate) fn set_waker(&self, waker: &Waker) {
        drop_waker(self.waker.replace(Some(waker.clone())));
    }

    /// The scope's future is not polled any more; handles may be there for long.
    pub(crate) fn forget_waker(&self) {
        drop_waker(self.waker.take());
    }

    /// Runs `f` as part of the scope's poll.
    pub(crate) fn while_polling<T>(&self, f: impl FnOnce() -> T) -> T {
        let _polling =
            Polling { polling: &self.polling, before: self.polling.replace(Some(frames())) };
        f()
    }
}

/// Says what was said before, also after a panic: a user's waker may raise one.
struct Polling<'a> {
    polling: &'a Cell<Option<usize>>,
    before: Option<usize>,
}

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        self.polling.set(self.before);
    }
}

/// The typed part of a scope.
pub(crate) struct State<'env, E> {
    pub(crate) shared: Rc<Shared>,
    pub(crate) ledger: Ledger<E>,
    /// Whether there is a policy, which wants to hear of each end.
    pub(crate) asks_policy: bool,
    /// Spawned since the scope was last polled.
    pub(crate) queue: RefCell<Vec<LocalFuture<'env>>>,
}
