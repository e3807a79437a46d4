//! Outputs whose handle is dropped after their task has ended and before the runtime has stored them (G1).

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::group::{Admission, Node, Unit};
use crate::runtime::{NativeHandle, Spawner};
use crate::task::{Output, TaskInfo};

/// Drops the output now, where it is there. Otherwise its group does not return before it is gone; if that
/// has ended already the root has it to wait for.
pub(super) fn drop_output<T, H>(node: &Arc<Node>, mut handle: H)
where
    T: Send + 'static,
    H: NativeHandle<Output<T>>,
{
    let stored = handle.poll_join(&mut Context::from_waker(Waker::noop()));
    let (Poll::Pending, Some(runtime)) = (stored, node.core().runtime()) else {
        return;
    };
    let own = node.enter_watch(TaskInfo::here());
    let root = || runtime.root().node().enter(TaskInfo::here(), Admission::Ordinary).ok();
    let waits = Waits(own.or_else(root));
    drop(runtime.start(async move {
        drop(poll_fn(|cx| handle.poll_join(cx)).await);
        drop(waits);
    }));
}

/// Somebody who is waited for as long as this is there.
struct Waits(Option<Unit>);

impl Drop for Waits {
    fn drop(&mut self) {
        if let Some(unit) = self.0.take() {
            unit.end();
        }
    }
}
