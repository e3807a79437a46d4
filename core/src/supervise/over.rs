//! `WaitOver`: how a supervisor learns that a grace period around it has ended (V7).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::group::{Node, WatchKey};

/// Ready once a grace period that a group was in has ended.
pub(super) struct WaitOver {
    node: Arc<Node>,
    slot: Option<WatchKey>,
}

impl WaitOver {
    pub(super) fn new(node: Arc<Node>) -> Self {
        Self { node, slot: None }
    }
}

impl Future for WaitOver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.node.watch(&mut this.slot, cx);
        if this.node.is_grace_over() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for WaitOver {
    fn drop(&mut self) {
        self.node.unwatch(self.slot.take());
    }
}
