//! `Seat`: one place for a worker process, shared by its conductor and those who cancel its calls.

use std::io;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex};

use crate::call::Call;
use crate::lock;
use crate::sys;

/// A place for a worker. It has a conductor, a thread that starts the worker and talks to it, and
/// after it another if the first is lost.
#[derive(Debug)]
pub(crate) struct Seat {
    /// Locked to look, to move, and to send a signal; never while anybody waits.
    state: Mutex<State>,
    /// Wakes the conductor when it is idle.
    bell: sys::Stream,
}

#[derive(Debug, Default)]
struct State {
    /// A call on its way to the idle conductor.
    handed: Option<Arc<Call>>,
    /// The call that is being served, from the moment it was given to this seat.
    serving: Option<u64>,
    /// That call was cancelled, and its worker, if there was one, was killed.
    is_cancelled: bool,
    /// The worker, until somebody waits for its end: so its id is still its own.
    child: Option<Child>,
}

impl Seat {
    /// An empty one, and what its conductor hears the bell by.
    pub(crate) fn new() -> io::Result<(Self, sys::Stream)> {
        let (bell, ear) = sys::bell()?;
        Ok((Self { state: Mutex::default(), bell }, ear))
    }

    /// From now on it serves this call.
    pub(crate) fn assign(self: &Arc<Self>, call: &Arc<Call>) {
        let mut state = lock(&self.state);
        state.serving = Some(call.id);
        state.is_cancelled = false;
        let first = call.seat.set(self.clone()).is_ok();
        debug_assert!(first, "a call is served once");
    }

    /// Assigns a call to the conductor, which waits.
    pub(crate) fn hand(self: &Arc<Self>, call: Arc<Call>) {
        self.assign(&call);
        lock(&self.state).handed = Some(call);
        self.ring();
    }

    /// What was handed over.
    pub(crate) fn take_handed(&self) -> Option<Arc<Call>> {
        lock(&self.state).handed.take()
    }

    pub(crate) fn ring(&self) {
        sys::ring(&self.bell);
    }

    /// Cancels a call, if it is still being served: its worker is killed.
    pub(crate) fn cancel(&self, call: u64) {
        let mut state = lock(&self.state);
        if state.serving == Some(call) {
            state.is_cancelled = true;
            state.child.iter_mut().for_each(sys::kill);
        }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        lock(&self.state).is_cancelled
    }

    /// The call has been served. From now on it cannot be cancelled; whether it was.
    pub(crate) fn served(&self) -> bool {
        let mut state = lock(&self.state);
        state.serving = None;
        state.is_cancelled
    }

    /// A worker has been started. One whose call was cancelled meanwhile is killed.
    pub(crate) fn seat(&self, mut child: Child) {
        let mut state = lock(&self.state);
        if state.is_cancelled {
            sys::kill(&mut child);
        }
        state.child = Some(child);
    }

    /// Ends the worker, if there is one, and waits until it is gone.
    pub(crate) fn reap(&self) -> Option<ExitStatus> {
        let mut child = {
            let mut state = lock(&self.state);
            let mut child = state.child.take()?;
            sys::kill(&mut child);
            child
        };
        child.wait().ok()
    }

    /// The process id of its worker, if there is one.
    pub(crate) fn worker(&self) -> Option<u32> {
        lock(&self.state).child.as_ref().map(Child::id)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn only_the_call_that_is_served_is_cancelled() {
        let (seat, _ear) = Seat::new().unwrap();
        let seat = Arc::new(seat);
        let call = |id| Arc::new(Call::new(id, Vec::new(), None));
        seat.assign(&call(1));
        assert!(!seat.served());
        seat.cancel(1);
        seat.hand(call(2));
        seat.cancel(1);
        assert!(!seat.is_cancelled(), "the first has been served");
        seat.cancel(2);
        assert!(seat.is_cancelled() && seat.served());
        assert_eq!(seat.take_handed().map(|call| call.id), Some(2));
        seat.assign(&call(3));
        assert!(!seat.served(), "that was for another");
    }
}
