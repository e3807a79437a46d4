//! A group's place in the tree: under whom it is counted, how a cancellation goes down and how a
//! close goes up. Both without recursion, so that depth costs no stack (G15).

use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use crate::cancel::CancelCause;
use crate::group::state::leaving::release_links;
use crate::group::state::node::{Cancellation, Node, Owner};
use crate::group::state::table::{ScopeKey, Signals, UnitKey};
use crate::protect::ShieldState;
use crate::sync::atomic::Ordering;
use crate::sync::{drop_waker, lock, wake_all};

/// The enclosing group, which counts this one until it closes.
pub(crate) struct Link {
    pub(super) parent: Arc<Node>,
    pub(super) key: ScopeKey,
    pub(super) opener: UnitKey,
    /// The shield that this group was opened in.
    pub(super) shield: Option<Arc<ShieldState>>,
}

impl Link {
    pub(super) fn is_shielded(&self) -> bool {
        self.shield.as_ref().is_some_and(|shield| shield.is_active())
    }

    /// Why this group is cancelled with its parent, and whether at once; `None` if it is not.
    pub(super) fn inherited(&self) -> Option<Order> {
        let cause = self.parent.cause_below(self.opener).filter(|_| !self.is_shielded())?;
        let hard = self.parent.cutting_cause(self.opener).is_some();
        Some(Order { cause, hard })
    }

    /// The enclosing group, if a grace period that it was in has ended, and this group's with it.
    fn late_parent(&self) -> Option<Arc<Node>> {
        let is_late = !self.is_shielded() && self.parent.is_grace_over();
        is_late.then(|| self.parent.clone())
    }
}

/// Whether an enclosing group counts this one.
enum Linked {
    /// It has ended.
    Refused,
    Free,
    /// It does, and is cancelled.
    Cancelled(Order),
}

/// What a cancellation says to those below: why, and whether they are dropped or only told (C3).
#[derive(Clone)]
pub(super) struct Order {
    cause: CancelCause,
    hard: bool,
}

/// Carries down to each what its opener was cancelled for, if it was. Only then these wakers are called.
pub(super) fn inherit_all(scopes: &[Weak<Node>], wakers: Vec<Waker>) {
    let scopes = scopes.iter().filter_map(Weak::upgrade);
    let orders = scopes.filter_map(|scope| scope.inherited().map(|order| (scope, order)));
    inherit(orders.collect(), wakers);
}

pub(super) fn inherit(queue: Vec<(Arc<Node>, Order)>, wakers: Vec<Waker>) {
    Cascade { queue: queue.clone(), wakers, ..Cascade::default() }.carry_out();
    queue.iter().for_each(|(scope, _)| scope.harden_if_late());
}

/// A cancellation on its way down, without recursion (G15). First each group gets its cause, then all are
/// woken: nobody reacts before all of them know why (C2, T1).
#[derive(Default)]
struct Cascade {
    /// To be marked.
    queue: Vec<(Arc<Node>, Order)>,
    wakers: Vec<Waker>,
    signals: Vec<(Signals, CancelCause)>,
    /// The groups that were marked, the upper ones first.
    told: Vec<Arc<Node>>,
}

impl Cascade {
    fn carry_out(mut self) {
        while let Some((scope, order)) = self.queue.pop() {
            if scope.mark(order, &mut self) {
                self.told.push(scope);
            }
        }
        wake_all(self.wakers);
        for (signals, cause) in self.signals {
            wake_all(signals.wakers);
            let jobs = signals.jobs.iter().filter_map(Weak::upgrade);
            jobs.for_each(|job| job.revoke(cause.clone()));
        }
        self.told.iter().for_each(|scope| scope.harden_if_late());
    }
}

