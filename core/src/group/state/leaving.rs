//! How units and inner groups leave a group, and what follows when one was the last.

use std::collections::BTreeSet;
use std::mem::{self, needs_drop};
use std::sync::{Arc, Weak};
use std::task::Waker;

use crate::group::state::cancel_unit::Told;
use crate::group::state::limit::{Granted, Limiter};
use crate::group::state::node::{Node, Owner};
use crate::group::state::record::Extra;
use crate::group::state::table::{Inner, ScopeKey, Table, UnitKey};
use crate::group::state::tree::Link;
use crate::panics::drop_contained;
use crate::protect::{CleanupRun, Cover, ExitKind};
use crate::sync::atomic::Ordering;
use crate::sync::{MutexGuard, drop_waker, lock, wake, wake_all};

/// What follows from a count that was given back, to be done outside the lock.
pub(super) enum After {
    /// Others are left.
    Nothing,
    /// Only background tasks are left, or the one count that a root has for itself.
    Few(Told),
    /// Nobody is left.
    Closing,
}

/// What a unit leaves behind, to be dealt with outside the lock.
struct Left {
    waker: Option<Waker>,
    cover: Option<Arc<Cover>>,
    /// Clean-ups that nobody has run: deferred in a callback, or by a job's destructor. Dropping them
    /// reports that.
    unrun: Option<CleanupRun>,
    /// Inner groups that it opened and left open.
    abandoned: Vec<Weak<Node>>,
    /// Who has its place now.
    granted: Granted,
}

/// What follows from a job that was given up.
#[must_use]
pub(crate) struct GivenUp {
    /// Its inner groups, which are nobody's now.
    abandoned: Vec<Weak<Node>>,
    granted: Granted,
    after: After,
}

impl Node {
    /// Whether outputs of this type have to be gone before their task counts as ended, where nobody
    /// takes them: a destructor could tell. In a group that hands failures out at its handles, those
    /// are such outputs too.
    pub(crate) fn minds_outputs<T>(&self) -> bool {
        needs_drop::<T>() || self.is_lone
    }

    /// A unit has ended: takes it out of the table and gives its count back.
    pub(crate) fn leave(self: &Arc<Self>, key: UnitKey) {
        self.leave_with_output(key, false);
    }

    /// The same, unless its handle is gone and its output `matters`. Whether it has left.
    pub(crate) fn leave_with_output(self: &Arc<Self>, key: UnitKey, matters: bool) -> bool {
        let mut table = lock(&self.table);
        if matters && table.is_unseen(key) {
            return false;
        }
        // Most often nothing depends on a unit but the count.
        let Some(waker) = table.leave_plainly(key) else {
            drop(table);
            return self.leave_fully(key, matters);
        };
        if table.give_one_back() {
            self.leave_few(table, waker);
        } else {
            drop(table);
            drop_waker(waker);
        }
        true
    }

    #[inline(never)]
    fn leave_few(&self, mut table: MutexGuard<'_, Table>, waker: Option<Waker>) {
        let after = table.after_few(self);
        drop(table);
        drop_waker(waker);
        self.follow_up(after);
    }

    /// What follows from its end comes first, among it wakers that may drop its handle. Who drops the
    /// output is decided after that, under the lock under which its count is given back (G1).
    #[inline(never)]
    fn leave_fully(self: &Arc<Self>, key: UnitKey, matters: bool) -> bool {
        self.drop_carried(key);
        let mut table = lock(&self.table);
        // What it carried may have had its handle: its output goes before it looks ended (T3).
        if matters && table.is_unseen(key) {
            return false;
        }
        let left = table.vacate(key);
        drop(table);
        self.clear(left);
        let mut table = lock(&self.table);
        if matters && table.is_unseen(key) {
            return false;
        }
        let left = table.remove(key, self);
        let after = table.give_back(self);
        drop(table);
        left.into_iter().for_each(|left| self.clear(left));
        self.follow_up(after);
        true
    }

    /// Takes all from a unit but its being there, and does what follows. It has yet to `leave`.
    pub(crate) fn vacate(self: &Arc<Self>, key: UnitKey) {
        let left = lock(&self.table).vacate(key);
        self.clear(left);
    }

