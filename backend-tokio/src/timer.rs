//! `Timer`: tokio's timers, which follow its clock when that is paused.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use anyscope_core::{Sleep, Timer};
use pin_project_lite::pin_project;

use crate::Tokio;

impl Timer for Tokio {
    type Sleep = TokioSleep;

    fn sleep_until(&self, deadline: Instant) -> TokioSleep {
        let _context = self.handle.enter();
        TokioSleep {
            sleep: tokio::time::sleep_until(deadline.into()),
        }
    }

    fn now(&self) -> Instant {
        let _context = self.handle.enter();
        tokio::time::Instant::now().into_std()
    }
}

pin_project! {
    /// tokio's `Sleep`.
    #[must_use = "futures do nothing unless awaited"]
    #[derive(Debug)]
    pub struct TokioSleep {
        #[pin]
        sleep: tokio::time::Sleep,
    }
}

impl Future for TokioSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().sleep.poll(cx)
    }
}

impl Sleep for TokioSleep {
    fn reset(self: Pin<&mut Self>, deadline: Instant) {
        self.project().sleep.reset(deadline.into());
    }
}