impl Node {
    /// Puts this group under `parent`, which counts it until it closes (G2). Inherits the
    /// cancellation, if there is one and no shield is between.
    pub(crate) fn attach(
        self: &Arc<Self>,
        parent: &Arc<Node>,
        opener: UnitKey,
        shield: Option<Arc<ShieldState>>,
    ) {
        match self.link_to(parent, opener, shield) {
            Linked::Refused => self.cancel(CancelCause::dropped()),
            Linked::Free => {}
            Linked::Cancelled(order) => inherit(vec![(self.clone(), order)], Vec::new()),
        }
    }

    fn link_to(
        self: &Arc<Self>,
        parent: &Arc<Node>,
        opener: UnitKey,
        shield: Option<Arc<ShieldState>>,
    ) -> Linked {
        if let Some(shield) = &shield {
            shield.opened();
        }
        let inner = Arc::downgrade(self);
        let entered = lock(&parent.table).enter_scope(inner, opener, shield.clone(), parent);
        let Some((key, retired)) = entered else {
            shield.iter().for_each(|shield| shield.closed());
            return Linked::Refused;
        };
        retired.tell();
        let link = Link { parent: parent.clone(), key, opener, shield };
        // One step: who cancels the opener meanwhile finds the link, or is seen by the look at the cause.
        let order = lock(&self.parent).insert(link).inherited();
        // Closing takes the link after it has said so; whoever takes it gives the count back.
        if self.is_closed() {
            let link = lock(&self.parent).take();
            release_links(link);
        }
        order.map_or(Linked::Free, Linked::Cancelled)
    }

    /// Leaves a group that nothing encloses to the runtime's root, because its future is dropped
    /// (R6). As long as that is awaited, the root need not count it.
    pub(crate) fn leave_to(self: &Arc<Self>, root: &Arc<Node>) {
        if self.is_closed() || lock(&self.parent).is_some() {
            return;
        }
        self.link_to(root, UnitKey::NOBODY, None);
    }

    /// A shield of a unit of this group has ended: what was opened inside it is covered no more.
    pub(crate) fn uncover(&self, shield: &ShieldState) {
        let freed = {
            let mut table = lock(&self.table);
            shield.end();
            if shield.has_open() { table.uncovered() } else { Vec::new() }
        };
        inherit_all(&freed, Vec::new());
    }

    /// From now on nobody takes the result. With the waker of whoever waited for it.
    pub(crate) fn give_up(&self) -> Option<Waker> {
        let old = std::mem::replace(&mut *lock(&self.owner), Owner::Gone);
        self.gone.store(true, Ordering::Release);
        // Closing looks at the owner after it has said that it closes; this looks for that after it has
        // set the owner: one of them reports, and taking the failures makes it exactly one.
        if self.is_closed() {
            self.report_leftovers();
        }
        match old {
            Owner::Awaited(waker) => waker,
            Owner::Gone => None,
        }
    }

