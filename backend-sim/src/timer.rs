//! `Timer`: timers by the virtual clock.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use anyscope_core::{Sleep, Timer};

use crate::Sim;
use crate::scheduler::Shared;
use crate::state::TimerKey;

impl Timer for Sim {
    type Sleep = SimSleep;

    fn sleep_until(&self, deadline: Instant) -> SimSleep {
        SimSleep { shared: self.shared.clone(), deadline, key: None }
    }

    /// The virtual clock's time.
    fn now(&self) -> Instant {
        self.shared.lock().now
    }
}

/// A timer by the virtual clock.
#[must_use = "futures do nothing unless awaited"]
pub struct SimSleep {
    shared: Arc<Shared>,
    deadline: Instant,
    key: Option<TimerKey>,
}

impl SimSleep {
    fn unset(&mut self) {
        let waker = self.key.take().and_then(|key| self.shared.unset_timer(key));
        drop(waker);
    }
}

impl Future for SimSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.shared.lock().now >= self.deadline {
            self.unset();
            return Poll::Ready(());
        }
        let (key, old) = self.shared.set_timer(self.key, self.deadline, cx.waker().clone());
        self.key = Some(key);
        drop(old);
        Poll::Pending
    }
}

impl Sleep for SimSleep {
    fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
        self.unset();
        self.deadline = deadline;
    }
}

impl Drop for SimSleep {
    fn drop(&mut self) {
        self.unset();
    }
}

impl std::fmt::Debug for SimSleep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = self.deadline.saturating_duration_since(self.shared.start);
        f.debug_struct("SimSleep").field("at", &at).finish_non_exhaustive()
    }
}
