//! The table of a group's live units: who can be cancelled, and how each is reached.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::Location;
use std::sync::{Arc, Weak};
use std::task::Waker;

use slab::Slab;

use crate::cancel::CancelCause;
use crate::group::job::Pool;
use crate::group::limit::{Granted, Limiter};
use crate::group::live::LiveTask;
use crate::group::node::{Admission, Node};
use crate::protect::{CleanupRun, Cover, ExitKind, Guarded};
use crate::runtime::{Job, RunJob};
use crate::sync::WakerId;
use crate::task::{TaskId, TaskInfo};

/// Where a unit (the body, a task, a job) stands in its group's table. Reused after its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct UnitKey(u32);

impl UnitKey {
    /// Stands for the opener of a group that was opened outside any unit.
    pub(crate) const NOBODY: Self = Self(u32::MAX);
    /// Of the body, which enters first; reused after its end.
    pub(crate) const FIRST: Self = Self(0);
}

/// Where an inner group stands in the table of the one that encloses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ScopeKey(u32);

/// Everything that a cancellation must reach. Guarded by one lock of the group, under which only
/// the lines of this file run.
#[derive(Default)]
pub(crate) struct Table {
    units: Slab<Unit>,
    /// Inner groups that are still open.
    scopes: Slab<Inner>,
    /// Jobs, to be revoked if they have not been started, each where its unit stands in `units`.
    jobs: Vec<Option<Weak<dyn RunJob>>>,
    /// Rare things of a unit, so that the common unit stays small.
    extras: HashMap<UnitKey, Extra>,
    /// Those who wait for the cancellation of a group, or for a root to be idle.
    watchers: BTreeMap<WatchKey, Waker>,
    /// Never reused: a watcher that was woken may come back with its old key.
    next_watch: WatchKey,
    /// Who is cancelled when the others have ended (G19).
    background: BTreeMap<UnitKey, TaskId>,
    /// Of a group with a limit (G18).
    pub(crate) limiter: Option<Box<Limiter>>,
}

/// An inner group as the enclosing one knows it.
pub(crate) struct Inner {
    node: Weak<Node>,
    opener: UnitKey,
    /// The shield that it was opened in.
    guarded: Option<Arc<Guarded>>,
    /// Opened by a background task (G19).
    in_background: bool,
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
    /// Cancelled by itself, its siblings not (T6); with the waker of one that is shielded.
    Cancelled(Box<(CancelCause, Waker)>),
}

impl Slot {
    fn fresh() -> Self {
        Self::Wakes(Waker::noop().clone())
    }

    fn waker(&self) -> &Waker {
        match self {
            Self::Wakes(waker) => waker,
            Self::Cancelled(cancelled) => &cancelled.1,
        }
    }

    fn replace_waker(&mut self, fresh: Waker) -> Waker {
        let waker = match self {
            Self::Wakes(waker) => waker,
            Self::Cancelled(cancelled) => &mut cancelled.1,
        };
        std::mem::replace(waker, fresh)
    }

    fn take_waker(&mut self) -> Waker {
        self.replace_waker(Waker::noop().clone())
    }
}

#[derive(Default)]
struct Extra {
    name: Option<Arc<str>>,
    /// The inner groups that this unit opened and that are still open.
    opened: BTreeSet<ScopeKey>,
    cover: Option<Arc<Cover>>,
}

impl Extra {
    fn is_empty(&self) -> bool {
        self.name.is_none() && self.opened.is_empty() && self.cover.is_none()
    }
}

/// What `park` found.
pub(crate) enum Park {
    /// The waker is there, or the unit is gone.
    Parked,
    /// The slot needs a clone of the waker, to be made outside the lock.
    NeedsWaker,
}

/// What is left of a unit, to be dealt with outside the lock.
pub(crate) struct Removed {
    pub(crate) waker: Waker,
    pub(crate) was_cancelled: bool,
    /// Nobody will take the output: it must be dropped before the unit counts as ended.
    pub(crate) handle_gone: bool,
    pub(crate) was_background: bool,
    pub(crate) cover: Option<Arc<Cover>>,
    pub(crate) abandoned: Vec<Weak<Node>>,
    /// Who has its place now.
    pub(crate) granted: Granted,
}

/// All that a cancellation has to wake, revoke and pass on.
pub(crate) struct Signals {
    pub(crate) wakers: Vec<Waker>,
    pub(crate) jobs: Vec<Weak<dyn RunJob>>,
    pub(crate) scopes: Vec<Weak<Node>>,
}

