//! `Timer`: tokio's timers, which follow its clock when that is paused.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use anyscope_core::{Sleep, Timer};
use pin_project_lite::pin_project;
use tokio::runtime::Handle;
use tokio::task::coop;

use crate::Tokio;
use crate::runtime::enter;

impl Timer for Tokio {
    type Sleep = TokioSleep;

    fn sleep_until(&self, deadline: Instant) -> TokioSleep {
        let _context = enter(&self.handle);
        let sleep = tokio::time::sleep_until(countable(deadline).into());
        TokioSleep { sleep, handle: self.handle.clone(), fresh: true }
    }

    fn now(&self) -> Instant {
        now(&self.handle)
    }
}

/// The runtime's clock, whichever runtime the code runs in. Where that cannot be asked any more, at the end
/// of a thread, it is the system's.
fn now(handle: &Handle) -> Instant {
    let context = enter(handle);
    context.map_or_else(|_| Instant::now(), |_context| tokio::time::Instant::now().into_std())
}

/// tokio rounds up to the next millisecond, and panics where there is none.
fn countable(deadline: Instant) -> Instant {
    match deadline.checked_add(TICK) {
        Some(_) => deadline,
        None => deadline - TICK,
    }
}

const TICK: Duration = Duration::from_millis(1);

pin_project! {
    /// tokio's `Sleep`, except that an instant that has passed fires at the first poll (R4): tokio
    /// rounds up to the next millisecond.
    #[must_use = "futures do nothing unless awaited"]
    #[derive(Debug)]
    pub struct TokioSleep {
        #[pin]
        sleep: tokio::time::Sleep,
        // Whose clock it goes by.
        handle: Handle,
        // Not polled since it was set.
        fresh: bool,
    }
}

impl Future for TokioSleep {
    type Output = ();

    /// Outside tokio's budget: a future that spends it at each poll would never be found late by the
    /// timeout or deadline around it (D1, D2).
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let fresh = std::mem::replace(this.fresh, false);
        if fresh && this.sleep.deadline().into_std() <= now(this.handle) {
            return Poll::Ready(());
        }
        pin!(coop::unconstrained(this.sleep)).poll(cx)
    }
}

impl Sleep for TokioSleep {
    fn reset(self: Pin<&mut Self>, deadline: Instant) {
        let this = self.project();
        *this.fresh = true;
        this.sleep.reset(countable(deadline).into());
    }
}
