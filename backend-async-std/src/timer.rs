//! `Timer`: the timers of the reactor that async-std runs, which work on any thread.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use anyscope_core::{Sleep, Timer};
use pin_project_lite::pin_project;

use crate::AsyncStd;

impl Timer for AsyncStd {
    type Sleep = AsyncStdSleep;

    fn sleep_until(&self, deadline: Instant) -> AsyncStdSleep {
        AsyncStdSleep { timer: async_io::Timer::at(deadline) }
    }
}

pin_project! {
    /// async-io's `Timer`.
    #[must_use = "futures do nothing unless awaited"]
    #[derive(Debug)]
    pub struct AsyncStdSleep {
        #[pin]
        timer: async_io::Timer,
    }
}

impl Future for AsyncStdSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().timer.poll(cx).map(drop)
    }
}

impl Sleep for AsyncStdSleep {
    fn reset(self: Pin<&mut Self>, deadline: Instant) {
        self.project().timer.get_mut().set_at(deadline);
    }
}
