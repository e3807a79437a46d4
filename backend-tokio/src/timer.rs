//! `Timer`: tokio's timers, which follow its clock when that is paused.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Instant;

use anyscope_core::{Sleep, Timer};
use pin_project_lite::pin_project;
use tokio::task::coop;

use crate::Tokio;

impl Timer for Tokio {
    type Sleep = TokioSleep;

    fn sleep_until(&self, deadline: Instant) -> TokioSleep {
        let _context = self.enter();
        TokioSleep { sleep: tokio::time::sleep_until(deadline.into()), fresh: true }
    }

    fn now(&self) -> Instant {
        let _context = self.enter();
        tokio::time::Instant::now().into_std()
    }
}

pin_project! {
    /// tokio's `Sleep`, except that an instant that has passed fires at the first poll (R4): tokio
    /// rounds up to the next millisecond.
    #[must_use = "futures do nothing unless awaited"]
    #[derive(Debug)]
    pub struct TokioSleep {
        #[pin]
        sleep: tokio::time::Sleep,
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
        if fresh && this.sleep.deadline() <= tokio::time::Instant::now() {
            return Poll::Ready(());
        }
        pin!(coop::unconstrained(this.sleep)).poll(cx)
    }
}

impl Sleep for TokioSleep {
    fn reset(self: Pin<&mut Self>, deadline: Instant) {
        let this = self.project();
        *this.fresh = true;
        this.sleep.reset(deadline.into());
    }
}