impl Table {
    pub(crate) fn with_limit(limit: Option<usize>) -> Self {
        Self { limiter: limit.map(|limit| Box::new(Limiter::new(limit))), ..Self::default() }
    }

    /// Enters a unit and says whether it must wait for a place; `None` if it would have to, and
    /// does not want to.
    pub(crate) fn enter(
        &mut self,
        info: TaskInfo,
        admission: &Admission,
    ) -> Option<(UnitKey, bool)> {
        let full = self.limiter.as_ref().is_some_and(|limiter| limiter.is_full());
        if full && matches!(admission, Admission::IfFree) {
            return None;
        }
        let key = self.insert(info);
        let queued = match (&mut self.limiter, admission) {
            (Some(limiter), Admission::Ordinary | Admission::IfFree) => !limiter.admit(key),
            (Some(limiter), Admission::Reserved(ticket)) => {
                limiter.redeem(*ticket, key);
                false
            }
            _ => false,
        };
        Some((key, queued))
    }

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

    /// All live units, and how each stands.
    pub(crate) fn live(&self) -> Vec<(UnitKey, LiveTask)> {
        let look = |(key, unit): (usize, &Unit)| {
            let key = UnitKey(index(key));
            let task = LiveTask {
                info: self.info(key)?,
                is_body: false,
                is_queued: self.limiter.as_ref().is_some_and(|limiter| limiter.is_queued(key)),
                is_shielded: self.cover(key).is_some_and(|cover| cover.is_active()),
                waker: WakerId::of(unit.slot.waker()),
            };
            Some((key, task))
        };
        self.units.iter().filter_map(look).collect()
    }

