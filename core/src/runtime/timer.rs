//! `Timer`: sleeping until an instant, and `timeout` on top of it.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use crate::panics::Contained;
use crate::protect::Cover;
use crate::runtime::GuardedSleep;
use crate::stack::poll_below;

/// Makes timers.
///
/// # Implementing
///
/// - A timer can be made outside any runtime context (R4).
/// - An instant that is now or past fires at the first poll; a very late one never panics (R4).
/// - `now` follows the runtime's clock where that can be paused.
pub trait Timer {
    /// The runtime's own timer, and as the runtime has made it: polled by hand, it is given the waker that
    /// it is polled with, and what a panic of that does is the runtime's affair. In a
    /// [`timeout`](Self::timeout) it is contained (P3).
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
        later(self.now(), duration)
    }

    /// The value of `future`, or [`Elapsed`] if it is not ready after `duration` (D1). A value that
    /// is ready at the same poll wins. When the time is up the future is dropped before this
    /// returns; what is [shielded](crate::shield()) in it is waited for first (C4). Where the runtime is
    /// shut down meanwhile, and has no time any more, it counts as up (R1).
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops `future`.
    fn timeout<F: Future>(&self, duration: Duration, future: F) -> Timeout<F, Self::Sleep> {
        self.timeout_at(self.after(duration), future)
    }

    /// Like [`timeout`](Timer::timeout), with the instant at which the time is up. One that is past
    /// still polls `future` once (D4).
    fn timeout_at<F: Future>(&self, deadline: Instant, future: F) -> Timeout<F, Self::Sleep> {
        Timeout {
            future: Some(future),
            sleep: GuardedSleep::new(self.sleep_until(deadline)),
            is_up: false,
            cover: None,
        }
    }

    /// The value of `future`, or `None` if it is not ready after `duration`: [`timeout`](Timer::timeout)
    /// for those who only want to move on. As `move_on_after` of Trio.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops `future`.
    fn move_on_after<F: Future>(&self, duration: Duration, future: F) -> MoveOn<F, Self::Sleep> {
        MoveOn { timeout: self.timeout(duration, future) }
    }

    /// Like [`move_on_after`](Timer::move_on_after), with the instant at which the time is up.
    fn move_on_at<F: Future>(&self, deadline: Instant, future: F) -> MoveOn<F, Self::Sleep> {
        MoveOn { timeout: self.timeout_at(deadline, future) }
    }
}

/// The instant `duration` after `now`; thirty years after it where there is none (R4).
pub(crate) fn later(now: Instant, duration: Duration) -> Instant {
    now.checked_add(duration).unwrap_or_else(|| now + FAR)
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
    pub struct Timeout<F, S> {
        // Gone once it is done, so that its destructor has run before the value is seen.
        #[pin]
        future: Option<F>,
        #[pin]
        sleep: GuardedSleep<S>,
        is_up: bool,
        cover: Option<Arc<Cover>>,
    }
}

impl<F: Future, S: Sleep> Future for Timeout<F, S> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // The future's destructor may panic, and then the value's (P3).
        let outcome = Contained::new(match poll_below(this.cover, this.future.as_mut(), cx) {
            Some(Poll::Ready(value)) => Ok(value),
            _ => {
                *this.is_up = *this.is_up || this.sleep.poll(cx).is_ready();
                if !*this.is_up || Cover::is_held_up(this.cover.as_ref(), cx.waker()) {
                    return Poll::Pending;
                }
                Err(Elapsed(()))
            }
        });
        this.future.set(None);
        Poll::Ready(outcome.into_inner())
    }
}

impl<F, S> fmt::Debug for Timeout<F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout").field("is_up", &self.is_up).finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`Timer::move_on_after`].
    #[must_use = "futures do nothing unless awaited"]
    #[derive(Debug)]
    pub struct MoveOn<F, S> {
        #[pin]
        timeout: Timeout<F, S>,
    }
}

impl<F: Future, S: Sleep> Future for MoveOn<F, S> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().timeout.poll(cx).map(Result::ok)
    }
}
