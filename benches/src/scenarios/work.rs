//! What the tasks of the scenarios do.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll};

use anyscope_core::TaskError;

/// Something that gives its number: to a native task as it is, to a group's task in `Ok`.
pub(super) trait Work: Copy + Send + Sync + 'static {
    /// For a native task.
    fn plain(self, number: u64) -> impl Future<Output = u64> + Send + 'static;

    /// For a task that may fail.
    fn fallible(self, number: u64)
    -> impl Future<Output = Result<u64, TaskError>> + Send + 'static;
}

/// Ready at its first poll.
#[derive(Clone, Copy)]
pub(super) struct Ready;

impl Work for Ready {
    async fn plain(self, number: u64) -> u64 {
        number
    }

    async fn fallible(self, number: u64) -> Result<u64, TaskError> {
        Ok(number)
    }
}

/// Suspended once.
#[derive(Clone, Copy)]
pub(super) struct Yielding;

impl Work for Yielding {
    async fn plain(self, number: u64) -> u64 {
        Yield::default().await;
        number
    }

    async fn fallible(self, number: u64) -> Result<u64, TaskError> {
        Yield::default().await;
        Ok(number)
    }
}

/// Wakes itself and is pending once.
#[derive(Default)]
pub(super) struct Yield {
    done: bool,
}

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.done, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Counts tasks that wait for ever, and their ends.
#[derive(Clone, Default)]
pub(super) struct Parking {
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    parked: AtomicUsize,
    gone: AtomicUsize,
}

impl Parking {
    /// A future that waits for ever.
    pub(super) fn park<T>(&self) -> impl Future<Output = T> + Send + use<T>
    where
        T: Send,
    {
        let here = Parked(self.counts.clone());
        async move {
            here.0.parked.fetch_add(1, SeqCst);
            let never = pending().await;
            drop(here);
            never
        }
    }

    /// Waits until so many have been polled.
    pub(super) async fn all_parked(&self, n: usize) {
        while self.counts.parked.load(SeqCst) < n {
            Yield::default().await;
        }
    }

    /// How many of them have been dropped.
    pub(super) fn gone(&self) -> u64 {
        self.counts.gone.load(SeqCst) as u64
    }
}

struct Parked(Arc<Counts>);

impl Drop for Parked {
    fn drop(&mut self) {
        self.0.gone.fetch_add(1, SeqCst);
    }
}
