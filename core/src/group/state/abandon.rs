//! Abandoned groups: the unit that opened a group has ended, while the group's future is still there (G2).

use std::sync::{Arc, Weak};

use crate::cancel::CancelCause;
use crate::group::state::node::Node;
use crate::group::state::table::UnitKey;
use crate::sync::atomic::Ordering;
use crate::sync::{lock, wake};

impl Node {
    /// Inner groups that a unit has left open are cancelled, and with them those that are open in their
    /// bodies, whose futures are parts of theirs. Without recursion, as they may be deep (G15).
    pub(super) fn abandon_all(&self, scopes: &[Weak<Node>]) {
        let mut left = self.with_cause(scopes);
        while let Some((scope, cause)) = left.pop() {
            let opened = scope.abandon(cause);
            left.extend(scope.with_cause(&opened));
        }
    }

    fn with_cause(&self, scopes: &[Weak<Node>]) -> Vec<(Arc<Node>, CancelCause)> {
        let scopes = scopes.iter().filter_map(Weak::upgrade);
        scopes.map(|scope| (scope, self.cause_of_orphans())).collect()
    }

    /// The unit that opened this group has ended while the group's future is kept elsewhere: nobody
    /// must wait for a body that nobody polls. Its table entry stays with the future. With the groups
    /// that are open in the body.
    fn abandon(self: &Arc<Self>, cause: CancelCause) -> Vec<Weak<Node>> {
        self.cancel(cause);
        self.core.watch_grace(self);
        // Whoever polls the future none the less is told: the group will not know any more how.
        self.give_up().into_iter().for_each(wake);
        self.release_body()
    }

    /// The cause for an inner group whose opener has ended.
    fn cause_of_orphans(&self) -> CancelCause {
        self.cause_below(UnitKey::NOBODY).unwrap_or_else(CancelCause::dropped)
    }

    /// Gives the body's count back, if that is there still, and closes the group if it was the last.
    fn release_body(&self) -> Vec<Weak<Node>> {
        let (opened, after) = {
            let mut table = lock(&self.table);
            // Under the lock, because a body that ends meanwhile leaves its place in the table to another.
            if !self.claim_body() {
                return Vec::new();
            }
            (table.mark_given_up(UnitKey::FIRST), table.give_back(self))
        };
        self.follow_up(after);
        opened
    }

    /// Relaxed: only who comes first matters; the table's lock orders the rest.
    pub(super) fn claim_body(&self) -> bool {
        !self.body_released.swap(true, Ordering::Relaxed)
    }
}
