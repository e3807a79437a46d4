//! One live unit of a group: the body, a task or a job.

use std::panic::Location;
use std::sync::Arc;
use std::task::Waker;

use crate::cancel::CancelCause;
use crate::carried::Carried;
use crate::group::state::leaving::GivenUp;
use crate::group::state::node::Node;
use crate::group::state::table::UnitKey;
use crate::protect::Cover;
use crate::task::{Output, TaskId, TaskInfo};

/// One live unit of a group: the right and the duty to end it.
///
/// Two words, which the compiler moves in registers.
pub(crate) struct Unit {
    node: Arc<Node>,
    standing: Standing,
}

/// The key in the upper half, the progress in the lower.
#[derive(Clone, Copy)]
struct Standing(u64);

impl Standing {
    #[inline]
    fn new(key: UnitKey, progress: Progress) -> Self {
        Self((u64::from(key.0) << 32) | progress as u64)
    }

    #[inline]
    fn key(self) -> UnitKey {
        UnitKey((self.0 >> 32) as u32)
    }

    #[inline]
    fn progress(self) -> Progress {
        match self.0 as u32 {
            0 => Progress::Queued,
            1 => Progress::Fresh,
            2 => Progress::Running,
            _ => Progress::Parked,
        }
    }
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

/// A unit beside its future, or the place of one that is under way. Of the values that a progress never
/// has the compiler makes those that say that there is no future (`Driven`).
pub(crate) struct Resting {
    node: Option<Arc<Node>>,
    key: UnitKey,
    progress: Progress,
}

impl Resting {
    #[inline]
    pub(crate) fn new(unit: Unit) -> Self {
        let (key, progress) = (unit.key(), unit.standing.progress());
        Self { node: Some(unit.node), key, progress }
    }

    /// `None` while it is under way.
    pub(crate) fn node(&self) -> Option<&Arc<Node>> {
        self.node.as_ref()
    }

    #[inline]
    pub(crate) fn take(&mut self) -> Option<Unit> {
        let standing = Standing::new(self.key, self.progress);
        self.node.take().map(|node| Unit { node, standing })
    }

    /// Puts the same unit back.
    #[inline]
    pub(crate) fn put(&mut self, unit: Unit) {
        self.progress = unit.standing.progress();
        self.node = Some(unit.node);
    }
}

impl Unit {
    /// Whoever makes it has counted it.
    #[inline]
    pub(crate) fn new(node: Arc<Node>, key: UnitKey) -> Self {
        Self { node, standing: Standing::new(key, Progress::Fresh) }
    }

    pub(super) fn entered(node: Arc<Node>, key: UnitKey, queued: bool) -> Self {
        let progress = if queued { Progress::Queued } else { Progress::Fresh };
        Self { node, standing: Standing::new(key, progress) }
    }

    #[inline]
    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    #[inline]
    pub(crate) fn key(&self) -> UnitKey {
        self.standing.key()
    }

    #[inline]
    fn set(&mut self, progress: Progress) {
        self.standing = Standing::new(self.key(), progress);
    }

    /// A second reference, to look at or for the context of a job; only one may end the unit.
    pub(crate) fn share(&self) -> Self {
        Self { node: self.node.clone(), standing: self.standing }
    }

    /// Whether both are of the same unit.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.key() == other.key() && Arc::ptr_eq(&self.node, &other.node)
    }

    pub(crate) fn cause(&self) -> Option<CancelCause> {
        self.node.cause_for(self.key())
    }

    /// Why its future is to be dropped now: it was cancelled, is not within a grace period, and no
    /// shield is active (C1, C3, C4).
    #[inline]
    pub(crate) fn due(&self) -> Option<CancelCause> {
        if !self.node.knows_a_cause() {
            return None;
        }
        let has_begun = matches!(self.standing.progress(), Progress::Running | Progress::Parked);
        self.node.due(self.key(), has_begun)
    }

    /// Why its future is to be dropped instead of polled. One that waits for a place leaves its waker
    /// first.
    #[inline]
    pub(crate) fn due_before(&mut self, waker: &Waker) -> Option<CancelCause> {
        match self.standing.progress() {
            Progress::Queued => self.park(waker),
            _ => self.due(),
        }
    }

