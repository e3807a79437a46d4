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

/// One job: the closure until it starts, the value once it has ended. The only allocation of a job: its
/// pool and its handle have it in common.
pub(crate) struct JobCell<R, E, C, T> {
    /// Locked for a look or an exchange; what is taken out is called and dropped after that.
    state: Mutex<State<C>>,
    slot: Slot<Output<T>>,
    core: PhantomData<fn() -> (R, E)>,
}

struct State<C> {
    /// Whoever takes it, a pool's thread or a cancellation, decides whether the job runs.
    closure: Option<C>,
    /// Taken by whoever ends the job; exchanged when the job is given up.
    unit: Option<Unit>,
    /// Goes with the unit to whoever ends the job.
    held: Option<Held>,
}

/// What a pool's thread has of a job that it begins.
struct Begun<C> {
    closure: C,
    unit: Option<Unit>,
    /// It was cancelled, and the one who does that has not come to revoke it yet.
    cause: Option<CancelCause>,
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
        let state = State { closure: Some(closure), unit: Some(unit), held: None };
        let cell =
            Arc::new(Self { state: Mutex::new(state), slot: Slot::new(), core: PhantomData });
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
        let Some(unit) = self.take_unit() else {
            return;
        };
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

    /// Takes the right to end the job. What it held is given back first.
    fn take_unit(&self) -> Option<Unit> {
        let (unit, held) = {
            let mut state = lock(&self.state);
            (state.unit.take()?, state.held.take())
        };
        held.into_iter().for_each(Held::give_back);
        Some(unit)
    }

    /// Ends it without a call of its closure, which is dropped as the job that it would have been, not
    /// as whoever cancels it (X2, X3).
    fn cancel(&self, closure: C, unit: Option<Unit>, cause: CancelCause) {
        match unit {
            None => contain(UnhandledKind::Destructor, || drop(closure)),
            Some(unit) => drop_in_context(closure, unit),
        }
        self.finish(End::Cancelled(cause));
    }

    /// Takes the closure, to call it. The cause is looked at under the same lock: once the job has been
    /// given up, the unit's place in the table may be another's.
    fn begin(&self) -> Option<Begun<C>> {
        let mut state = lock(&self.state);
        let closure = state.closure.take()?;
        let unit = state.unit.as_ref().map(Unit::share);
        let cause = unit.as_ref().and_then(Unit::cause);
        Some(Begun { closure, unit, cause })
    }

    /// Takes the closure of a job that is not to run.
    fn take_closure(&self) -> Option<(C, Option<Unit>)> {
        let mut state = lock(&self.state);
        let closure = state.closure.take()?;
        Some((closure, state.unit.as_ref().map(Unit::share)))
    }

    /// Exchanges the unit of a running job; gives back the one that is to be ended now.
    fn replace_unit(&self, heir: Unit) -> Unit {
        let mut state = lock(&self.state);
        match state.unit.take() {
            Some(old) => {
                state.unit = Some(heir);
                old
            }
            None => heir,
        }
    }
}

fn drop_in_context<C>(closure: C, unit: Unit) {
    let (node, mut closure, mut current) = (unit.node().clone(), Some(closure), Some(unit));
    node.core().within(&mut || {
        let dropped = run_as(&mut current, Doing::End, || drop(closure.take()));
        contained(UnhandledKind::Destructor, dropped);
    });
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
        let Some(Begun { closure, unit: mut current, cause }) = self.begin() else {
            return;
        };
        if let Some(cause) = cause {
            return self.cancel(closure, current, cause);
        }
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
        if let Some((closure, unit)) = self.take_closure() {
            self.cancel(closure, unit, cause);
        }
    }

    fn hold(&self, held: Held) {
        let left = {
            let mut state = lock(&self.state);
            match state.unit {
                Some(_) => state.held.replace(held),
                None => Some(held),
            }
        };
        // A place in line that has been left already, or what came after the end.
        left.into_iter().for_each(Held::give_back);
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
        let Some(info) = lock(&self.state).unit.as_ref().map(Unit::info) else {
            return;
        };
        let Ok(heir) = root.node().enter(info, Admission::Ordinary) else {
            return;
        };
        self.replace_unit(heir).end();
    }
}