    /// Inner groups that are still open, and which unit opened each.
    pub(crate) fn inner(&self) -> Vec<(Weak<Node>, UnitKey)> {
        self.scopes.iter().map(|(_, scope)| (scope.node.clone(), scope.opener)).collect()
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
            Slot::Cancelled(cancelled) => Some(cancelled.0.clone()),
            Slot::Wakes(_) => None,
        }
    }

    pub(crate) fn is_parked_with(&self, key: UnitKey, waker: &Waker) -> Park {
        match self.units.get(key.0 as usize).map(|unit| unit.slot.waker()) {
            Some(old) if !old.will_wake(waker) => Park::NeedsWaker,
            _ => Park::Parked,
        }
    }

    /// Parks the unit and gives back the waker that is no longer needed.
    pub(crate) fn park(&mut self, key: UnitKey, waker: Waker) -> Waker {
        match self.units.get_mut(key.0 as usize) {
            Some(unit) => unit.slot.replace_waker(waker),
            None => waker,
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
        let Slot::Wakes(waker) = &mut unit.slot else {
            return None;
        };
        let noop = Waker::noop().clone();
        let waker = std::mem::replace(waker, noop.clone());
        unit.slot = Slot::Cancelled(Box::new((cause, noop)));
        Some(waker)
    }

    pub(crate) fn remove(&mut self, key: UnitKey) -> Option<Removed> {
        let unit = self.units.try_remove(key.0 as usize)?;
        self.take_job(key);
        let Extra { opened, cover, .. } = self.extras.remove(&key).unwrap_or_default();
        let abandoned =
            opened.iter().map(|scope| self.scopes[scope.0 as usize].node.clone()).collect();
        let (waker, was_cancelled) = match unit.slot {
            Slot::Wakes(waker) => (waker, false),
            Slot::Cancelled(cancelled) => (cancelled.1, true),
        };
        Some(Removed {
            waker,
            was_cancelled,
            handle_gone: unit.id.is_marked(),
            was_background: self.background.remove(&key).is_some(),
            cover,
            abandoned,
            granted: self.leave_limit(key),
        })
    }

    /// Keeps a job until it has a place; gives it back if it has, or has ended already.
    pub(crate) fn hold(&mut self, key: UnitKey, id: TaskId, pool: Pool, job: Job) -> Option<Job> {
        match &mut self.limiter {
            Some(limiter) if self.units.get(key.0 as usize).is_some_and(|u| u.id.get() == id) => {
                limiter.hold(key, pool, job)
            }
            _ => Some(job),
        }
    }

    fn leave_limit(&mut self, key: UnitKey) -> Granted {
        self.limiter.as_mut().map(|limiter| limiter.leave(key)).unwrap_or_default()
    }

    /// What protects the unit, if anything does.
    pub(crate) fn cover(&self, key: UnitKey) -> Option<Arc<Cover>> {
        self.extras.get(&key)?.cover.clone()
    }

    /// Clean-ups that nobody has run: deferred in a callback, or by a job's destructor. Dropping them
    /// reports that.
    pub(crate) fn unrun(&self, key: UnitKey) -> Option<CleanupRun> {
        let cover = self.cover(key).filter(|cover| cover.has_cleanups())?;
        Some(CleanupRun::new(ExitKind::Value, self.info(key), cover))
    }

    /// What protects the unit; made if there is none yet. Whether it was made.
    pub(crate) fn make_cover(&mut self, key: UnitKey) -> (Arc<Cover>, bool) {
        if !self.units.contains(key.0 as usize) {
            return (Arc::default(), false);
        }
        let cover = &mut self.extras.entry(key).or_default().cover;
        let made = cover.is_none();
        (cover.get_or_insert_default().clone(), made)
    }

    pub(crate) fn set_background(&mut self, key: UnitKey, id: TaskId) {
        self.background.insert(key, id);
    }

    /// Whether all that is in it is in the background.
    pub(crate) fn is_alone(&self) -> bool {
        self.units.len() == self.background.len()
            && self.scopes.iter().all(|(_, scope)| scope.in_background)
    }

    fn is_background(&self, key: UnitKey) -> bool {
        self.background.contains_key(&key)
    }

    /// Marks all background tasks as cancelled; with the waker of each.
    pub(crate) fn retire(&mut self, cause: &CancelCause) -> Vec<Waker> {
        let background = self.background.clone();
        background
            .into_iter()
            .filter_map(|(key, id)| self.cancel_unit(key, id, cause.clone()))
            .collect()
    }

    /// Takes the waker of a unit.
    pub(crate) fn take_waker(&mut self, key: UnitKey) -> Option<Waker> {
        Some(self.units.get_mut(key.0 as usize)?.slot.take_waker())
    }

    pub(crate) fn add_job(&mut self, key: UnitKey, job: Weak<dyn RunJob>) {
        let at = key.0 as usize;
        if self.jobs.len() <= at {
            self.jobs.resize(at + 1, None);
        }
        self.jobs[at] = Some(job);
    }

    fn take_job(&mut self, key: UnitKey) {
        if let Some(job) = self.jobs.get_mut(key.0 as usize) {
            *job = None;
        }
    }

    pub(crate) fn add_scope(
        &mut self,
        node: Weak<Node>,
        opener: UnitKey,
        guarded: Option<Arc<Guarded>>,
    ) -> (ScopeKey, bool) {
        let in_background = self.is_background(opener);
        let scope = Inner { node, opener, guarded, in_background };
        let key = ScopeKey(index(self.scopes.insert(scope)));
        if self.units.contains(opener.0 as usize) {
            self.extras.entry(opener).or_default().opened.insert(key);
        }
        (key, in_background)
    }

    /// Takes an inner group out, to be dropped outside the lock.
    pub(crate) fn remove_scope(&mut self, key: ScopeKey) -> Option<Inner> {
        let scope = self.scopes.try_remove(key.0 as usize)?;
        if let Some(extra) = self.extras.get_mut(&scope.opener) {
            extra.opened.remove(&key);
            if extra.is_empty() {
                self.extras.remove(&scope.opener);
            }
        }
        Some(scope)
    }

    /// The inner groups whose shield has ended.
    pub(crate) fn uncovered(&mut self) -> Vec<Weak<Node>> {
        let mut freed = Vec::new();
        for (_, scope) in &mut self.scopes {
            let ended = |guarded: &mut Arc<Guarded>| !guarded.is_active();
            if scope.guarded.take_if(ended).is_some() {
                freed.push(scope.node.clone());
            }
        }
        freed
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
            wakers.push(unit.slot.take_waker());
        }
        let jobs = std::mem::take(&mut self.jobs).into_iter().flatten().collect();
        let covered = |scope: &Inner| scope.guarded.as_ref().is_some_and(|g| g.is_active());
        let scopes = self.scopes.iter().filter(|(_, scope)| !covered(scope));
        let scopes = scopes.map(|(_, scope)| scope.node.clone()).collect();
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
