//! What an open group needs of nodes: a count that keeps one open, and a move to those who drop it (G24).

use std::sync::{Arc, Mutex, PoisonError};

use crate::group::state::leaving::release_links;
use crate::group::state::node::Node;
use crate::group::state::table::UnitKey;
use crate::group::state::tree::{Link, Linked, Order, inherit};
use crate::stack::enclosing;
use crate::sync::lock;

/// Held while a group is moved below another: of two that are moved below each other the second is seen to
/// be around the first. No user code runs under it. The standard library's own lock, which a static can have.
static MOVES: Mutex<()> = Mutex::new(());

impl Node {
    /// Keeps it open, with a count that belongs to no unit. Not if it has closed.
    pub(crate) fn hold(&self) -> bool {
        let mut table = lock(&self.table);
        let is_open = table.count > 0;
        table.count += usize::from(is_open);
        is_open
    }

    /// Gives that count back.
    pub(crate) fn release(&self) {
        let after = lock(&self.table).give_back(self);
        self.follow_up(after);
    }

    /// From now on the group around the caller waits for this one, which is held, in place of the one that
    /// has done so. Nothing changes where there is none, or it is below this one.
    pub(crate) fn move_to_enclosing(self: &Arc<Self>) {
        let Some((around, _)) = enclosing() else {
            return;
        };
        // Dropped after the lock is released: perhaps nobody else has them any more.
        let (_path, moved) = {
            let _one_by_one = MOVES.lock().unwrap_or_else(PoisonError::into_inner);
            let path = around.and_those_around();
            let is_below = path.iter().any(|node| Arc::ptr_eq(node, self));
            (path, if is_below { None } else { self.move_to(&around) })
        };
        if let Some((former, order)) = moved {
            order.into_iter().for_each(|order| inherit(vec![(self.clone(), order)], Vec::new()));
            release_links(former);
        }
    }

    /// What it was below before, and the cancellation that it inherits now. Nothing changes if the new one
    /// has ended.
    fn move_to(self: &Arc<Self>, parent: &Arc<Self>) -> Option<(Option<Link>, Option<Order>)> {
        let former = lock(&self.parent).take();
        match self.link_to(parent, UnitKey::NOBODY, None) {
            Linked::Refused => {
                *lock(&self.parent) = former;
                None
            }
            Linked::Free => Some((former, None)),
            Linked::Cancelled(order) => Some((former, Some(order))),
        }
    }

    /// It, and all that it is below.
    fn and_those_around(self: &Arc<Self>) -> Vec<Arc<Self>> {
        let above = |node: &Arc<Self>| lock(&node.parent).as_ref().map(|link| link.parent.clone());
        std::iter::successors(Some(self.clone()), above).collect()
    }
}
