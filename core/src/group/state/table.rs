//! The table of a group's live units: who can be cancelled, and how each is reached.

use std::collections::{BTreeMap, HashMap};
use std::mem::take;
use std::panic::Location;
use std::sync::{Arc, Weak};
use std::task::Waker;

use crate::cancel::CancelCause;
use crate::carried::Carried;
use crate::group::state::limit::Limiter;
use crate::group::state::live::LiveTask;
use crate::group::state::node::Node;
use crate::group::state::record::{Extra, MarkedId, Slot, UnitRecord};
use crate::group::state::slab::Slab;
use crate::job::{Job, Pool, RunJob};
use crate::protect::{Cover, ShieldState};
use crate::sync::WakerId;
use crate::task::{TaskId, TaskInfo};

/// Where a unit (the body, a task, a job) stands in its group's table. Reused after its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct UnitKey(pub(super) u32);

impl UnitKey {
    /// Stands for the opener of a group that was opened outside any unit.
    pub(crate) const NOBODY: Self = Self(u32::MAX);
    /// Of the body, which enters first; reused after its end.
    pub(crate) const FIRST: Self = Self(0);

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Where an inner group stands in the table of the one that encloses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ScopeKey(pub(super) u32);

/// Everything that a cancellation must reach. Guarded by one lock of the group, under which only
/// code of this folder runs.
#[derive(Default)]
pub(crate) struct Table {
    /// Live units and open inner groups, except a body that is not waited for any more. A root has one
    /// for itself. Once it is zero nobody is let in any more (G10).
    pub(super) count: usize,
    /// How many of them are background tasks and inner groups of such (G19).
    pub(super) in_background: usize,
    pub(super) units: Slab<UnitRecord>,
    /// Inner groups that are still open.
    pub(super) scopes: Slab<Inner>,
    /// Jobs, to be revoked if they have not been started, each where its unit stands in `units`.
    jobs: Vec<Option<Weak<dyn RunJob>>>,
    /// Rare things of a unit, so that the common unit stays small.
    pub(super) extras: HashMap<UnitKey, Extra>,
    /// Those who wait for the cancellation of a group, or for a root to be idle.
    watchers: BTreeMap<WatchKey, Waker>,
    /// Never reused: a watcher that was woken may come back with its old key.
    next_watch: u64,
    /// Jobs that were given up and have not ended, and a body that was left.
    pub(super) given_up: usize,
    /// Who is cancelled when the others have ended (G19).
    pub(super) background: BTreeMap<UnitKey, TaskId>,
    /// At least so many of them have been: where that is all, nobody looks for them again.
    pub(super) retired: usize,
    /// Of a group with a limit (G18).
    pub(crate) limiter: Option<Box<Limiter>>,
}

/// An inner group as the enclosing one knows it.
pub(crate) struct Inner {
    pub(super) node: Weak<Node>,
    pub(super) opener: UnitKey,
    /// The shield that it was opened in.
    pub(super) shield: Option<Arc<ShieldState>>,
    /// Opened by a background task (G19).
    pub(super) in_background: bool,
}

/// Names one watcher: whose own cancellation it waits for as well, or `NOBODY`, and a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WatchKey(UnitKey, u64);

/// All that a cancellation has to wake, revoke and pass on.
pub(crate) struct Signals {
    pub(crate) wakers: Vec<Waker>,
    pub(crate) jobs: Vec<Weak<dyn RunJob>>,
    pub(crate) scopes: Vec<Weak<Node>>,
}

impl Table {
    /// With one count that is somebody's already.
    pub(crate) fn with_limit(limit: Option<usize>) -> Self {
        let limiter = limit.map(|limit| Box::new(Limiter::new(limit)));
        Self { count: 1, limiter, ..Self::default() }
    }

    pub(crate) fn insert(&mut self, info: TaskInfo) -> UnitKey {
        let key = self.insert_unnamed(info.id, info.location);
        if info.name.is_some() {
            self.extras.entry(key).or_default().name = info.name;
        }
        key
    }

    #[inline]
    pub(super) fn insert_unnamed(
        &mut self,
        id: TaskId,
        location: &'static Location<'static>,
    ) -> UnitKey {
        let unit = UnitRecord { slot: Slot::NoWaker(None), id: MarkedId::new(id), location };
        UnitKey(self.units.insert(unit))
    }

    /// Whether it knows nothing of its units but who they are and how each is reached.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.extras.is_empty()
            && self.jobs.is_empty()
            && self.background.is_empty()
            && self.limiter.is_none()
    }

