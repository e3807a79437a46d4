//! Jobs: closures on the blocking or CPU pool, from the queue to the handle.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::cancel::{CancelCause, CauseKind};
use crate::error::AsDynError;
use crate::group::{Admission, Core, End, Ending, Fault, Role, Settled, Unit};
use crate::panics::{contain, contained};
use crate::runtime::permit::Held;
use crate::runtime::{Root, Runtime};
use crate::semaphore::Semaphore;
use crate::slot::Slot;
use crate::stack::{Doing, run_as};
use crate::sync::{Mutex, lock};
use crate::task::{JoinJob, Output, TaskError, TaskInfo};
use crate::unhandled::{self, UnhandledKind};

/// A job on its way to a pool's thread. Dropping it before it has run says "shut down" to whoever
/// waits for it.
#[must_use = "dropping a job cancels it"]
pub struct Job {
    cell: Arc<dyn RunJob>,
    /// Whose permit it needs before it goes to its pool.
    semaphore: Option<Semaphore>,
}

impl Job {
    pub(crate) fn new(cell: Arc<dyn RunJob>, semaphore: Option<Semaphore>) -> Self {
        Self { cell, semaphore }
    }

    /// Runs it, unless it was cancelled before. Never panics.
    pub fn run(self) {
        self.cell.run(&|| {});
    }

    /// Runs it with `first` before its closure, as if that began with it: for pools that try out
    /// what a panic in a job does. The panic of `first` is the job's own (P4).
    pub fn run_after(self, first: impl Fn()) {
        self.cell.run(&first);
    }

    pub(super) fn cell(&self) -> &Arc<dyn RunJob> {
        &self.cell
    }

    /// Whose permit it still needs.
    pub(crate) fn take_semaphore(&mut self) -> Option<Semaphore> {
        self.semaphore.take()
    }
}

impl Drop for Job {
    /// After it has run there is nothing left to revoke.
    fn drop(&mut self) {
        self.cell.revoke(CauseKind::Shutdown.into());
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").finish_non_exhaustive()
    }
}

/// A job as the pool and a cancellation see it.
pub(crate) trait RunJob: Send + Sync {
    fn run(&self, first: &dyn Fn());
    /// Ends the job if it has not been started (B3).
    fn revoke(&self, cause: CancelCause);
    /// Keeps its place in a semaphore's line, or the permit that came of that, until the job ends.
    fn hold(&self, held: Held);
}

/// One job: the closure until it starts, the value once it has ended.
pub(crate) struct JobCell<R, E, C, T> {
    /// Whoever takes it, a pool's thread or a cancellation, decides whether the job runs.
    closure: Mutex<Option<C>>,
    /// Taken by whoever ends the job; exchanged when the job is given up.
    unit: Mutex<Option<Unit>>,
    /// Given back by whoever has taken the unit. Whoever puts something in looks at the unit after
    /// that, so that one of the two sees the other.
    held: Mutex<Option<Held>>,
    slot: Slot<Output<T>>,
    core: PhantomData<fn() -> (R, E)>,
}

impl<R, E, C, T> JobCell<R, E, C, T>
where
    R: Runtime,
    E: AsDynError,
    C: FnOnce() -> Result<T, Fault<E>> + Send + 'static,
    T: Send + 'static,
{
    pub(crate) fn new(closure: C, unit: Unit) -> Arc<Self> {
        let (node, key) = (unit.node().clone(), unit.key());
        let cell = Arc::new(Self {
            closure: Mutex::new(Some(closure)),
            unit: Mutex::new(Some(unit)),
            held: Mutex::new(None),
            slot: Slot::new(),
            core: PhantomData,
        });
        let job: Arc<dyn RunJob> = cell.clone();
        node.add_job(key, Arc::downgrade(&job));
        // A cancellation that came before the job was in the table could not find it there.
        if let Some(cause) = node.cause_for(key) {
            RunJob::revoke(&*cell, cause);
        }
        cell
    }

    /// Settles, stores the output for the handle, and only then counts the job as ended.
    fn finish(&self, end: End<Result<T, Fault<E>>>) {
        let Some(unit) = lock(&self.unit).take() else {
            return;
        };
        self.let_go();
        let outcome = match Core::<R, E>::get(unit.node()) {
            Some(core) => {
                let ending =
                    Ending { group: unit.node().id(), role: Role::Job, info: &|| unit.info() };
                let Settled { outcome, cancel } = core.ledger.settle(&ending, end);
                if let Some(cause) = cancel {
                    unit.node().cancel(cause);
                }
                outcome
            }
            None => given_up(&unit.info(), end),
        };
        drop(self.slot.fill(Output::new(outcome)));
        unit.end();
    }

    /// Drops the closure as the job that it would have been, not as whoever cancels it (X2, X3).
    fn drop_in_context(&self, closure: C) {
        let Some(unit) = lock(&self.unit).as_ref().map(Unit::share) else {
            return contain(UnhandledKind::Destructor, || drop(closure));
        };
        let (node, mut closure, mut current) = (unit.node().clone(), Some(closure), Some(unit));
        node.core().within(&mut || {
            let dropped = run_as(&mut current, Doing::End, || drop(closure.take()));
            contained(UnhandledKind::Destructor, dropped);
        });
    }

    fn let_go(&self) {
        let held = lock(&self.held).take();
        held.into_iter().for_each(Held::give_back);
    }

    /// Takes the closure, to call it, and says that it cannot be revoked any more. All under the lock of
    /// the unit: once the job has been given up, the unit's place in the table may be another job's.
    fn begin(&self) -> Option<C> {
        let unit = lock(&self.unit);
        let closure = self.take_closure()?;
        if let Some(unit) = &*unit {
            unit.node().job_started(unit.key());
        }
        Some(closure)
    }

    /// Takes the closure. A statement of its own, so that the lock is gone when it returns.
    fn take_closure(&self) -> Option<C> {
        lock(&self.closure).take()
    }
}

