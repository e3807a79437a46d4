//! What a group does with its limit: who is launched or woken when a place is given or comes free (G18).

use std::sync::Arc;
use std::task::Context;

use crate::group::state::limit::{Granted, Ticket};
use crate::group::state::node::Node;
use crate::group::state::table::UnitKey;
use crate::job::{Job, Pool, in_turn};
use crate::sync::{drop_waker, lock, wake_all};
use crate::task::TaskId;

impl Node {
    /// Puts a job into its pool's queue, or keeps it until it has a place (G18).
    pub(crate) fn launch(&self, key: UnitKey, id: TaskId, pool: Pool, job: Job) {
        let job = match self.has_limit {
            true => lock(&self.table).hold(key, id, pool, job),
            false => Some(job),
        };
        if let Some(job) = job {
            self.core.launch(pool, job);
        }
    }

    pub(crate) fn is_queued(&self, key: UnitKey) -> bool {
        lock(&self.table).limiter.as_ref().is_some_and(|limiter| limiter.is_queued(key))
    }

    /// Wakes and launches those who have been given a place.
    pub(super) fn carry_out(self: &Arc<Self>, granted: Granted) {
        granted.tasks.into_iter().for_each(|key| self.wake_unit(key));
        wake_all(granted.wakers);
        for (pool, job) in granted.jobs {
            let node = self.clone();
            in_turn(move || node.core.launch(pool, job));
        }
    }

    /// A ticket with a place, if there is one free; true without one where the group has no limit.
    pub(in crate::group) fn take_free_place(&self, ticket: &mut Option<Ticket>) -> bool {
        let Some(limiter) = &mut lock(&self.table).limiter else {
            return true;
        };
        *ticket = limiter.take_free();
        ticket.is_some()
    }

    /// Whether the ticket has come up; it is drawn if there is none yet.
    pub(in crate::group) fn poll_place(
        &self,
        ticket: &mut Option<Ticket>,
        cx: &mut Context<'_>,
    ) -> bool {
        let fresh = cx.waker().clone();
        let (has_place, old) = match &mut lock(&self.table).limiter {
            None => (true, Some(fresh)),
            Some(limiter) => {
                let ticket = ticket.get_or_insert_with(|| limiter.draw());
                limiter.poll(ticket, fresh)
            }
        };
        drop_waker(old);
        has_place
    }

    /// Nobody waits with this ticket any more; if it has a place that is the next one's.
    pub(in crate::group) fn give_back(self: &Arc<Self>, ticket: Ticket) {
        let granted = {
            let mut table = lock(&self.table);
            table.limiter.as_mut().map(|limiter| limiter.give_back(ticket)).unwrap_or_default()
        };
        self.carry_out(granted);
    }
}