    pub(crate) fn info(&self, key: UnitKey) -> Option<TaskInfo> {
        let unit = self.units.get(key.0)?;
        let name = self.extras.get(&key).and_then(|extra| extra.name.clone());
        Some(TaskInfo { id: unit.id.get(), name, location: unit.location })
    }

    /// All live units.
    pub(crate) fn infos(&self) -> Vec<TaskInfo> {
        let all = self.units.iter().map(|(key, unit)| (UnitKey(key), unit));
        let live = all.filter(|(key, unit)| self.counts(*key, unit));
        live.filter_map(|(key, _)| self.info(key)).collect()
    }

    /// All live units, and how each stands.
    pub(crate) fn live(&self) -> Vec<(UnitKey, LiveTask)> {
        let look = |(key, unit): (u32, &UnitRecord)| {
            let key = UnitKey(key);
            if !self.counts(key, unit) {
                return None;
            }
            let task = LiveTask {
                info: self.info(key)?,
                is_body: false,
                is_queued: self.limiter.as_ref().is_some_and(|limiter| limiter.is_queued(key)),
                is_shielded: self.cover(key).is_some_and(|cover| cover.is_active()),
                waker: WakerId::of(unit.slot.waker().unwrap_or(Waker::noop())),
            };
            Some((key, task))
        };
        self.units.iter().filter_map(look).collect()
    }

    /// Whether it is one that its group has yet to wait for.
    fn counts(&self, key: UnitKey, unit: &UnitRecord) -> bool {
        !unit.id.has_ended() && !self.is_given_up(key)
    }

    pub(super) fn is_given_up(&self, key: UnitKey) -> bool {
        self.given_up > 0 && self.extras.get(&key).is_some_and(|extra| extra.is_given_up)
    }

    /// Inner groups that are still open, and which unit opened each.
    pub(crate) fn inner(&self) -> Vec<(Weak<Node>, UnitKey)> {
        self.scopes.iter().map(|(_, scope)| (scope.node.clone(), scope.opener)).collect()
    }

    pub(crate) fn is_live(&self, key: UnitKey, id: TaskId) -> bool {
        self.units.get(key.0).is_some_and(|unit| unit.id.get() == id && !unit.id.has_ended())
    }

    /// The handle of the unit was dropped.
    pub(crate) fn mark_handle_gone(&mut self, key: UnitKey, id: TaskId) -> bool {
        let unit = self.units.get_mut(key.0).filter(|unit| unit.id.get() == id);
        unit.map(|unit| unit.id.mark_unseen()).is_some()
    }

    /// Why the unit was cancelled alone; with an id, if it is still that one and has not ended.
    pub(crate) fn own_cause(&self, key: UnitKey, id: Option<TaskId>) -> Option<CancelCause> {
        if id.is_some_and(|id| !self.is_live(key, id)) {
            return None;
        }
        match &self.units.get(key.0)?.slot {
            Slot::NoWaker(Some(single)) => Some(single.cause.clone()),
            _ => None,
        }
    }

    /// Whether the unit needs no other waker than it has; none if it is gone.
    pub(crate) fn is_parked_with(&self, key: UnitKey, waker: &Waker) -> bool {
        let is_same = |own: &Waker| own.will_wake(waker);
        self.units.get(key.0).is_none_or(|unit| unit.slot.waker().is_some_and(is_same))
    }

    /// Parks the unit and gives back the waker that is no longer needed.
    pub(crate) fn park(&mut self, key: UnitKey, waker: Waker) -> Option<Waker> {
        match self.units.get_mut(key.0) {
            Some(unit) => unit.slot.replace_waker(Some(waker)),
            None => Some(waker),
        }
    }

    /// Keeps a job until it has a place; gives it back if it has, or has ended already.
    pub(crate) fn hold(&mut self, key: UnitKey, id: TaskId, pool: Pool, job: Job) -> Option<Job> {
        match &mut self.limiter {
            Some(limiter) if self.units.get(key.0).is_some_and(|u| u.id.get() == id) => {
                limiter.hold(key, pool, job)
            }
            _ => Some(job),
        }
    }

    /// What protects the unit, if anything does.
    pub(crate) fn cover(&self, key: UnitKey) -> Option<Arc<Cover>> {
        self.extras.get(&key)?.cover.clone()
    }

