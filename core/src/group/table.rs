//! The table of a group's live units: who can be cancelled, and how each is reached.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::Location;
use std::sync::{Arc, Weak};
use std::task::Waker;

use slab::Slab;

use crate::cancel::CancelCause;
use crate::group::node::Node;
use crate::runtime::RunJob;
use crate::task::{TaskId, TaskInfo};

/// Where a unit (the body, a task, a job) stands in its group's table. Reused after its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct UnitKey(u32);

impl UnitKey {
    /// Stands for the opener of a group that was opened outside any unit.
    pub(crate) const NOBODY: Self = Self(u32::MAX);
}

/// Where an inner group stands in the table of the one that encloses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ScopeKey(u32);

/// Everything that a cancellation must reach. Guarded by one lock of the group, under which only
/// the lines of this file run.
#[derive(Default)]
pub(crate) struct Table {
    units: Slab<Unit>,
    /// Inner groups that are still open, with the unit that opened each.
    scopes: Slab<(Weak<Node>, UnitKey)>,
    /// Jobs that have not been started: only these can be revoked.
    jobs: HashMap<UnitKey, Weak<dyn RunJob>>,
    /// Rare things of a unit, so that the common unit stays small.
    extras: HashMap<UnitKey, Extra>,
    /// Those who wait for the cancellation of a group, or for a root to be idle.
    watchers: BTreeMap<WatchKey, Waker>,
    /// Never reused: a watcher that was woken may come back with its old key.
    next_watch: WatchKey,
}

/// Names one watcher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WatchKey(u64);

/// What each live unit costs: 32 bytes.
struct Unit {
    slot: Slot,
    /// The id, and whether the handle is gone.
    id: MarkedId,
    location: &'static Location<'static>,
}

/// An id and a flag in its highest bit, which no id reaches.
struct MarkedId(u64);

impl MarkedId {
    const MARK: u64 = 1 << 63;

    fn new(id: TaskId) -> Self {
        Self(id.0)
    }

    fn get(&self) -> TaskId {
        TaskId(self.0 & !Self::MARK)
    }

    fn mark(&mut self) {
        self.0 |= Self::MARK;
    }

    fn is_marked(&self) -> bool {
        self.0 & Self::MARK != 0
    }
}

/// How a unit is reached.
enum Slot {
    /// The waker to call; one that does nothing if the unit has not been suspended yet, or was woken
    /// by a cancellation. Not a variant of its own, which would cost eight bytes.
    Wakes(Waker),
    /// Cancelled by itself, its siblings not (T6).
    Cancelled(CancelCause),
}

impl Slot {
    fn fresh() -> Self {
        Self::Wakes(Waker::noop().clone())
    }

    fn take_waker(&mut self) -> Option<Waker> {
        match self {
            Self::Wakes(waker) => Some(std::mem::replace(waker, Waker::noop().clone())),
            Self::Cancelled(_) => None,
        }
    }
}

#[derive(Default)]
struct Extra {
    name: Option<Arc<str>>,
    /// The inner groups that this unit opened and that are still open.
    opened: BTreeSet<ScopeKey>,
}

/// What `park` found.
pub(crate) enum Park {
    Parked,
    /// The slot needs a clone of the waker, to be made outside the lock.
    NeedsWaker,
    Cancelled(CancelCause),
}

/// What is left of a unit, to be dealt with outside the lock.
pub(crate) struct Removed {
    pub(crate) waker: Option<Waker>,
    pub(crate) was_cancelled: bool,
    /// Nobody will take the output: it must be dropped before the unit counts as ended.
    pub(crate) handle_gone: bool,
    pub(crate) abandoned: Vec<Weak<Node>>,
}

/// All that a cancellation has to wake, revoke and pass on.
pub(crate) struct Signals {
    pub(crate) wakers: Vec<Waker>,
    pub(crate) jobs: Vec<Weak<dyn RunJob>>,
    pub(crate) scopes: Vec<Weak<Node>>,
}

impl Table {
    pub(crate) fn insert(&mut self, info: TaskInfo) -> UnitKey {
        let unit =
            Unit { slot: Slot::fresh(), id: MarkedId::new(info.id), location: info.location };
        let key = UnitKey(index(self.units.insert(unit)));
        if info.name.is_some() {
            self.extras.entry(key).or_default().name = info.name;
        }
        key
    }

    pub(crate) fn info(&self, key: UnitKey) -> Option<TaskInfo> {
        let unit = self.units.get(key.0 as usize)?;
        let name = self.extras.get(&key).and_then(|extra| extra.name.clone());
        Some(TaskInfo { id: unit.id.get(), name, location: unit.location })
    }

    /// All live units.
    pub(crate) fn infos(&self) -> Vec<TaskInfo> {
        let keys = self.units.iter().map(|(key, _)| UnitKey(index(key)));
        keys.filter_map(|key| self.info(key)).collect()
    }

    pub(crate) fn is_live(&self, key: UnitKey, id: TaskId) -> bool {
        self.units.get(key.0 as usize).is_some_and(|unit| unit.id.get() == id)
    }

