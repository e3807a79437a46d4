//! What an open group needs of nodes: a count that keeps one open, and a move to those who drop it (G24).

use std::sync::{Arc, Mutex, PoisonError};

use crate::cancel::CancelCause;
use crate::group::state::cancel_unit::Told;
use crate::group::state::leaving::release_links;
use crate::group::state::node::Node;
use crate::group::state::table::UnitKey;
use crate::group::state::tree::{Link, Order, inherit};
use crate::stack::enclosing;
use crate::sync::lock;

/// Held while a group is moved below another: of two that are moved below each other the second is seen to
/// be around the first. No user code runs under it. The standard library's own lock, which a static can have.
static MOVES: Mutex<()> = Mutex::new(());

impl Node {
    /// Keeps it open, with a count that belongs to no unit; it must be open yet.
    pub(crate) fn hold(&self) {
        lock(&self.table).count += 1;
    }

    /// Gives that count back.
    pub(crate) fn release(&self) {
        let after = lock(&self.table).give_back(self);
        self.follow_up(after);
    }

    /// From now on the group around the caller waits for this one, which is held, in place of the one that
    /// has done so. Nothing changes where there is none, it has given the caller up, or it is below this one.
    pub(crate) fn move_to_enclosing(self: &Arc<Self>) {
        let Some((around, dropped_by)) = enclosing() else {
            return;
        };
        // Dropped after the lock is released: perhaps nobody else has them any more.
        let (_path, moved) = {
            let _one_by_one = MOVES.lock().unwrap_or_else(PoisonError::into_inner);
            let path = around.and_those_around();
            let is_below = path.iter().any(|node| Arc::ptr_eq(node, self));
            (path, if is_below { None } else { self.move_to(&around, dropped_by) })
        };
        if let Some(Moved { former, order, retired }) = moved {
            retired.tell();
            order.into_iter().for_each(|order| inherit(vec![(self.clone(), order)], Vec::new()));
            release_links(former);
        }
    }

    /// Nothing changes if it is refused.
    fn move_to(self: &Arc<Self>, parent: &Arc<Self>, dropped_by: UnitKey) -> Option<Moved> {
        let inner = Arc::downgrade(self);
        let (key, retired) = lock(&parent.table).enter_orphan(inner, dropped_by, parent)?;
        let link = Link { parent: parent.clone(), key, opener: UnitKey::NOBODY, shield: None };
        let mut own = lock(&self.parent);
        let former = own.replace(link);
        let order = own.as_ref().and_then(Link::inherited);
        Some(Moved { former, order, retired })
    }

    /// It, and all that it is below.
    fn and_those_around(self: &Arc<Self>) -> Vec<Arc<Self>> {
        let above = |node: &Arc<Self>| lock(&node.parent).as_ref().map(|link| link.parent.clone());
        std::iter::successors(Some(self.clone()), above).collect()
    }
}

/// What follows from a move, when the lock is released.
struct Moved {
    /// To the one that it was below before.
    former: Option<Link>,
    /// The cancellation that it inherits now.
    order: Option<Order>,
    retired: Told,
}

/// Why what the caller drops is cancelled: because the caller is, if it is.
pub(crate) fn cause_of_drop_here() -> CancelCause {
    let inherited = enclosing().and_then(|(around, key)| around.cause_below(key));
    inherited.unwrap_or_else(CancelCause::dropped)
}
