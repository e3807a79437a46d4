//! Units that are cancelled alone: one whose handle says so (T6), and background tasks when the others of
//! their group have ended (G19).

use std::mem::take;
use std::sync::Weak;
use std::task::Waker;

use crate::cancel::{CancelCause, CauseKind};
use crate::group::state::node::Node;
use crate::group::state::table::{Table, UnitKey};
use crate::group::state::tree::inherit_all;
use crate::sync::atomic::Ordering;
use crate::sync::lock;
use crate::task::TaskId;

/// Whom to tell of it, outside the lock.
#[derive(Default)]
#[must_use]
pub(super) struct Told {
    /// Of the units, and of who waits for their cancellation (C2).
    wakers: Vec<Waker>,
    /// Inner groups that the units have open. Mostly they go with their opener; but that may have a shield
    /// beside them (C4).
    opened: Vec<Weak<Node>>,
}

impl Told {
    pub(super) fn tell(self) {
        inherit_all(&self.opened, self.wakers);
    }
}

impl Node {
    /// Cancels one unit, and what it has open. A job that has not been started ends here.
    pub(crate) fn cancel_unit(&self, key: UnitKey, id: TaskId, cause: CancelCause) {
        // The first one stays (C2).
        let cause = self.cause().cloned().unwrap_or(cause);
        let mut told = Told::default();
        let job = {
            let mut table = lock(&self.table);
            if !table.cancel_alone(key, id, &cause, &mut told) {
                return;
            }
            self.singled_out.fetch_add(1, Ordering::Release);
            table.job(key)
        };
        told.tell();
        if let Some(job) = job.and_then(|job| job.upgrade()) {
            job.revoke(cause);
        }
    }
}

impl Table {
    /// Cancels the background tasks if nobody else is alive. In a cancelled group nobody is looked for,
    /// because its table may have a body that does not count any more (`abandon`).
    pub(super) fn retire_if_alone(&mut self, node: &Node) -> Told {
        let is_due = self.retired < self.background.len();
        let may_be = is_due && self.count <= self.in_background;
        if !may_be || (node.cause().is_none() && !self.is_alone()) {
            return Told::default();
        }
        let cause = node.cause().cloned().unwrap_or_else(|| CauseKind::Finished.into());
        let (mut told, background) = (Told::default(), take(&mut self.background));
        let is_new =
            |(key, id): (&UnitKey, &TaskId)| self.cancel_alone(*key, *id, &cause, &mut told);
        let many = background.iter().map(is_new).filter(|is_new| *is_new).count();
        node.singled_out.fetch_add(many, Ordering::Release);
        self.retired = background.len();
        self.background = background;
        told
    }

    /// Whether all that is in it is in the background.
    fn is_alone(&self) -> bool {
        self.units.len() == self.background.len() + self.given_up
            && self.scopes.iter().all(|(_, scope)| scope.in_background)
    }

    /// Whether it was not cancelled yet.
    fn cancel_alone(
        &mut self,
        key: UnitKey,
        id: TaskId,
        cause: &CancelCause,
        told: &mut Told,
    ) -> bool {
        let unit = self.units.get_mut(key.0).filter(|unit| unit.id.get() == id);
        let Some(waker) = unit.and_then(|unit| unit.cancel(cause.clone())) else {
            return false;
        };
        told.wakers.extend(self.take_watchers_of(key));
        told.wakers.extend(waker);
        told.opened.extend(self.opened_by(key));
        true
    }

    /// Inner groups that the unit has open.
    pub(super) fn opened_by(&self, key: UnitKey) -> Vec<Weak<Node>> {
        self.extras.get(&key).map(|extra| self.nodes_of(&extra.opened)).unwrap_or_default()
    }
}
