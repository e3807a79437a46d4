//! The virtual clock, and waiting until nothing else can run.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::Sim;
use crate::scheduler::Shared;

impl Sim {
    /// How far the clock has moved since the start.
    pub fn elapsed(&self) -> Duration {
        self.shared.lock().now - self.shared.start
    }

    /// Moves the clock on at once, as if the machine had been asleep: timers that fall due by it fire now,
    /// too late. To let time pass in the common way, sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use anyscope_core::Timer;
    ///
    /// anyscope_sim::run(1, async |rt| {
    ///     let limited = rt.timeout(Duration::from_secs(1), async {
    ///         rt.advance(Duration::from_secs(5)); // it computed for so long
    ///         std::future::pending::<()>().await;
    ///     });
    ///     assert!(limited.await.is_err());
    ///     assert_eq!(rt.elapsed(), Duration::from_secs(5));
    /// });
    /// ```
    pub fn advance(&self, duration: Duration) {
        self.shared.advance(duration).into_iter().for_each(Waker::wake);
    }

    /// Lets others run: goes on when it is chosen again.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if it is dropped.
    pub async fn yield_now(&self) {
        let mut yielded = false;
        poll_fn(|cx| match std::mem::replace(&mut yielded, true) {
            true => Poll::Ready(()),
            false => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        })
        .await;
    }

    /// Waits until nothing else can run: every other task and job has ended or waits. No time passes.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if it is dropped.
    pub fn settle(&self) -> Settle {
        Settle { shared: self.shared.clone(), name: None }
    }
}

/// The future of [`Sim::settle`].
#[must_use = "futures do nothing unless awaited"]
pub struct Settle {
    shared: Arc<Shared>,
    /// By which the simulation knows it, since the first poll.
    name: Option<u64>,
}

impl Future for Settle {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let Some(name) = self.name else {
            self.name = Some(self.shared.settle(waker));
            return Poll::Pending;
        };
        let (waits, old) = self.shared.still_settles(name, waker);
        drop(old);
        if waits { Poll::Pending } else { Poll::Ready(()) }
    }
}

impl Drop for Settle {
    fn drop(&mut self) {
        let waker = self.name.and_then(|name| self.shared.unsettle(name));
        drop(waker);
    }
}

impl fmt::Debug for Settle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settle").finish_non_exhaustive()
    }
}
