//! How units and inner groups leave a group, and what follows when one was the last.

use std::mem::needs_drop;
use std::sync::{Arc, Weak};
use std::task::Waker;

use crate::cancel::{CancelCause, CauseKind};
use crate::group::limit::Granted;
use crate::group::node::{Node, Owner};
use crate::group::table::{Extra, Inner, ScopeKey, Slot, Table, UnitKey};
use crate::group::tree::Link;
use crate::panics::contain;
use crate::protect::{CleanupRun, Cover, ExitKind};
use crate::sync::atomic::Ordering;
use crate::sync::{drop_waker, lock, wake, wake_all};
use crate::unhandled::UnhandledKind;

/// What follows from a count that was given back, to be done outside the lock.
#[must_use]
pub(super) struct After {
    /// Nobody is left.
    closes: bool,
    /// Only one is left, which a root has for itself.
    is_one_left: bool,
    /// The background tasks, if only they are left.
    retired: Vec<Waker>,
}

/// How a unit was taken out of the table.
enum Left {
    /// With its waker. Its count was given back.
    Plain(Waker, After),
    /// Its count is to be given back when all else is done.
    Special(Removed),
    /// It was not, because nobody will take its output.
    Unseen,
}

/// What is left of a unit, to be dealt with outside the lock.
struct Removed {
    waker: Waker,
    cover: Option<Arc<Cover>>,
    /// Clean-ups that nobody has run: deferred in a callback, or by a job's destructor. Dropping them
    /// reports that.
    unrun: Option<CleanupRun>,
    /// Inner groups that it opened and left open.
    abandoned: Vec<Weak<Node>>,
    /// Who has its place now.
    granted: Granted,
}

impl Node {
    /// Whether outputs of this type have to be gone before their task counts as ended, where nobody
    /// takes them: a destructor could tell. In a group that hands failures out at its handles, those
    /// are such outputs too.
    pub(crate) fn minds_outputs<T>(&self) -> bool {
        needs_drop::<T>() || self.is_lone
    }

    /// A unit has ended: takes it out of the table and gives its count back.
    pub(crate) fn leave(&self, key: UnitKey) {
        let left = lock(&self.table).leave(key, self);
        self.finish_leaving(left);
    }

    /// The same, unless its handle is gone and its output must be dropped first. Whether it has left.
    pub(crate) fn leave_if_seen(&self, key: UnitKey) -> bool {
        let left = {
            let mut table = lock(&self.table);
            if table.is_unseen(key) { Left::Unseen } else { table.leave(key, self) }
        };
        self.finish_leaving(left)
    }

    fn finish_leaving(&self, left: Left) -> bool {
        match left {
            Left::Plain(waker, after) => {
                drop_waker(Some(waker));
                release_links(self.follow(after));
            }
            Left::Special(removed) => {
                self.clear(removed);
                self.release();
            }
            Left::Unseen => return false,
        }
        true
    }

    /// Takes a unit out of the table that is not counted any more.
    pub(super) fn remove(&self, key: UnitKey) {
        let removed = lock(&self.table).remove(key, self);
        if let Some(removed) = removed {
            self.clear(removed);
        }
    }

    /// Inner groups that the unit left open are cancelled: nobody will poll them in time (G2).
    fn clear(&self, removed: Removed) {
        if removed.cover.is_some() {
            self.covered.fetch_sub(1, Ordering::Relaxed);
        }
        drop_waker(Some(removed.waker));
        contain(UnhandledKind::Destructor, || drop(removed.unrun));
        self.carry_out(removed.granted);
        let abandoned = removed.abandoned.iter().filter_map(Weak::upgrade);
        abandoned.for_each(|scope| scope.abandon(self.cause_below()));
    }

    /// The unit that opened this group has ended while the group's future is kept elsewhere: nobody
    /// must wait for a body that nobody polls. Its table entry stays with the future.
    fn abandon(self: &Arc<Self>, cause: CancelCause) {
        self.cancel(cause);
        self.core.watch_grace(self);
        // Whoever polls the future none the less is told: the group will not know any more how.
        self.give_up().into_iter().for_each(wake);
        if self.claim_body() {
            self.release();
        }
    }

    /// The cause for an inner group whose opener has ended.
    fn cause_below(&self) -> CancelCause {
        let inherited = self.cause().map(|cause| cause.inherited_from(self.id));
        inherited.unwrap_or_else(|| CauseKind::Dropped.into())
    }

    /// Relaxed: only who comes first matters; the table's lock orders the rest.
    pub(super) fn claim_body(&self) -> bool {
        !self.body_released.swap(true, Ordering::Relaxed)
    }

    /// Gives one count back; closes this group, and those above it, where it was the last.
    fn release(&self) {
        let after = lock(&self.table).give_back(self);
        release_links(self.follow(after));
    }

    /// The link to the enclosing group, if this one has closed.
    fn follow(&self, after: After) -> Option<Link> {
        wake_all(after.retired);
        if after.is_one_left && self.core.is_root() {
            let watchers = lock(&self.table).take_watchers();
            wake_all(watchers);
        }
        if after.closes { self.close() } else { None }
    }

