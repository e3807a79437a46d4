//! The time of a group: its deadline, which may be moved, and its grace period.

use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::cancel::CauseKind;
use crate::group::info::GroupInfo;
use crate::group::state::node::{Node, Owner};
use crate::group::state::table::UnitKey;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, OnceLock, lock, wake};
use crate::task::TaskInfo;
use crate::unhandled::{self, UnhandledKind};

pub(crate) struct Time {
    /// Between the telling and the dropping of tasks (C3).
    grace: Option<Duration>,
    /// The group's own (D2).
    deadline: Mutex<Option<Instant>>,
    /// Whether there was ever a deadline: keeps the lock out of each poll. Set before the group's
    /// future is woken, which orders it. Relaxed.
    has_deadline: AtomicBool,
    /// When the grace period is over; set by whoever first measures it.
    grace_ends: OnceLock<Instant>,
    /// Who had not ended by then, for the group's error.
    overdue: Mutex<Vec<TaskInfo>>,
}

impl Time {
    pub(super) fn new(grace: Option<Duration>) -> Self {
        Self {
            grace,
            deadline: Mutex::new(None),
            has_deadline: AtomicBool::new(false),
            grace_ends: OnceLock::new(),
            overdue: Mutex::new(Vec::new()),
        }
    }

    pub(super) fn has_grace(&self) -> bool {
        self.grace.is_some()
    }
}

/// What the passing of time means for a group.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alarm {
    Deadline(Instant),
    GraceEnds(Instant),
}

impl Alarm {
    pub(crate) fn at(self) -> Instant {
        match self {
            Self::Deadline(at) | Self::GraceEnds(at) => at,
        }
    }
}

impl Node {
    /// The deadline in force: the earliest of its own and those of the groups around it (D3). Those
    /// outside a shield are not in force (C4).
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let mut earliest = self.own_deadline();
        let mut above = self.unshielded_parent();
        while let Some(node) = above {
            earliest = earliest.into_iter().chain(node.own_deadline()).min();
            above = node.unshielded_parent();
        }
        earliest
    }

    pub(crate) fn own_deadline(&self) -> Option<Instant> {
        match self.time.has_deadline.load(Ordering::Relaxed) {
            true => *lock(&self.time.deadline),
            false => None,
        }
    }

    /// Sets the deadline, before or after the group has begun.
    pub(crate) fn set_deadline(&self, at: Option<Instant>) {
        *lock(&self.time.deadline) = at;
        self.time.has_deadline.store(true, Ordering::Relaxed);
        self.wake_owner();
    }

    /// What the group's future must wait for, besides its tasks.
    pub(crate) fn next_alarm(&self, after: impl FnOnce(Duration) -> Instant) -> Option<Alarm> {
        if self.cancelled.get().is_none() {
            return self.own_deadline().map(Alarm::Deadline);
        }
        let grace = self.time.grace.filter(|_| !self.is_hard())?;
        let ends = &self.time.grace_ends;
        if ends.get().is_none() {
            // Whoever else measures it at this moment may have set it; one of the two stays.
            let _ = ends.set(after(grace));
        }
        ends.get().copied().map(Alarm::GraceEnds)
    }

    /// `whose` is this group.
    pub(crate) fn ring(&self, alarm: Alarm, whose: GroupInfo) {
        match alarm {
            Alarm::Deadline(_) => self.cancel(CauseKind::Deadline(whose).into()),
            Alarm::GraceEnds(_) => self.harden(),
        }
    }

    /// Has the group's future polled, or the body in it.
    pub(super) fn wake_owner(&self) {
        match self.take_owner_waker() {
            Some(waker) => wake(waker),
            None => self.wake_unit(UnitKey::FIRST),
        }
    }

    pub(super) fn take_owner_waker(&self) -> Option<Waker> {
        match &mut *lock(&self.owner) {
            Owner::Awaited(waker) => waker.take(),
            Owner::Gone => None,
        }
    }

    pub(crate) fn add_overdue(&self, late: Vec<TaskInfo>) {
        lock(&self.time.overdue).extend(late);
    }

    pub(crate) fn take_overdue(&self) -> Vec<TaskInfo> {
        std::mem::take(&mut *lock(&self.time.overdue))
    }

    /// Reports what nobody came to take (C9).
    pub(super) fn report_leftovers(&self) {
        self.core.report_leftovers();
        report_overdue(&self.take_overdue());
    }

    fn unshielded_parent(&self) -> Option<Arc<Node>> {
        let link = lock(&self.parent);
        link.as_ref().filter(|link| !link.is_shielded()).map(|link| link.parent.clone())
    }
}

/// For want of an error that could name them.
pub(crate) fn report_overdue(late: &[TaskInfo]) {
    for task in late {
        unhandled::report_text(UnhandledKind::Overdue, Some(task), "");
    }
}
