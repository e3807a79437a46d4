//! Jobs that wait for a permit of a semaphore before they go to their pool (B2).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::job::{Job, in_turn};
use crate::semaphore::{Permit, Semaphore};
use crate::sync::{Mutex, lock};

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

/// Calls `go` with the job when it has a permit, which may be at once.
pub(crate) fn when_permitted(
    semaphore: Semaphore,
    job: Job,
    go: impl FnOnce(Job) + Send + 'static,
) {
    let cell = job.cell();
    let permit = Box::pin(async move { semaphore.acquire().await });
    let waiting = Waiting { permit, job, go: Box::new(go) };
    let line = Arc::new(InLine { waiting: Mutex::new(Some(waiting)) });
    if let Some(cell) = cell {
        cell.hold(Held::Line(line.clone()));
    }
    line.wake();
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
}

impl InLine {
    fn leave(&self) {
        let waiting = lock(&self.waiting).take();
        drop(waiting);
    }

    fn advance(self: &Arc<Self>) {
        let Some((permit, Waiting { job, go, .. })) = self.ask() else {
            return;
        };
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
