//! Jobs that wait for a permit of a semaphore before they go to their pool (B2).

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};

use crate::job::{Job, in_turn};
use crate::semaphore::{Permit, Semaphore};
use crate::sync::{Mutex, drop_waker, lock, wake};

/// What a job has of a semaphore.
pub(crate) enum Held {
    Line(Arc<InLine>),
    Permit(Permit),
}

impl Held {
    pub(super) fn give_back(self) {
        match self {
            Self::Line(line) => line.leave(),
            Self::Permit(permit) => drop(permit),
        }
    }
}

/// Calls `go` with the job when it has a permit, which may be at once. Otherwise `watch` has to give what it
/// is given to the job's runtime, as a task.
pub(crate) fn when_permitted(
    semaphore: Semaphore,
    job: Job,
    go: impl FnOnce(Job) + Send + 'static,
    watch: impl FnOnce(LineWatch),
) {
    let cell = job.cell();
    let permit = Box::pin(async move { semaphore.acquire().await });
    let waiting = Waiting { permit, job, go: Box::new(go), watch: None };
    let line = Arc::new(InLine { waiting: Mutex::new(Some(waiting)) });
    if let Some(cell) = cell {
        cell.hold(Held::Line(line.clone()));
    }
    line.clone().wake();
    if line.is_waiting() {
        watch(LineWatch(Arc::downgrade(&line)));
    }
}

/// A job in line for a permit. It is the waker of its own waiting.
pub(crate) struct InLine {
    /// `None` once it has its permit, or has left. The lock is held while the semaphore is asked,
    /// which calls nobody.
    waiting: Mutex<Option<Waiting>>,
}

struct Waiting {
    permit: Pin<Box<dyn Future<Output = Permit> + Send>>,
    job: Job,
    go: Box<dyn FnOnce(Job) + Send>,
    /// Of the task that sees the runtime's shutdown.
    watch: Option<Waker>,
}

impl InLine {
    fn is_waiting(&self) -> bool {
        lock(&self.waiting).is_some()
    }

    fn leave(&self) {
        let waiting = lock(&self.waiting).take();
        if let Some(Waiting { watch: Some(watch), .. }) = waiting {
            wake(watch);
        }
    }

    fn advance(self: &Arc<Self>) {
        let Some((permit, Waiting { job, go, watch, .. })) = self.ask() else {
            return;
        };
        watch.into_iter().for_each(wake);
        if let Some(cell) = job.cell() {
            cell.hold(Held::Permit(permit));
        }
        go(job);
    }

    fn ask(self: &Arc<Self>) -> Option<(Permit, Waiting)> {
        let waker = Waker::from(self.clone());
        let mut waiting = lock(&self.waiting);
        let permit = &mut waiting.as_mut()?.permit;
        match permit.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(permit) => Some((permit, waiting.take()?)),
            Poll::Pending => None,
        }
    }
}

impl Wake for InLine {
    fn wake(self: Arc<Self>) {
        in_turn(move || self.advance());
    }
}

/// A task in the runtime of a job in line, which ends when the job has left that. Dropped before, because the
/// runtime is shut down, it has the job answered: whose permit comes no more, or too late (R1).
pub(crate) struct LineWatch(Weak<InLine>);

impl Future for LineWatch {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(line) = self.0.upgrade() else {
            return Poll::Ready(());
        };
        let fresh = cx.waker().clone();
        let (is_waiting, old) = match &mut *lock(&line.waiting) {
            Some(waiting) => (true, waiting.watch.replace(fresh)),
            None => (false, Some(fresh)),
        };
        drop_waker(old);
        if is_waiting { Poll::Pending } else { Poll::Ready(()) }
    }
}

impl Drop for LineWatch {
    fn drop(&mut self) {
        if let Some(line) = self.0.upgrade() {
            line.leave();
        }
    }
}
