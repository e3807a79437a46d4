//! `spawn_when_free`: waiting for a place in a group with a limit (G18).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::error::AsDynError;
use crate::group::spawning::task::TaskBuilder;
use crate::group::state::entry::Admission;
use crate::group::state::limit::Ticket;
use crate::group::state::node::Node;
use crate::group::state::watch::Watch;
use crate::runtime::Runtime;
use crate::task::TaskHandle;

/// The future of [`GroupHandle::spawn_when_free`](crate::GroupHandle::spawn_when_free) and
/// [`TaskBuilder::spawn_when_free`].
#[must_use = "it spawns nothing unless awaited"]
pub struct SpawnWhenFree<T, E, R, F> {
    /// To see that the group is cancelled.
    watch: Watch,
    /// Until it is spawned.
    task: Option<TaskBuilder<T, E, R, F>>,
    /// Its turn.
    ticket: Option<Ticket>,
}

impl<T, E, R, F> SpawnWhenFree<T, E, R, F> {
    pub(super) fn new(node: Arc<Node>, task: TaskBuilder<T, E, R, F>) -> Self {
        Self { watch: Watch::new(node), task: Some(task), ticket: None }
    }

    /// Most often there is a place, and nothing to wait for. Always in a group without a limit, and for a
    /// background task, which needs none.
    fn takes_free_place(&mut self) -> bool {
        let needs_none = self.task.as_ref().is_some_and(TaskBuilder::is_background);
        needs_none || self.ticket.is_none() && self.watch.node().take_free_place(&mut self.ticket)
    }

    /// Whether its turn has come, or the group takes nobody any more.
    fn has_come_up(&mut self, cx: &mut Context<'_>) -> bool {
        let Self { watch, ticket, .. } = self;
        let come_up = watch.poll(cx, |node| node.cause().map(drop));
        // Who closes the group takes the wakers after it has said so; this looks for that after leaving one.
        let node = watch.node();
        come_up.is_ready() || node.poll_place(ticket, cx) || node.is_closed()
    }

    /// It waits for nothing any more. A place that no task has taken over is the next one's.
    fn leave(&mut self) {
        self.watch.stop();
        if let Some(ticket) = self.ticket.take() {
            self.watch.node().give_back(ticket);
        }
    }
}

/// The future inside is only moved.
impl<T, E, R, F> Unpin for SpawnWhenFree<T, E, R, F> {}

impl<T, E, R, F> Future for SpawnWhenFree<T, E, R, F>
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

impl<T, E, R, F> SpawnWhenFree<T, E, R, F>
where
    E: AsDynError,
    R: Runtime,
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
{
    /// What it has a place for, or the group refuses. The place is the task's, unless that is refused.
    fn spawn(&mut self) -> TaskHandle<T, R> {
        let task = self.task.take().expect("it is not polled after it has returned");
        let ticket = self.ticket.take();
        let admission = if ticket.is_some() { Admission::Reserved } else { Admission::Ordinary };
        let task = task.spawn_with(admission);
        self.ticket = ticket.filter(|_| task.is_refused());
        task
    }
}

impl<T, E, R, F> Drop for SpawnWhenFree<T, E, R, F> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<T, E, R, F> fmt::Debug for SpawnWhenFree<T, E, R, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpawnWhenFree")
            .field("group", &self.watch.node().id())
            .finish_non_exhaustive()
    }
}
