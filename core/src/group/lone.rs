//! Lone groups: of one task or job each, which belongs to no other group (R6).

use std::convert::Infallible;
use std::sync::Arc;

use crate::group::core::Core;
use crate::group::ledger::Ledger;
use crate::group::spawning::task::start;
use crate::group::state::node::{Node, NodeOptions};
use crate::runtime::Runtime;
use crate::task::{NoCallback, TaskHandle, TaskInfo, TaskOutput};

/// A detached task is the only one of a group without a body, under the runtime's root (R6). Its
/// failure is a [`Fault::Lone`].
#[track_caller]
pub(crate) fn spawn_detached<R, F>(runtime: &R, future: F) -> TaskHandle<F::Value, R>
where
    R: Runtime,
    F: TaskOutput<Infallible> + Send + 'static,
    F::Value: Send + 'static,
{
    let info = TaskInfo::here();
    let (id, node) = (info.id, single(runtime));
    let unit = node.enter_first(info);
    node.leave_to(runtime.root().node());
    start::<R, Infallible, _, _>(runtime, unit, id, future, NoCallback)
}

/// A group for one task or job, whose panic is a value at its handle.
pub(crate) fn single<R: Runtime>(runtime: &R) -> Arc<Node> {
    single_with(runtime, NodeOptions::default())
}

/// The same for the task that drives an open group.
pub(super) fn driving<R: Runtime>(runtime: &R) -> Arc<Node> {
    single_with(runtime, NodeOptions { drives: true, ..NodeOptions::default() })
}

fn single_with<R: Runtime>(runtime: &R, options: NodeOptions) -> Arc<Node> {
    let ledger = Ledger::<Infallible>::lone(runtime.now());
    let node = Core::open(runtime.clone(), ledger, options);
    node.give_up();
    node
}
