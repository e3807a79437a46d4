//! `Timer`: sleeping until an instant, and `timeout` on top of it.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

/// Makes timers.
///
/// # Implementing
///
/// - A timer can be made outside any runtime context (R4).
/// - An instant that is now or past fires at the first poll; a very late one never panics (R4).
/// - `now` follows the runtime's clock where that can be paused.
pub trait Timer {
    /// The runtime's own timer.
    type Sleep: Sleep;

    /// A timer that fires at `deadline`.
    fn sleep_until(&self, deadline: Instant) -> Self::Sleep;

    /// The runtime's clock.
    fn now(&self) -> Instant {
        Instant::now()
    }

    /// A timer that fires after `duration` from now. A duration that is too large for an instant
    /// means about thirty years (R4).
    ///
    /// Equals `sleep_until(now() + duration)`.
    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.sleep_until(self.after(duration))
    }

    /// The instant `duration` from now; thirty years where there is none (R4).
    fn after(&self, duration: Duration) -> Instant {
        let now = self.now();
        now.checked_add(duration).unwrap_or_else(|| now + FAR)
    }

    /// The value of `future`, or [`Elapsed`] if it is not ready after `duration` (D1). A value that
    /// is ready at the same poll wins. When the time is up the future is dropped before this
    /// returns.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops `future`.
    fn timeout<F: Future>(&self, duration: Duration, future: F) -> Timeout<F, Self::Sleep> {
        Timeout { future: Some(future), sleep: self.sleep(duration) }
    }
}

/// What stands for "never": about thirty years, as far as any runtime's timer can count.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// A timer that can be set anew.
pub trait Sleep: Future<Output = ()> + Send + 'static {
    /// Sets the timer to another instant, whether it has fired or not (R4). The task that waits for
    /// it need not be woken by this.
    fn reset(self: Pin<&mut Self>, deadline: Instant);
}

impl Sleep for Pin<Box<dyn Sleep>> {
    fn reset(self: Pin<&mut Self>, deadline: Instant) {
        self.get_mut().as_mut().reset(deadline);
    }
}

/// The time was up before the future was ready (D1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed(());

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time was up")
    }
}

impl Error for Elapsed {}

pin_project! {
    /// The future of [`Timer::timeout`].
    #[must_use = "futures do nothing unless awaited"]
    #[derive(Debug)]
    pub struct Timeout<F, S> {
        // Gone once it is done, so that its destructor has run before the value is seen.
        #[pin]
        future: Option<F>,
        #[pin]
        sleep: S,
    }
}

impl<F: Future, S: Sleep> Future for Timeout<F, S> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let outcome = match this.future.as_mut().as_pin_mut().map(|future| future.poll(cx)) {
            Some(Poll::Ready(value)) => Ok(value),
            _ if this.sleep.poll(cx).is_ready() => Err(Elapsed(())),
            _ => return Poll::Pending,
        };
        this.future.set(None);
        Poll::Ready(outcome)
    }
}