    fn close(&self) -> Option<Link> {
        let (waker, gone) = match &mut *lock(&self.owner) {
            Owner::Awaited(waker) => (waker.take(), false),
            Owner::Gone => (None, true),
        };
        if gone {
            self.report_leftovers();
        }
        let link = lock(&self.parent).take();
        if let Some(waker) = waker {
            wake(waker);
        }
        link
    }
}

/// Tells the enclosing group that one of its inner groups has closed, and so on upwards.
pub(super) fn release_links(mut link: Option<Link>) {
    while let Some(Link { parent, key, guarded, .. }) = link {
        let (scope, after) = lock(&parent.table).leave_scope(key, &parent);
        drop(scope);
        if let Some(guarded) = guarded {
            guarded.closed();
        }
        link = parent.follow(after);
    }
}

impl Table {
    fn is_unseen(&self, key: UnitKey) -> bool {
        self.units.get(key.0 as usize).is_some_and(|unit| unit.id.is_marked())
    }

    /// In the common case nothing but the count depends on the unit.
    fn leave(&mut self, key: UnitKey, node: &Node) -> Left {
        let unit = self.units.get_mut(key.0 as usize).expect("a unit leaves once");
        let is_single = matches!(unit.slot, Slot::Cancelled(_));
        if is_single || self.is_special(key) {
            return Left::Special(self.remove(key, node).expect("it was there a line ago"));
        }
        let unit = self.units.remove(key.0 as usize);
        if !self.extras.is_empty() {
            self.extras.remove(&key);
        }
        self.jobs.remove(&key);
        Left::Plain(unit.slot.into_waker(), self.give_back(node))
    }

    /// Whether more than a name and a job is known of it.
    fn is_special(&self, key: UnitKey) -> bool {
        self.limiter.is_some()
            || self.background.contains_key(&key)
            || self.extras.get(&key).is_some_and(Extra::is_special)
    }

    fn remove(&mut self, key: UnitKey, node: &Node) -> Option<Removed> {
        let unrun = self.unrun(key);
        let unit = self.units.try_remove(key.0 as usize)?;
        self.jobs.remove(&key);
        let Extra { opened, cover, .. } = self.extras.remove(&key).unwrap_or_default();
        let abandoned =
            opened.iter().map(|scope| self.scopes[scope.0 as usize].node.clone()).collect();
        if matches!(unit.slot, Slot::Cancelled(_)) {
            node.singled_out.fetch_sub(1, Ordering::Release);
        }
        if self.background.remove(&key).is_some() {
            self.in_background -= 1;
        }
        let granted = self.limiter.as_mut().map(|limiter| limiter.leave(key)).unwrap_or_default();
        Some(Removed { waker: unit.slot.into_waker(), cover, unrun, abandoned, granted })
    }

    fn unrun(&self, key: UnitKey) -> Option<CleanupRun> {
        let cover = self.cover(key).filter(|cover| cover.has_cleanups())?;
        Some(CleanupRun::new(ExitKind::Value, self.info(key), cover))
    }

    /// Takes an inner group out, to be dropped outside the lock, and gives its count back.
    fn leave_scope(&mut self, key: ScopeKey, node: &Node) -> (Option<Inner>, After) {
        let scope = self.scopes.try_remove(key.0 as usize);
        if let Some(scope) = &scope {
            self.forget_opened(scope.opener, key);
            self.in_background -= usize::from(scope.in_background);
        }
        (scope, self.give_back(node))
    }

    fn forget_opened(&mut self, opener: UnitKey, key: ScopeKey) {
        if let Some(extra) = self.extras.get_mut(&opener) {
            extra.opened.remove(&key);
            if extra.is_empty() {
                self.extras.remove(&opener);
            }
        }
    }

    /// One is not counted any more.
    fn give_back(&mut self, node: &Node) -> After {
        self.count -= 1;
        if self.count == 0 {
            node.closed.store(true, Ordering::Release);
        }
        let retired = self.retire_if_alone(node);
        After { closes: self.count == 0, is_one_left: self.count == 1, retired }
    }

    /// Marks the background tasks as cancelled if nobody else is alive (G19), with the wakers of those
    /// that were not. In a cancelled group nobody is looked for, because its table may have a body that
    /// does not count any more (`abandon`).
    pub(super) fn retire_if_alone(&mut self, node: &Node) -> Vec<Waker> {
        let may_be = self.in_background > 0 && self.count <= self.in_background;
        if !may_be || (node.cause().is_none() && !self.is_alone()) {
            return Vec::new();
        }
        let wakers = self.retire(&CauseKind::Finished.into());
        node.singled_out.fetch_add(wakers.len(), Ordering::Release);
        wakers
    }

    /// Whether all that is in it is in the background.
    fn is_alone(&self) -> bool {
        self.units.len() == self.background.len()
            && self.scopes.iter().all(|(_, scope)| scope.in_background)
    }

    fn retire(&mut self, cause: &CancelCause) -> Vec<Waker> {
        let Self { background, units, .. } = self;
        let told = background.iter().filter_map(|(key, id)| {
            units.get_mut(key.0 as usize).filter(|unit| unit.id.get() == *id)?.cancel(cause.clone())
        });
        told.collect()
    }
}
