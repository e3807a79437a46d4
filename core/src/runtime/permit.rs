//! Jobs that wait for a permit of a semaphore before they go to their pool (B2).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::panics::contain;
use crate::runtime::Job;
use crate::semaphore::{Permit, Semaphore};
use crate::sync::{Mutex, lock, thread_local};
use crate::unhandled::UnhandledKind;

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
    /// One after the other: a pool that is shut down drops a job at once, whose permit then goes to
    /// the next, and so on without end.
    fn wake(self: Arc<Self>) {
        let is_first = TURNS.try_with(|turns| {
            turns.borrow_mut().push_back(self.clone());
            turns.borrow().len() == 1
        });
        let Ok(is_first) = is_first else {
            // The thread ends and has no list any more: then it goes on at once.
            return contain(UnhandledKind::Waker, || self.advance());
        };
        if !is_first {
            return;
        }
        while let Some(line) = TURNS.with(|turns| turns.borrow().front().cloned()) {
            contain(UnhandledKind::Waker, || line.advance());
            let done = TURNS.with(|turns| turns.borrow_mut().pop_front());
            drop(done);
        }
    }
}

thread_local! {
    /// Those whose turn has come on this thread; the first is the one that goes on right now.
    static TURNS: RefCell<VecDeque<Arc<InLine>>> = const { RefCell::new(VecDeque::new()) };
}
