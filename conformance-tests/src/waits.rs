//! Times and destructors that need no luck: a time that grows until it was enough, a destructor that lasts
//! until the one who should wait for it was seen to wait.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::probe::{BOUND, Count, on_drop};
use crate::thread::{self, ThreadId};

/// Tries with a longer time again as long as `attempt` says that this one was too short, because the
/// machine stood still.
pub(crate) async fn with_enough_time(mut attempt: impl AsyncFnMut(Duration) -> bool) {
    let mut time = Duration::from_millis(5);
    while !attempt(time).await {
        time *= 2;
        assert!(time < BOUND, "no time is enough");
    }
}

/// Someone who waits, once, and who is polled all the time meanwhile.
#[derive(Clone, Default)]
pub(crate) struct Watched(Arc<State>);

#[derive(Default)]
struct State {
    polls: Count,
    /// Whose thread it is.
    thread: Mutex<Option<ThreadId>>,
    is_over: AtomicBool,
}

impl Watched {
    /// Polls a future until it is ready.
    pub(crate) async fn drive<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let output = poll_fn(|cx| {
            *self.0.thread.lock().unwrap() = Some(thread::current().id());
            self.0.polls.note();
            let polled = future.as_mut().poll(cx);
            self.0.is_over.store(polled.is_ready(), Ordering::SeqCst);
            if polled.is_pending() {
                cx.waker().wake_by_ref();
            }
            polled
        });
        output.await
    }

    /// A value whose destructor lasts until the future has been polled several times more; it counts in
    /// `dropped` if the future was not ready before.
    pub(crate) fn waits_for(&self, dropped: &Count) -> impl Send + use<> {
        let (state, dropped) = (self.0.clone(), dropped.clone());
        on_drop(move || {
            state.last();
            if !state.is_over.load(Ordering::SeqCst) {
                dropped.note();
            }
        })
    }
}

impl State {
    /// Nobody can run ahead on the thread on which this is called.
    fn last(&self) {
        let enough = self.polls.get() + POLLS;
        thread::block_until("the one who waits is polled", || {
            let is_here = *self.thread.lock().unwrap() == Some(thread::current().id());
            is_here || self.is_over.load(Ordering::SeqCst) || self.polls.get() >= enough
        });
    }
}

const POLLS: usize = 20;