    /// What a unit carried is gone before it looks ended to anybody (X4, T3).
    pub(crate) fn drop_carried(&self, key: UnitKey) {
        if self.carries() {
            let carried = lock(&self.table).take_carried(key);
            drop(carried);
        }
    }

    /// A job is waited for no longer, though it goes on (B3): gives its count back, and its place in a limit.
    /// What follows is to be carried out when no lock is held.
    pub(crate) fn give_up_job(&self, key: UnitKey) -> GivenUp {
        lock(&self.table).give_up_job(key, self)
    }

    pub(crate) fn follow_given_up(
        self: &Arc<Self>,
        GivenUp { abandoned, granted, after }: GivenUp,
    ) {
        self.carry_out(granted);
        self.abandon_all(&abandoned);
        self.follow_up(after);
    }

    /// Takes a unit out of the table that is not counted any more.
    pub(super) fn remove(self: &Arc<Self>, key: UnitKey) {
        self.drop_carried(key);
        let left = lock(&self.table).remove(key, self);
        if let Some(left) = left {
            self.clear(left);
        }
    }

    /// Inner groups that the unit left open are cancelled: nobody will poll them in time (G2).
    fn clear(self: &Arc<Self>, left: Left) {
        if left.cover.is_some() {
            self.covered.fetch_sub(1, Ordering::Relaxed);
        }
        drop_waker(left.waker);
        drop_contained(left.unrun);
        self.carry_out(left.granted);
        self.abandon_all(&left.abandoned);
    }

    #[inline]
    pub(super) fn follow_up(&self, after: After) {
        if !matches!(after, After::Nothing) {
            release_links(self.follow(after));
        }
    }

    /// The link to the enclosing group, if this one has closed.
    fn follow(&self, after: After) -> Option<Link> {
        match after {
            After::Nothing => None,
            After::Few(retired) => {
                retired.tell();
                self.wake_watchers_of_root();
                None
            }
            After::Closing => self.close(),
        }
    }

    fn wake_watchers_of_root(&self) {
        if self.core.is_root() {
            let watchers = lock(&self.table).take_watchers();
            wake_all(watchers);
        }
    }

    /// Who waits for a place has nothing to wait for any more (G18).
    fn wake_waiting(&self) {
        if self.has_limit {
            let take = |limiter: &mut Box<Limiter>| limiter.take_wakers();
            let waiting = lock(&self.table).limiter.as_mut().map(take);
            wake_all(waiting.unwrap_or_default());
        }
    }

    fn close(&self) -> Option<Link> {
        self.wake_waiting();
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
    while let Some(Link { parent, key, shield, .. }) = link {
        let (scope, after) = lock(&parent.table).leave_scope(key, &parent);
        drop(scope);
        if let Some(shield) = shield {
            shield.closed();
        }
        link = parent.follow(after);
    }
}

impl Table {
    fn is_unseen(&self, key: UnitKey) -> bool {
        self.units.get(key.0).is_some_and(|unit| unit.id.is_unseen())
    }

    /// Takes out a unit on which nothing depends but the count. With its waker.
    #[inline(always)]
    fn leave_plainly(&mut self, key: UnitKey) -> Option<Option<Waker>> {
        if !self.is_plain() && !self.is_plain_without_name(key) {
            return None;
        }
        if self.units.get(key.0)?.slot.is_cancelled() {
            return None;
        }
        self.units.remove(key.0).map(|unit| unit.slot.into_waker())
    }

    /// Whether nothing is known of the unit that has ended but a name, a job, and a place for which nobody
    /// waits: these are forgotten.
    fn is_plain_without_name(&mut self, key: UnitKey) -> bool {
        let is_special = self.limiter.as_ref().is_some_and(|limiter| limiter.is_waited_for())
            || self.background.contains_key(&key)
            || self.extras.get(&key).is_some_and(Extra::is_special);
        if !is_special {
            self.extras.remove(&key);
            self.forget_job(key);
            self.leave_limit(key);
        }
        !is_special
    }

