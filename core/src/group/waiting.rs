//! `spawn_when_free`: waiting for a place in a group with a limit (G18).

use std::fmt;
use std::future::Future;
use std::mem::take;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::carried::Carried;
use crate::error::AsDynError;
use crate::group::body::MapFault;
use crate::group::entry::Admission;
use crate::group::handle::GroupHandle;
use crate::group::limit::Ticket;
use crate::group::node::Node;
use crate::group::spawn::spawn_carrying;
use crate::group::table::WatchKey;
use crate::runtime::Runtime;
use crate::sync::{drop_waker, lock};
use crate::task::{NoCallback, TaskHandle, TaskInfo};

/// The future of [`GroupHandle::spawn_when_free`](crate::GroupHandle::spawn_when_free).
#[must_use = "it spawns nothing unless awaited"]
pub struct SpawnWhenFree<E, R, F> {
    group: GroupHandle<E, R>,
    /// Until it is spawned. Not polled here.
    task: Option<(TaskInfo, F)>,
    carried: Carried,
    /// Its turn.
    ticket: Option<Ticket>,
    /// To see that the group is cancelled.
    watch: Option<WatchKey>,
}

impl<E, R, F> SpawnWhenFree<E, R, F> {
    pub(crate) fn new(group: GroupHandle<E, R>, info: TaskInfo, future: F) -> Self {
        let (task, carried) = (Some((info, future)), Carried::new());
        Self { group, task, carried, ticket: None, watch: None }
    }

    /// Most often there is a place, and nothing to wait for. Always in a group without a limit.
    fn takes_free_place(&mut self) -> bool {
        self.ticket.is_none() && self.group.node().take_free_place(&mut self.ticket)
    }

    /// Whether its turn has come, or the group takes nobody any more.
    fn has_come_up(&mut self, cx: &mut Context<'_>) -> bool {
        let node = self.group.node();
        node.watch(&mut self.watch, cx);
        // Who closes the group takes the wakers after it has said so; this looks for that after leaving one.
        node.cause().is_some() || node.poll_place(&mut self.ticket, cx) || node.is_closed()
    }

    /// It waits for nothing any more. A place that no task has taken over is the next one's.
    fn leave(&mut self) {
        let node = self.group.node();
        node.unwatch(self.watch.take());
        if let Some(ticket) = self.ticket.take() {
            node.give_back(ticket);
        }
    }

    /// Gives the task values that code in it can ask for (X4).
    pub fn carrying(mut self, carried: Carried) -> Self {
        self.carried = carried;
        self
    }
}

/// The future inside is only moved.
impl<E, R, F> Unpin for SpawnWhenFree<E, R, F> {}

impl<E, R, F, T> Future for SpawnWhenFree<E, R, F>
where
    E: AsDynError,
    R: Runtime,
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
{
    type Output = TaskHandle<T, R>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if !this.takes_free_place() && !this.has_come_up(cx) {
            return Poll::Pending;
        }
        let task = this.spawn();
        this.leave();
        Poll::Ready(task)
    }
}

impl<E, R, F, T> SpawnWhenFree<E, R, F>
where
    E: AsDynError,
    R: Runtime,
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
{
    /// What it has a place for, or the group refuses. The place is the task's, unless that is refused.
    fn spawn(&mut self) -> TaskHandle<T, R> {
        let (info, future) = self.task.take().expect("it is not polled after it has returned");
        let ticket = self.ticket.take();
        let admission = if ticket.is_some() { Admission::Reserved } else { Admission::Ordinary };
        let (future, carried) = (MapFault::new(future), take(&mut self.carried));
        let task = spawn_carrying(&self.group, info, admission, carried, future, NoCallback);
        self.ticket = ticket.filter(|_| task.is_refused());
        task
    }
}

impl<E, R, F> Drop for SpawnWhenFree<E, R, F> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<E, R, F> fmt::Debug for SpawnWhenFree<E, R, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpawnWhenFree").field("group", &self.group.id()).finish_non_exhaustive()
    }
}

impl Node {
    fn take_free_place(&self, ticket: &mut Option<Ticket>) -> bool {
        let Some(limiter) = &mut lock(&self.table).limiter else {
            return true;
        };
        *ticket = limiter.take_free();
        ticket.is_some()
    }

    fn poll_place(&self, ticket: &mut Option<Ticket>, cx: &mut Context<'_>) -> bool {
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
    fn give_back(self: &Arc<Self>, ticket: Ticket) {
        let granted = {
            let mut table = lock(&self.table);
            table.limiter.as_mut().map(|limiter| limiter.give_back(ticket)).unwrap_or_default()
        };
        self.carry_out(granted);
    }
}