    pub(crate) fn is_given_up(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Ready once the group has closed, or was given up, after which nobody is woken.
    pub(crate) fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_closed() {
            return Poll::Ready(());
        }
        let fresh = cx.waker().clone();
        let (old, is_gone) = match &mut *lock(&self.owner) {
            Owner::Awaited(slot) => (slot.replace(fresh), false),
            Owner::Gone => (Some(fresh), true),
        };
        drop_waker(old);
        if is_gone || self.is_closed() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Cancels this group and all below it (C7, C8).
    pub(crate) fn cancel(&self, cause: CancelCause) {
        self.order(Order { cause, hard: true });
    }

    /// The same, but whoever runs in it is only told, until it is hardened.
    pub(crate) fn tell(&self, cause: CancelCause) {
        self.order(Order { cause, hard: false });
    }

    fn order(&self, order: Order) {
        let mut cascade = Cascade::default();
        self.mark(order, &mut cascade);
        cascade.carry_out();
        self.harden_if_late();
    }

    /// What comes down from the enclosing group, if anything does.
    fn inherited(&self) -> Option<Order> {
        lock(&self.parent).as_ref().and_then(Link::inherited)
    }

    /// Closes a race (C3): a grace period around this group may end while this group is being cancelled.
    /// Whoever ends one passes by groups that have no cause yet, so this looks for the end after the cause
    /// is set.
    fn harden_if_late(&self) {
        if self.is_grace_over() {
            return;
        }
        if let Some(top) = self.late_for() {
            self.harden_for(&top);
        }
    }

    /// The group whose grace period has ended for this one with its own: the outermost of those around it.
    pub(crate) fn late_for(&self) -> Option<Arc<Node>> {
        let late_parent = |node: &Node| lock(&node.parent).as_ref().and_then(Link::late_parent);
        let mut top = late_parent(self)?;
        while let Some(above) = late_parent(&top) {
            top = above;
        }
        Some(top)
    }

    /// A group with a grace period of its own tells its tasks first, whoever cancels it (C3). Whether it was
    /// not cancelled yet.
    fn mark(&self, Order { cause, hard }: Order, cascade: &mut Cascade) -> bool {
        let hard = hard && !self.time.has_grace() && !self.drives;
        let cancelled = Cancellation::new(cause.clone(), hard, self.is_closed());
        if self.cancelled.set(cancelled).is_err() {
            return false;
        }
        let mut signals = lock(&self.table).signals();
        let order = Order { cause: cause.inherited_from(self.id), hard };
        let scopes = signals.scopes.iter().filter_map(Weak::upgrade);
        cascade.queue.extend(scopes.map(|scope| (scope, order.clone())));
        if self.time.has_grace() {
            signals.wakers.extend(self.take_owner_waker());
        }
        cascade.signals.push((signals, cause));
        true
    }

    /// Whether a grace period that this cancelled group was in has ended, its own or one around it.
    pub(crate) fn is_grace_over(&self) -> bool {
        self.cancelled.get().is_some_and(|cancelled| cancelled.over.load(Ordering::Relaxed))
    }

    pub(super) fn is_hard(&self) -> bool {
        self.cancelled.get().is_some_and(|cancelled| cancelled.hard.load(Ordering::Relaxed))
    }

    /// Ends all grace periods of a cancelled group and below it: who is still alive is dropped, and
    /// stands in the error of this group (C3).
    pub(crate) fn harden(&self) {
        self.harden_for(self);
    }

    /// The same with who is still alive in the error of `top`.
    fn harden_for(&self, top: &Node) {
        let (mut queue, mut wakers) = (Vec::new(), Vec::new());
        self.mark_hard(top, &mut queue, &mut wakers);
        while let Some(scope) = queue.pop() {
            scope.mark_hard(top, &mut queue, &mut wakers);
        }
        wake_all(wakers);
    }

    /// Wakes nobody a second time (C10). Jobs are left to whoever cancels, which may not have come to them
    /// yet.
    fn mark_hard(&self, top: &Node, queue: &mut Vec<Arc<Node>>, wakers: &mut Vec<Waker>) {
        // Looked at under the lock, which whoever cancels takes afterwards.
        let mut table = lock(&self.table);
        let Some(cancelled) = self.cancelled.get() else {
            return;
        };
        if !cancelled.hard.swap(true, Ordering::Relaxed) {
            // Before any of them can leave, after which the error may be made.
            if !self.drives {
                top.add_overdue(table.infos());
            }
            wakers.extend(table.take_wakers());
        }
        if !cancelled.over.swap(true, Ordering::Relaxed) {
            wakers.extend(table.take_watchers());
        }
        let scopes = table.unshielded();
        drop(table);
        queue.extend(scopes.iter().filter_map(Weak::upgrade));
    }

    /// Why the future of this group is being dropped: because the unit that opened it is cancelled,
    /// if it is. That is still alive while it drops the future.
    pub(crate) fn cause_of_drop(&self) -> CancelCause {
        let opened_by = lock(&self.parent).as_ref().map(|link| (link.parent.clone(), link.opener));
        let inherited = opened_by.and_then(|(parent, opener)| parent.cause_below(opener));
        inherited.unwrap_or_else(CancelCause::dropped)
    }
}
