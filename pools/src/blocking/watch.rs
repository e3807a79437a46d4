//! A watch: how a pool learns that its native runtime is shut down.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Weak;
use std::task::{Context, Poll};

use crate::blocking::queue::Shared;

/// A future that a native runtime keeps as a task of its own: it is ready when the pool is gone. Dropping it
/// before that says that the runtime is shut down: the jobs in the queue are dropped, and so is each that
/// comes later. It does not keep the pool.
#[must_use = "dropping a watch drops the jobs in the queue"]
pub struct Watch {
    shared: Weak<Shared>,
}

impl Watch {
    pub(crate) fn new(shared: Weak<Shared>) -> Self {
        Self { shared }
    }
}

impl Future for Watch {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(shared) = self.shared.upgrade() else {
            return Poll::Ready(());
        };
        let fresh = cx.waker().clone();
        let old = shared.lock().watch.replace(fresh);
        drop(old);
        Poll::Pending
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.shut_down();
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}