    /// Leaves the waker of the suspended unit. Gives the cause if it is to be dropped now.
    #[inline]
    pub(crate) fn park(&mut self, waker: &Waker) -> Option<CancelCause> {
        match self.standing.progress() {
            Progress::Parked => self.node.park_again(self.key(), waker),
            _ => self.node.park(self.key(), waker),
        }
        if self.standing.progress() == Progress::Running {
            self.set(Progress::Parked);
        }
        self.due()
    }

    /// Whether it may be polled: it may once it has a place (G18). Its waker must be parked.
    #[inline]
    pub(crate) fn may_run(&mut self) -> bool {
        match self.standing.progress() {
            Progress::Queued if self.node.is_queued(self.key()) => return false,
            Progress::Queued | Progress::Fresh => self.set(Progress::Running),
            Progress::Running | Progress::Parked => {}
        }
        true
    }

    /// Goes on as one that has been polled.
    pub(crate) fn running(mut self) -> Self {
        self.set(Progress::Running);
        self
    }

    /// Gives it what it carries (X4), before it starts.
    #[inline]
    pub(crate) fn carry(&self, carried: Carried) {
        if !carried.is_empty() {
            self.node.carry(self.key(), carried);
        }
    }

    pub(crate) fn carried(&self) -> Carried {
        self.node.carried_by(self.key(), None)
    }

    /// Takes over the duty to give the body's count back. Whether it was not given back yet.
    pub(crate) fn claim_body(&self) -> bool {
        self.node.claim_body()
    }

    /// What protects it, made on first use.
    pub(crate) fn cover(&self) -> Arc<Cover> {
        self.node.make_cover(self.key())
    }

    /// Whether it is worth looking for `cleanups`.
    #[inline]
    pub(crate) fn may_have_cleanups(&self) -> bool {
        self.node.has_covers()
    }

    /// What is to be cleaned up after it, if anything is.
    #[inline]
    pub(crate) fn cleanups(&self) -> Option<Arc<Cover>> {
        self.node.cover_of(self.key()).filter(|cover| cover.has_cleanups())
    }

    /// Has it polled, where a cancellation or a timeout in it waited for a shield that has ended
    /// elsewhere.
    pub(crate) fn wake(&self) {
        self.node.wake_unit(self.key());
    }

    /// What is known of it.
    pub(crate) fn info(&self) -> TaskInfo {
        self.node.info(self.key()).unwrap_or_else(|| TaskInfo {
            id: TaskId(0),
            name: None,
            location: Location::caller(),
        })
    }

    /// A job is about to hand over its value: what it carried is gone before.
    pub(crate) fn drop_carried(&self) {
        self.node.drop_carried(self.key());
    }

    /// A job is about to hand over its value: it looks ended, and has no place in a limit. `end` follows.
    pub(crate) fn vacate(&self) {
        self.node.vacate(self.key());
    }

    /// A task or job has ended: its future and callbacks are done with, and its output is stored
    /// elsewhere for its handle.
    pub(crate) fn end(self) {
        self.node.leave(self.key());
    }

    /// A task has ended, with its output still in hand: dropped here if its handle is gone, because
    /// the native runtime would drop it only after the group may have returned.
    #[inline]
    pub(crate) fn end_with<T>(self, output: Output<T>) -> Output<T> {
        let matters = self.node.minds_outputs::<T>();
        match self.end_unless_unseen(matters) {
            None => output,
            Some(unit) => unit.end_without(output),
        }
    }

    /// It comes back if its output `matters` and its handle is gone. A call, which an output does not go
    /// through.
    #[inline(never)]
    fn end_unless_unseen(self, matters: bool) -> Option<Self> {
        match self.node.leave_with_output(self.key(), matters) {
            true => None,
            false => Some(self),
        }
    }

    #[cold]
    fn end_without<T>(self, output: Output<T>) -> Output<T> {
        drop(output);
        self.node.leave(self.key());
        Output::nothing()
    }

    /// A job that goes on is waited for no longer (B3). Whoever ends it must say `end_given_up`.
    pub(crate) fn give_up_job(&self) -> GivenUp {
        self.node.give_up_job(self.key())
    }

    pub(crate) fn end_given_up(self) {
        self.node.remove(self.key());
    }

    /// The body has ended. Its count may have been given back already.
    pub(crate) fn end_body(self) {
        match self.node.claim_body() {
            true => self.node.leave(self.key()),
            false => self.node.remove(self.key()),
        }
    }
}
