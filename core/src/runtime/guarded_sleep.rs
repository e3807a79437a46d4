//! `GuardedSleep`: the runtime's timer inside something of ours.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::guarded::{GuardedWaker, poll_guarded};
use crate::panics::{catch, drop_payload};
use crate::runtime::Sleep;

pin_project! {
    /// A timer that never has a stranger's waker: a panic of that may abort the process (P3). One that panics
    /// itself belongs to a runtime that is gone, and counts as up: nobody would wake who waits for it (R1).
    pub(crate) struct GuardedSleep<S> {
        #[pin]
        sleep: S,
        guard: Option<Arc<GuardedWaker>>,
    }
}

impl<S: Sleep> GuardedSleep<S> {
    pub(crate) fn new(sleep: S) -> Self {
        Self { sleep, guard: None }
    }
}

impl<S: Sleep> Future for GuardedSleep<S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        match catch(|| poll_guarded(cx, this.guard, |cx| this.sleep.poll(cx))) {
            Ok(polled) => polled,
            Err(payload) => {
                drop_payload(payload);
                Poll::Ready(())
            }
        }
    }
}
