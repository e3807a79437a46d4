//! `Call`: one call of a job, from the queue to its outcome.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::error::Kind;
use crate::lock;
use crate::seat::Seat;

/// What a call comes to: the encoded output.
pub(crate) type Outcome = Result<Vec<u8>, Kind>;

/// One call, shared by its future, the queue and the conductor that serves it.
#[derive(Debug)]
pub(crate) struct Call {
    /// Its place in the order of calls, by which the worker's answers are known.
    pub(crate) id: u64,
    /// The request as it is sent.
    pub(crate) request: Vec<u8>,
    pub(crate) limit: Option<Duration>,
    /// Set under the pool's lock, when the call leaves the queue.
    pub(crate) seat: OnceLock<Arc<Seat>>,
    /// Locked to look and to move; wakers are called and dropped outside.
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// With the waker of whoever waits.
    Open(Option<Waker>),
    /// Its worker is done with it, and gone if it had to be. Taken by the call's future.
    Ended(Option<Outcome>),
}

impl Call {
    pub(crate) fn new(id: u64, request: Vec<u8>, limit: Option<Duration>) -> Self {
        let state = Mutex::new(State::Open(None));
        Self { id, request, limit, seat: OnceLock::new(), state }
    }

    /// Ends it. Called once, by whoever served it or could not.
    pub(crate) fn end(&self, outcome: Outcome) {
        let old = std::mem::replace(&mut *lock(&self.state), State::Ended(Some(outcome)));
        if let State::Open(Some(waker)) = old {
            wake(waker);
        }
    }

    /// The outcome, once it has ended; `None` if it was taken before.
    pub(crate) fn poll_end(&self, cx: &mut Context<'_>) -> Poll<Option<Outcome>> {
        let fresh = cx.waker().clone();
        let old = match &mut *lock(&self.state) {
            State::Ended(outcome) => return Poll::Ready(outcome.take()),
            State::Open(waker) => waker.replace(fresh),
        };
        drop(old);
        Poll::Pending
    }

    pub(crate) fn has_ended(&self) -> bool {
        matches!(*lock(&self.state), State::Ended(_))
    }
}

/// Wakes. A waker is the user's: its panic, of which the panic hook has told, ends no thread of the
/// pool (P3).
pub(crate) fn wake(waker: Waker) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
        std::mem::forget(payload);
    }
}