    /// Takes all from a unit but its being there. From now on it looks ended (T3).
    fn vacate(&mut self, key: UnitKey) -> Left {
        let unrun = self.unrun(key);
        self.forget_job(key);
        let granted = match self.is_given_up(key) {
            true => Granted::default(),
            false => self.leave_limit(key),
        };
        let extra = self.extras.get_mut(&key);
        let rare = extra.map(|extra| (extra.cover.take(), mem::take(&mut extra.opened)));
        let (cover, opened) = rare.unwrap_or_default();
        let waker = self.units.get_mut(key.0).and_then(|unit| {
            unit.id.mark_ended();
            unit.slot.take_waker()
        });
        Left { waker, cover, unrun, abandoned: self.disown(&opened), granted }
    }

    fn remove(&mut self, key: UnitKey, node: &Node) -> Option<Left> {
        let left = self.vacate(key);
        let unit = self.units.remove(key.0)?;
        let extra = self.extras.remove(&key).unwrap_or_default();
        if unit.slot.is_cancelled() {
            node.singled_out.fetch_sub(1, Ordering::Release);
        }
        if self.background.remove(&key).is_some() {
            self.in_background -= 1;
            self.retired = self.retired.saturating_sub(1);
        }
        if extra.is_given_up {
            self.given_up -= 1;
        }
        Some(left)
    }

    fn leave_limit(&mut self, key: UnitKey) -> Granted {
        self.limiter.as_mut().map(|limiter| limiter.leave(key)).unwrap_or_default()
    }

    /// Inner groups that are nobody's from now on, whoever has the opener's place next.
    pub(super) fn disown(&mut self, opened: &BTreeSet<ScopeKey>) -> Vec<Weak<Node>> {
        for key in opened {
            self.scopes.get_mut(key.0).into_iter().for_each(|scope| scope.opener = UnitKey::NOBODY);
        }
        self.nodes_of(opened)
    }

    pub(super) fn nodes_of(&self, scopes: &BTreeSet<ScopeKey>) -> Vec<Weak<Node>> {
        let scopes = scopes.iter().filter_map(|scope| self.scopes.get(scope.0));
        scopes.map(|scope| scope.node.clone()).collect()
    }

    fn give_up_job(&mut self, key: UnitKey, node: &Node) -> GivenUp {
        self.forget_job(key);
        let (abandoned, granted) = (self.mark_given_up(key), self.leave_limit(key));
        GivenUp { abandoned, granted, after: self.give_back(node) }
    }

    /// It is waited for no longer, and opens no groups any more. With those that it has open.
    pub(super) fn mark_given_up(&mut self, key: UnitKey) -> Vec<Weak<Node>> {
        self.given_up += 1;
        self.extras.entry(key).or_default().is_given_up = true;
        self.opened_by(key)
    }

    fn unrun(&self, key: UnitKey) -> Option<CleanupRun> {
        let cover = self.cover(key).filter(|cover| cover.has_cleanups())?;
        Some(CleanupRun::new(ExitKind::Value, self.info(key), cover))
    }

    /// Takes an inner group out, to be dropped outside the lock, and gives its count back.
    fn leave_scope(&mut self, key: ScopeKey, node: &Node) -> (Option<Inner>, After) {
        let scope = self.scopes.remove(key.0);
        if let Some(scope) = &scope {
            self.forget_opened(scope.opener, key);
            self.in_background -= usize::from(scope.in_background);
        }
        (scope, self.give_back(node))
    }

    pub(super) fn forget_opened(&mut self, opener: UnitKey, key: ScopeKey) {
        if let Some(extra) = self.extras.get_mut(&opener) {
            extra.opened.remove(&key);
            if extra.is_empty() {
                self.extras.remove(&opener);
            }
        }
    }

    /// One is not counted any more.
    pub(super) fn give_back(&mut self, node: &Node) -> After {
        match self.give_one_back() {
            true => self.after_few(node),
            false => After::Nothing,
        }
    }

    /// The same. Whether it is to be looked at what follows, because few are left.
    #[inline]
    fn give_one_back(&mut self) -> bool {
        self.count -= 1;
        self.count <= 1 || self.count <= self.in_background
    }

    fn after_few(&mut self, node: &Node) -> After {
        if self.count > 0 {
            return After::Few(self.retire_if_alone(node));
        }
        node.closed.store(true, Ordering::Release);
        After::Closing
    }
}
