//! What cases are made of instead of sleeps: gates, counters, probes that tell when they are
//! dropped, bounded waits.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use anyscope_core::{BoxError, GroupError, Runtime};

/// The result of a case's groups.
pub(crate) type Outcome<T> = Result<T, GroupError<BoxError>>;

/// Something to wait for, opened once, from anywhere; for tasks and for threads.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<GateState>);

#[derive(Default)]
struct GateState {
    inner: Mutex<(bool, Vec<Waker>)>,
    opened: Condvar,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn open(&self) {
        let wakers = {
            let mut inner = self.0.inner.lock().unwrap();
            inner.0 = true;
            std::mem::take(&mut inner.1)
        };
        self.0.opened.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn is_open(&self) -> bool {
        self.0.inner.lock().unwrap().0
    }

    /// How many wait asynchronously. Wakers of dropped waiters are counted as well.
    pub(crate) fn waiters(&self) -> usize {
        self.0.inner.lock().unwrap().1.len()
    }

    pub(crate) async fn wait(&self) {
        poll_fn(|cx| {
            let mut inner = self.0.inner.lock().unwrap();
            if inner.0 {
                return Poll::Ready(());
            }
            inner.1.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Blocks the thread, up to the bound of all waits.
    pub(crate) fn wait_blocking(&self) {
        let inner = self.0.inner.lock().unwrap();
        let waited = self
            .0
            .opened
            .wait_timeout_while(inner, BOUND, |inner| !inner.0);
        assert!(
            waited.unwrap().0.0,
            "a gate was not opened within {BOUND:?}"
        );
    }
}

/// Counts events: polls, drops, calls.
#[derive(Clone, Default)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn add(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// A value that counts when it is dropped.
    pub(crate) fn on_drop(&self) -> OnDrop<impl FnMut() + Send + Sync + 'static> {
        let count = self.clone();
        on_drop(move || {
            count.add();
        })
    }
}

/// A value that calls `f` when it is dropped.
pub(crate) fn on_drop<F: FnMut()>(f: F) -> OnDrop<F> {
    OnDrop(f)
}

pub(crate) struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Lets others run once.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Waits until `condition` holds; fails if that takes longer than any working runtime needs.
pub(crate) async fn eventually<R: Runtime>(
    rt: &R,
    what: &str,
    mut condition: impl FnMut() -> bool,
) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < BOUND, "not within {BOUND:?}: {what}");
        rt.sleep(Duration::from_millis(1)).await;
    }
}

/// The same for a thread.
pub(crate) fn eventually_blocking(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < BOUND, "not within {BOUND:?}: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Polls a future once, with a waker that does nothing.
pub(crate) fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// An error to fail with.
pub(crate) fn boom(text: &str) -> BoxError {
    BoxError::msg(text)
}

/// Far more than any wait needs on a loaded machine, and less than a case's limit.
pub(crate) const BOUND: Duration = Duration::from_secs(30);