/// A job that was given up belongs to the runtime's root, which has no caller to fail (C9).
fn given_up<T, E: AsDynError>(
    info: &TaskInfo,
    end: End<Result<T, Fault<E>>>,
) -> Result<T, TaskError> {
    match end {
        End::Value(Ok(value)) => Ok(value),
        End::Value(Err(fault)) => {
            if let Some(error) = fault.as_error() {
                unhandled::report_error(UnhandledKind::Failure, Some(info), error);
            }
            contain(UnhandledKind::Destructor, || drop(fault));
            Err(TaskError::cancelled(info.id(), CauseKind::Dropped.into()))
        }
        End::Panicked(payload) => Err(TaskError::panicked(info.id(), payload)),
        End::Cancelled(cause) => Err(TaskError::cancelled(info.id(), cause)),
    }
}

impl<R, E, C, T> RunJob for JobCell<R, E, C, T>
where
    R: Runtime,
    E: AsDynError,
    C: FnOnce() -> Result<T, Fault<E>> + Send + 'static,
    T: Send + 'static,
{
    fn run(&self, first: &dyn Fn()) {
        let mut current = lock(&self.unit).as_ref().map(Unit::share);
        // Cancelled, and the one who does that has not come to revoke it yet.
        if let Some(cause) = current.as_ref().and_then(Unit::cause) {
            return RunJob::revoke(self, cause);
        }
        let Some(closure) = self.begin() else {
            return;
        };
        let job = || {
            first();
            closure()
        };
        let end = match run_as(&mut current, Doing::Job, job) {
            Ok(value) => End::Value(value),
            Err(payload) => End::Panicked(payload),
        };
        drop(current);
        self.finish(end);
    }

    fn revoke(&self, cause: CancelCause) {
        if let Some(closure) = self.take_closure() {
            self.drop_in_context(closure);
            self.finish(End::Cancelled(cause));
        }
    }

    fn hold(&self, held: Held) {
        *lock(&self.held) = Some(held);
        if lock(&self.unit).is_none() {
            self.let_go();
        }
    }
}

impl<R, E, C, T> JoinJob<T> for JobCell<R, E, C, T>
where
    R: Runtime,
    E: AsDynError,
    C: FnOnce() -> Result<T, Fault<E>> + Send + 'static,
    T: Send + 'static,
{
    fn poll_join(&self, cx: &mut Context<'_>) -> Poll<Option<Output<T>>> {
        self.slot.poll_take(cx)
    }

    fn close(&self) {
        self.slot.close();
    }

    fn revoke(&self, cause: CancelCause) {
        RunJob::revoke(self, cause);
    }

    fn give_up(&self, root: &Root) {
        RunJob::revoke(self, CauseKind::Dropped.into());
        let Some(info) = lock(&self.unit).as_ref().map(Unit::info) else {
            return;
        };
        let Ok(heir) = root.node().enter(info, Admission::Ordinary) else {
            return;
        };
        let replaced = {
            let mut unit = lock(&self.unit);
            match unit.take() {
                Some(old) => unit.replace(heir).or(Some(old)),
                None => Some(heir),
            }
        };
        if let Some(unit) = replaced {
            unit.end();
        }
    }
}
