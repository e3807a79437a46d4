//! `Watch`: somebody who waits for what becomes of a group, other than its end.

use std::sync::Arc;
use std::task::{Context, Poll};

use crate::group::state::node::Node;
use crate::group::state::table::{UnitKey, WatchKey};
use crate::sync::{drop_waker, lock};

/// Waits for a cancellation, for the end of a grace period, or for a root to be idle.
pub(crate) struct Watch {
    node: Arc<Node>,
    unit: UnitKey,
    /// While its waker is in the table of the group.
    key: Option<WatchKey>,
}

impl Watch {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        Self::of_unit(node, UnitKey::NOBODY)
    }

    /// That is told of a cancellation of this unit alone as well.
    pub(crate) fn of_unit(node: Arc<Node>, unit: UnitKey) -> Self {
        Self { node, unit, key: None }
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// What `look` finds. Who brings it about takes the wakers afterwards, and this looks after it has left
    /// one.
    pub(crate) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        look: impl FnOnce(&Arc<Node>) -> Option<T>,
    ) -> Poll<T> {
        let fresh = cx.waker().clone();
        let old = lock(&self.node.table).watch(self.unit, &mut self.key, fresh);
        drop_waker(old);
        look(&self.node).map_or(Poll::Pending, Poll::Ready)
    }

    /// Waits no more.
    pub(crate) fn stop(&mut self) {
        let old = self.key.take().and_then(|key| lock(&self.node.table).unwatch(key));
        drop_waker(old);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop();
    }
}
