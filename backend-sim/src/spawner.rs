//! `Spawner`: tasks as units of the simulation.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};

use anyscope_core::{NativeHandle, RemoteHandle, Root, Spawner, remote};

use crate::Sim;
use crate::scheduler::Shared;
use crate::state::Work;
use crate::thread::with_watch;
use crate::trace::{UnitId, UnitKind};

impl Spawner for Sim {
    type Handle<T: Send + 'static> = SimHandle<T>;

    fn start<F>(&self, future: F) -> SimHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (future, handle) = remote(future);
        // What is refused is dropped here, where no lock is held.
        let unit = self.shared.add(UnitKind::Task, Work::Task(Some(Box::pin(future)))).ok();
        if let Some(unit) = unit.filter(|_| self.shared.labels) {
            with_watch(&self.shared, |watch| self.shared.label(unit, UnitKind::Task, watch));
        }
        SimHandle { handle, unit, shared: self.shared.clone() }
    }

    fn root(&self) -> &Root {
        &self.shared.root
    }
}

/// The handle of a started future. `unit` is `None` if that was refused.
pub struct SimHandle<T> {
    handle: RemoteHandle<T>,
    unit: Option<UnitId>,
    shared: Arc<Shared>,
}

impl<T: Send + 'static> NativeHandle<T> for SimHandle<T> {
    fn poll_join(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let polled = self.handle.poll_join(cx);
        if let (Poll::Pending, Some(unit)) = (&polled, self.unit) {
            self.shared.note_waiter(unit);
        }
        polled
    }
}

impl<T> fmt::Debug for SimHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimHandle").field("unit", &self.unit).finish_non_exhaustive()
    }
}
