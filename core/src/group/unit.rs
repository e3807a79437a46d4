//! One live unit of a group: the body, a task or a job.

use std::panic::Location;
use std::sync::Arc;
use std::task::Waker;

use crate::cancel::CancelCause;
use crate::group::node::Node;
use crate::group::table::UnitKey;
use crate::protect::Cover;
use crate::task::{Output, TaskId, TaskInfo};

/// One live unit of a group: the right and the duty to end it.
pub(crate) struct Unit {
    node: Arc<Node>,
    key: UnitKey,
    progress: Progress,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Waits for a place in a group with a limit (G18).
    Queued,
    /// Not polled yet: a cancellation drops it, in a grace period too (G11).
    Fresh,
    Running,
    /// Was suspended before: its waker is most likely in the table.
    Parked,
}

impl Unit {
    /// Whoever makes it has counted it.
    pub(crate) fn new(node: Arc<Node>, key: UnitKey) -> Self {
        Self { node, key, progress: Progress::Fresh }
    }

    pub(super) fn entered(node: Arc<Node>, key: UnitKey, queued: bool) -> Self {
        let progress = if queued { Progress::Queued } else { Progress::Fresh };
        Self { node, key, progress }
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    pub(crate) fn key(&self) -> UnitKey {
        self.key
    }

    /// A second reference, to look at or for the context of a job; only one may end the unit.
    pub(crate) fn share(&self) -> Self {
        Self { node: self.node.clone(), key: self.key, progress: self.progress }
    }

    /// Whether both are of the same unit.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.key == other.key && Arc::ptr_eq(&self.node, &other.node)
    }

    pub(crate) fn cause(&self) -> Option<CancelCause> {
        self.node.cause_for(self.key)
    }

    /// Why its future is to be dropped now: it was cancelled, is not within a grace period, and no
    /// shield is active (C1, C3, C4).
    pub(crate) fn due(&self) -> Option<CancelCause> {
        let cause = match self.progress {
            Progress::Running | Progress::Parked => self.node.cutting_cause(self.key),
            Progress::Queued | Progress::Fresh => self.node.cause_for(self.key),
        }?;
        let cover = self.node.cover_of(self.key);
        (!cover.is_some_and(|cover| cover.is_active())).then_some(cause)
    }

    /// Why its future is to be dropped instead of polled. One that waits for a place leaves its waker
    /// first.
    pub(crate) fn due_before(&mut self, waker: &Waker) -> Option<CancelCause> {
        match self.progress {
            Progress::Queued => self.park(waker),
            _ => self.due(),
        }
    }

    /// Leaves the waker of the suspended unit. Gives the cause if it is to be dropped now.
    pub(crate) fn park(&mut self, waker: &Waker) -> Option<CancelCause> {
        match self.progress {
            Progress::Parked => self.node.park_again(self.key, waker),
            _ => self.node.park(self.key, waker),
        }
        if self.progress == Progress::Running {
            self.progress = Progress::Parked;
        }
        self.due()
    }

    /// Whether it may be polled: it may once it has a place (G18). Its waker must be parked.
    pub(crate) fn may_run(&mut self) -> bool {
        match self.progress {
            Progress::Queued if self.node.is_queued(self.key) => return false,
            Progress::Queued | Progress::Fresh => self.progress = Progress::Running,
            Progress::Running | Progress::Parked => {}
        }
        true
    }

    /// Goes on as one that has been polled.
    pub(crate) fn running(self) -> Self {
        Self { progress: Progress::Running, ..self }
    }

    /// Takes over the duty to give the body's count back. Whether it was not given back yet.
    pub(crate) fn claim_body(&self) -> bool {
        self.node.claim_body()
    }

    /// What protects it, made on first use.
    pub(crate) fn cover(&self) -> Arc<Cover> {
        self.node.make_cover(self.key)
    }

    /// What is to be cleaned up after it, if anything is.
    #[inline]
    pub(crate) fn cleanups(&self) -> Option<Arc<Cover>> {
        if !self.node.has_covers() {
            return None;
        }
        self.node.cover_of(self.key).filter(|cover| cover.has_cleanups())
    }

    /// Has it polled, where a cancellation or a timeout in it waited for a shield that has ended
    /// elsewhere.
    pub(crate) fn wake(&self) {
        self.node.wake_unit(self.key);
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
        self.node.leave(self.key);
    }

    /// A task has ended, with its output still in hand: dropped here if its handle is gone, because
    /// the native runtime would drop it only after the group may have returned.
    pub(crate) fn end_with<T>(self, output: Output<T>) -> Output<T> {
        if !self.node.minds_outputs::<T>() {
            self.node.leave(self.key);
            return output;
        }
        if self.node.leave_if_seen(self.key) {
            return output;
        }
        drop(output);
        self.node.leave(self.key);
        Output::nothing()
    }

    /// The body has ended. Its count may have been given back already.
    pub(crate) fn end_body(self) {
        match self.node.claim_body() {
            true => self.node.leave(self.key),
            false => self.node.remove(self.key),
        }
    }
}