    /// What protects the unit; made if there is none yet. Whether it was made.
    pub(crate) fn make_cover(&mut self, key: UnitKey) -> (Arc<Cover>, bool) {
        if !self.units.contains(key.0) {
            return (Arc::default(), false);
        }
        let cover = &mut self.extras.entry(key).or_default().cover;
        let made = cover.is_none();
        (cover.get_or_insert_default().clone(), made)
    }

    pub(crate) fn carry(&mut self, key: UnitKey, carried: Carried) {
        self.extras.entry(key).or_default().carried = carried;
    }

    pub(crate) fn carried_by(&self, key: UnitKey, id: Option<TaskId>) -> Option<Carried> {
        let unit = self.units.get(key.0)?;
        let is_it = id.is_none_or(|id| unit.id.get() == id);
        is_it.then(|| self.extras.get(&key).map(|extra| extra.carried.clone()))?
    }

    /// To be dropped outside the lock.
    pub(super) fn take_carried(&mut self, key: UnitKey) -> Carried {
        self.extras.get_mut(&key).map(|extra| take(&mut extra.carried)).unwrap_or_default()
    }

    /// Takes the waker of a unit.
    pub(crate) fn take_waker(&mut self, key: UnitKey) -> Option<Waker> {
        self.units.get_mut(key.0)?.slot.take_waker()
    }

    pub(crate) fn add_job(&mut self, key: UnitKey, job: Weak<dyn RunJob>) {
        let at = key.0 as usize;
        if self.jobs.len() <= at {
            self.jobs.resize(at + 1, None);
        }
        self.jobs[at] = Some(job);
    }

    pub(super) fn job(&self, key: UnitKey) -> Option<Weak<dyn RunJob>> {
        self.jobs.get(key.0 as usize)?.clone()
    }

    pub(super) fn forget_job(&mut self, key: UnitKey) {
        if let Some(job) = self.jobs.get_mut(key.0 as usize) {
            *job = None;
        }
    }

    /// The inner groups whose shield has ended.
    pub(crate) fn uncovered(&mut self) -> Vec<Weak<Node>> {
        let mut freed = Vec::new();
        for scope in self.scopes.values_mut() {
            let ended = |shield: &mut Arc<ShieldState>| !shield.is_active();
            if scope.shield.take_if(ended).is_some() {
                freed.push(scope.node.clone());
            }
        }
        freed
    }

    /// Adds a watcher of the group, and of this unit; or gives it another waker. Hands back the waker that
    /// it had.
    pub(crate) fn watch(
        &mut self,
        unit: UnitKey,
        slot: &mut Option<WatchKey>,
        waker: Waker,
    ) -> Option<Waker> {
        let key = *slot.get_or_insert_with(|| {
            self.next_watch += 1;
            WatchKey(unit, self.next_watch)
        });
        self.watchers.insert(key, waker)
    }

    pub(crate) fn unwatch(&mut self, key: WatchKey) -> Option<Waker> {
        self.watchers.remove(&key)
    }

    /// Takes all that a cancellation must reach. Units stay; their slots are fresh again.
    pub(crate) fn signals(&mut self) -> Signals {
        let mut wakers = self.take_watchers();
        wakers.extend(self.take_wakers());
        let jobs = take(&mut self.jobs).into_iter().flatten().collect();
        Signals { wakers, jobs, scopes: self.unshielded() }
    }

    /// Those of the units.
    pub(super) fn take_wakers(&mut self) -> impl Iterator<Item = Waker> {
        self.units.values_mut().filter_map(|unit| unit.slot.take_waker())
    }

    /// The inner groups that no shield protects.
    pub(super) fn unshielded(&self) -> Vec<Weak<Node>> {
        let is_shielded = |scope: &Inner| scope.shield.as_ref().is_some_and(|g| g.is_active());
        let scopes = self.scopes.iter().filter(|(_, scope)| !is_shielded(scope));
        scopes.map(|(_, scope)| scope.node.clone()).collect()
    }

    pub(crate) fn take_watchers(&mut self) -> Vec<Waker> {
        take(&mut self.watchers).into_values().collect()
    }

    /// Those of one unit alone.
    pub(crate) fn take_watchers_of(&mut self, unit: UnitKey) -> Vec<Waker> {
        let all = WatchKey(unit, 0)..=WatchKey(unit, u64::MAX);
        let keys: Vec<_> = self.watchers.range(all).map(|(key, _)| *key).collect();
        keys.iter().filter_map(|key| self.watchers.remove(key)).collect()
    }
}