    /// The handle of the unit was dropped.
    pub(crate) fn mark_handle_gone(&mut self, key: UnitKey, id: TaskId) {
        let unit = self.units.get_mut(key.0 as usize).filter(|unit| unit.id.get() == id);
        if let Some(unit) = unit {
            unit.id.mark();
        }
    }

    pub(crate) fn own_cause(&self, key: UnitKey) -> Option<CancelCause> {
        match &self.units.get(key.0 as usize)?.slot {
            Slot::Cancelled(cause) => Some(cause.clone()),
            _ => None,
        }
    }

    pub(crate) fn is_parked_with(&self, key: UnitKey, waker: &Waker) -> Park {
        match self.units.get(key.0 as usize).map(|unit| &unit.slot) {
            Some(Slot::Wakes(old)) if old.will_wake(waker) => Park::Parked,
            Some(Slot::Cancelled(cause)) => Park::Cancelled(cause.clone()),
            _ => Park::NeedsWaker,
        }
    }

    /// Parks the unit and gives back the waker that is no longer needed.
    pub(crate) fn park(&mut self, key: UnitKey, waker: Waker) -> Waker {
        match self.units.get_mut(key.0 as usize).map(|unit| &mut unit.slot) {
            Some(Slot::Wakes(old)) => std::mem::replace(old, waker),
            None | Some(Slot::Cancelled(_)) => waker,
        }
    }

    /// Marks one unit as cancelled, once, and gives its waker.
    pub(crate) fn cancel_unit(
        &mut self,
        key: UnitKey,
        id: TaskId,
        cause: CancelCause,
    ) -> Option<Waker> {
        let unit = self.units.get_mut(key.0 as usize).filter(|unit| unit.id.get() == id)?;
        let waker = unit.slot.take_waker()?;
        unit.slot = Slot::Cancelled(cause);
        Some(waker)
    }

    pub(crate) fn remove(&mut self, key: UnitKey) -> Option<Removed> {
        let unit = self.units.try_remove(key.0 as usize)?;
        self.jobs.remove(&key);
        let opened = self.extras.remove(&key).map(|extra| extra.opened).unwrap_or_default();
        let abandoned =
            opened.iter().map(|scope| self.scopes[scope.0 as usize].0.clone()).collect();
        let (waker, was_cancelled) = match unit.slot {
            Slot::Wakes(waker) => (Some(waker), false),
            Slot::Cancelled(_) => (None, true),
        };
        Some(Removed { waker, was_cancelled, handle_gone: unit.id.is_marked(), abandoned })
    }

    pub(crate) fn add_job(&mut self, key: UnitKey, job: Weak<dyn RunJob>) {
        if self.units.contains(key.0 as usize) {
            self.jobs.insert(key, job);
        }
    }

    /// A started job can no longer be revoked.
    pub(crate) fn job_started(&mut self, key: UnitKey) {
        self.jobs.remove(&key);
    }

    pub(crate) fn add_scope(&mut self, scope: Weak<Node>, opener: UnitKey) -> ScopeKey {
        let key = ScopeKey(index(self.scopes.insert((scope, opener))));
        if self.units.contains(opener.0 as usize) {
            self.extras.entry(opener).or_default().opened.insert(key);
        }
        key
    }

    pub(crate) fn remove_scope(&mut self, key: ScopeKey) -> Option<Weak<Node>> {
        let (scope, opener) = self.scopes.try_remove(key.0 as usize)?;
        if let Some(extra) = self.extras.get_mut(&opener) {
            extra.opened.remove(&key);
            if extra.name.is_none() && extra.opened.is_empty() {
                self.extras.remove(&opener);
            }
        }
        Some(scope)
    }

    /// Adds a watcher, or gives it another waker; hands back the waker that it had.
    pub(crate) fn watch(&mut self, slot: &mut Option<WatchKey>, waker: Waker) -> Option<Waker> {
        let key = *slot.get_or_insert_with(|| {
            self.next_watch.0 += 1;
            self.next_watch
        });
        self.watchers.insert(key, waker)
    }

    pub(crate) fn unwatch(&mut self, key: WatchKey) -> Option<Waker> {
        self.watchers.remove(&key)
    }

    /// Takes all that a cancellation must reach. Units stay; their slots are fresh again.
    pub(crate) fn signals(&mut self) -> Signals {
        let mut wakers = self.take_watchers();
        for (_, unit) in &mut self.units {
            if let Some(waker) = unit.slot.take_waker() {
                wakers.push(waker);
            }
        }
        let jobs = self.jobs.drain().map(|(_, job)| job).collect();
        let scopes = self.scopes.iter().map(|(_, (scope, _))| scope.clone()).collect();
        Signals { wakers, jobs, scopes }
    }

    pub(crate) fn take_watchers(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.watchers).into_values().collect()
    }
}

/// Keys are kept in 32 bits: a group of 2^32 live units would not fit into memory.
fn index(key: usize) -> u32 {
    u32::try_from(key).expect("fewer than 2^32 live units in one group")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_costs_32_bytes() {
        assert_eq!(size_of::<Unit>(), 32);
    }
}
