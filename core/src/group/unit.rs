//! One live unit of a group: the body, a task or a job.

use std::panic::Location;
use std::sync::Arc;
use std::task::Waker;

use crate::cancel::CancelCause;
use crate::group::node::Node;
use crate::group::table::UnitKey;
use crate::task::{Output, TaskId, TaskInfo};

/// One live unit of a group: the right and the duty to end it.
pub(crate) struct Unit {
    node: Arc<Node>,
    key: UnitKey,
}

impl Unit {
    /// Whoever makes it has counted it.
    pub(super) fn new(node: Arc<Node>, key: UnitKey) -> Self {
        Self { node, key }
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    pub(crate) fn key(&self) -> UnitKey {
        self.key
    }

    /// A second reference, for the context of a job; only one of the two may end it.
    pub(crate) fn share(&self) -> Self {
        Self { node: self.node.clone(), key: self.key }
    }

    pub(crate) fn cause(&self) -> Option<CancelCause> {
        self.node.cause_for(self.key)
    }

    pub(crate) fn park(&self, waker: &Waker) -> Option<CancelCause> {
        self.node.park(self.key, waker)
    }

    /// What is known of it.
    pub(crate) fn info(&self) -> TaskInfo {
        self.node.info(self.key).unwrap_or_else(|| TaskInfo {
            id: TaskId(0),
            name: None,
            location: Location::caller(),
        })
    }

    /// A task or job has ended: its future and callbacks are done with, and its output is stored
    /// elsewhere for its handle.
    pub(crate) fn end(self) {
        self.node.remove(self.key);
        self.node.release();
    }

    /// A task has ended, with its output still in hand: dropped here if its handle is gone, because
    /// the native runtime would drop it only after the group may have returned.
    pub(crate) fn end_with<T>(self, output: Output<T>) -> Output<T> {
        let output = match self.node.remove(self.key) {
            true => {
                drop(output);
                Output::nobodys()
            }
            false => output,
        };
        self.node.release();
        output
    }

    /// The body has ended. Its count may have been given back already.
    pub(crate) fn end_body(self) {
        self.node.remove(self.key);
        self.node.release_body();
    }
}
