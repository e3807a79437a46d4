//! `Timer`: the timers of smol's reactor, which work on any thread.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use anyscope_core::{Sleep, Timer};
use pin_project_lite::pin_project;

use crate::Smol;

impl Timer for Smol {
    type Sleep = SmolSleep;

    fn sleep_until(&self, deadline: Instant) -> SmolSleep {
        SmolSleep { timer: smol::Timer::at(deadline) }
    }
}

pin_project! {
    /// smol's `Timer`.
    #[must_use = "futures do nothing unless awaited"]
    #[derive(Debug)]
    pub struct SmolSleep {
        #[pin]
        timer: smol::Timer,
    }
}

impl Future for SmolSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().timer.poll(cx).map(drop)
    }
}

impl Sleep for SmolSleep {
    fn reset(self: Pin<&mut Self>, deadline: Instant) {
        self.project().timer.get_mut().set_at(deadline);
    }
}
