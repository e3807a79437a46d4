//! A group's place in the tree: under whom it is counted, how a cancellation goes down and how a
//! close goes up. Both without recursion, so that depth costs no stack (G15).

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Instant;

use crate::cancel::{CancelCause, CauseKind};
use crate::group::node::{CLOSED, Node, Owner};
use crate::group::table::{ScopeKey, Signals, UnitKey};
use crate::sync::{drop_waker, lock, wake};

/// The enclosing group, which counts this one until it closes.
pub(crate) struct Link {
    pub(super) parent: Arc<Node>,
    key: ScopeKey,
    opener: UnitKey,
}

impl Node {
    /// Puts this group under `parent`, which counts it until it closes (G2). Inherits the deadline
    /// and, if there is one, the cancellation.
    pub(crate) fn attach(
        self: &Arc<Self>,
        parent: &Arc<Node>,
        opener: UnitKey,
        own_deadline: Option<Instant>,
    ) {
        if parent.count.fetch_add(1, Ordering::AcqRel) >= CLOSED {
            self.cancel(CauseKind::Dropped.into());
            return;
        }
        self.set_deadline(own_deadline.into_iter().chain(parent.deadline()).min());
        let key = lock(&parent.table).add_scope(Arc::downgrade(self), opener);
        *lock(&self.parent) = Some(Link { parent: parent.clone(), key, opener });
        if let Some(cause) = parent.cause_for(opener) {
            self.cancel(cause.inherited_from(parent.id));
        }
    }

    pub(crate) fn set_deadline(&self, earliest: Option<Instant>) {
        if let Some(at) = earliest {
            let _ = self.deadline.set(at);
        }
    }

    /// Leaves a group that nothing encloses to the runtime's root, because its future is dropped
    /// (R6). As long as that is awaited, the root need not count it.
    pub(crate) fn leave_to(self: &Arc<Self>, root: &Arc<Node>) {
        if self.is_closed() || lock(&self.parent).is_some() {
            return;
        }
        root.count.fetch_add(1, Ordering::AcqRel);
        let key = lock(&root.table).add_scope(Arc::downgrade(self), UnitKey::NOBODY);
        *lock(&self.parent) = Some(Link { parent: root.clone(), key, opener: UnitKey::NOBODY });
        // Closing takes the link after it has set CLOSED; whoever takes it gives the count back.
        if self.is_closed() {
            let link = lock(&self.parent).take();
            release_links(link);
        }
    }

    /// The unit that opened this group has ended while the group's future is kept elsewhere: nobody
    /// must wait for a body that nobody polls. Its table entry stays with the future.
    pub(super) fn abandon(&self, cause: CancelCause) {
        self.cancel(cause);
        self.give_up();
        self.release_body();
    }

    /// The cause for an inner group whose opener has ended.
    pub(super) fn cause_below(&self) -> CancelCause {
        let inherited = self.cause.get().map(|cause| cause.inherited_from(self.id));
        inherited.unwrap_or_else(|| CauseKind::Dropped.into())
    }

    pub(super) fn release_body(&self) {
        // Relaxed: only who comes first matters; `release` orders the rest.
        if !self.body_released.swap(true, Ordering::Relaxed) {
            self.release();
        }
    }

    /// From now on nobody takes the result.
    pub(crate) fn give_up(&self) {
        let old = std::mem::replace(&mut *lock(&self.owner), Owner::Gone);
        if let Owner::Awaited(waker) = old {
            drop_waker(waker);
        }
        // Closing looks at the owner after it has set CLOSED; this looks at CLOSED after it has set
        // the owner: one of them reports, and taking the failures makes it exactly one.
        if self.is_closed() {
            self.core.report_leftovers();
        }
    }

    pub(crate) fn is_given_up(&self) -> bool {
        matches!(*lock(&self.owner), Owner::Gone)
    }

    /// Ready once the group has closed.
    pub(crate) fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_closed() {
            return Poll::Ready(());
        }
        let fresh = cx.waker().clone();
        let old = match &mut *lock(&self.owner) {
            Owner::Awaited(slot) => slot.replace(fresh),
            Owner::Gone => Some(fresh),
        };
        drop_waker(old);
        if self.is_closed() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Cancels this group and all below it, without recursion (C7, C8, G15). First each gets its
    /// cause, then they are woken: nobody reacts before all of them know why (C2, T1).
    pub(crate) fn cancel(&self, cause: CancelCause) {
        let (mut queue, mut marked) = (Vec::new(), Vec::new());
        self.mark(cause, &mut queue, &mut marked);
        while let Some((scope, cause)) = queue.pop() {
            scope.mark(cause, &mut queue, &mut marked);
        }
        for (signals, cause) in marked {
            signals.wakers.into_iter().for_each(wake);
            let jobs = signals.jobs.iter().filter_map(Weak::upgrade);
            jobs.for_each(|job| job.revoke(cause.clone()));
        }
    }

    fn mark(
        &self,
        cause: CancelCause,
        queue: &mut Vec<(Arc<Node>, CancelCause)>,
        marked: &mut Vec<(Signals, CancelCause)>,
    ) {
        if self.cause.set(cause.clone()).is_err() {
            return;
        }
        let signals = lock(&self.table).signals();
        let inherited = cause.inherited_from(self.id);
        let scopes = signals.scopes.iter().filter_map(Weak::upgrade);
        queue.extend(scopes.map(|scope| (scope, inherited.clone())));
        marked.push((signals, cause));
    }

    /// Why the future of this group is being dropped: because the unit that opened it is cancelled,
    /// if it is. That is still alive while it drops the future.
    pub(crate) fn cause_of_drop(&self) -> CancelCause {
        let opened_by = lock(&self.parent).as_ref().map(|link| (link.parent.clone(), link.opener));
        opened_by
            .and_then(|(parent, opener)| Some(parent.cause_for(opener)?.inherited_from(parent.id)))
            .unwrap_or_else(|| CauseKind::Dropped.into())
    }

    /// Gives one count back; closes this group, and those above it, where it was the last.
    pub(super) fn release(&self) {
        release_links(self.release_here());
    }

    fn release_here(&self) -> Option<Link> {
        match self.count.fetch_sub(1, Ordering::AcqRel) {
            1 => self
                .count
                .compare_exchange(0, CLOSED, Ordering::AcqRel, Ordering::Relaxed)
                .ok()
                .and_then(|_| self.close()),
            // A root keeps one count for itself and is idle with it.
            2 => {
                self.wake_watchers_of_root();
                None
            }
            _ => None,
        }
    }

    fn close(&self) -> Option<Link> {
        let (waker, gone) = match &mut *lock(&self.owner) {
            Owner::Awaited(waker) => (waker.take(), false),
            Owner::Gone => (None, true),
        };
        if gone {
            self.core.report_leftovers();
        }
        let link = lock(&self.parent).take();
        if let Some(waker) = waker {
            wake(waker);
        }
        link
    }
}

/// Tells the enclosing group that one of its inner groups has closed, and so on upwards.
fn release_links(mut link: Option<Link>) {
    while let Some(Link { parent, key, .. }) = link {
        let scope = lock(&parent.table).remove_scope(key);
        drop(scope);
        link = parent.release_here();
    }
}
