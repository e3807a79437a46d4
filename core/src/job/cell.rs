//! Jobs: closures on the blocking or CPU pool, from the queue to the handle.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::cancel::{CancelCause, CauseKind};
use crate::error::{AsDynError, Echo};
use crate::group::{Admission, Core, End, Fault, GroupId, Role, Unit};
use crate::job::permit::Held;
use crate::panics::{contained, drop_contained};
use crate::runtime::{Root, Runtime};
use crate::semaphore::Semaphore;
use crate::slot::{Place, poll_take};
use crate::stack::{Doing, end_as, run_as};
use crate::sync::{Mutex, lock, wake};
use crate::task::{JoinJob, Output, TaskError, TaskInfo};
use crate::unhandled::{self, UnhandledKind};

/// A job on its way to a pool's thread. Dropping it before it has run says "shut down" to whoever
/// waits for it.
#[must_use = "dropping a job cancels it"]
pub struct Job {
    /// `None` once it has run.
    cell: Option<Arc<dyn RunJob>>,
    /// Whose permit it needs before it goes to its pool.
    semaphore: Option<Semaphore>,
}

impl Job {
    pub(crate) fn new(cell: Arc<dyn RunJob>, semaphore: Option<Semaphore>) -> Self {
        Self { cell: Some(cell), semaphore }
    }

    /// Runs it, unless it was cancelled before. Never panics.
    pub fn run(self) {
        self.run_after(|| {});
    }

    /// Runs it with `first` before its closure, as if that began with it: for pools that try out
    /// what a panic in a job does. The panic of `first` is the job's own (P4).
    pub fn run_after(mut self, first: impl Fn()) {
        if let Some(cell) = self.cell.take() {
            cell.run(&first);
        }
    }

    /// What keeps its place in a semaphore's line; none once it has run.
    pub(super) fn cell(&self) -> Option<Arc<dyn RunJob>> {
        self.cell.clone()
    }

    /// Whose permit it still needs.
    pub(crate) fn take_semaphore(&mut self) -> Option<Semaphore> {
        self.semaphore.take()
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if let Some(cell) = &self.cell {
            cell.revoke(CauseKind::Shutdown.into());
        }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").finish_non_exhaustive()
    }
}

/// A job as the pool and a cancellation see it.
pub(crate) trait RunJob: Send + Sync {
    /// It has been let into its group. A cancellation that came before has found nothing to revoke.
    fn enter(&self, unit: Unit);
    fn run(&self, first: &dyn Fn());
    /// Ends the job if it has not been started (B3).
    fn revoke(&self, cause: CancelCause);
    /// Keeps its place in a semaphore's line, or the permit that came of that, until the job ends.
    fn hold(&self, held: Held);
}

/// One job: the closure until it starts, the value once it has ended. The only allocation of a job: its
/// pool and its handle have it in common.
pub(crate) struct JobCell<R, E, C, T> {
    /// Locked for a look or an exchange; what is taken out is called, dropped and ended after that.
    state: Mutex<State<C, T>>,
    core: PhantomData<fn() -> (R, E)>,
}

struct State<C, T> {
    /// Whoever takes it together with the unit, a pool's thread or a cancellation, decides whether the
    /// job runs, and has to end it.
    closure: Option<C>,
    /// From when the job is in its group; before that nothing can be done about it. Once the closure is
    /// gone, what is to be ended in place of the unit that went with it: the job was given up.
    unit: Option<Unit>,
    /// Goes to whoever ends the job. Few have it: in a box it takes little of the others' room.
    held: Option<Box<Held>>,
    has_ended: bool,
    /// For the handle.
    value: Place<Output<T>>,
}

/// What a pool's thread, or a cancellation, has of a job.
struct Taken<C> {
    closure: C,
    unit: Unit,
    /// Why it is not to run.
    cause: Option<CancelCause>,
}

/// Whom to wake now that the output is at the handle's; or the output, if nobody will take it.
type Filled<T> = Result<Option<Waker>, Output<T>>;

/// Why the unit is cancelled, if it is. One look, most of the time.
#[inline]
fn cause_of(unit: &Unit) -> Option<CancelCause> {
    if unit.node().knows_a_cause() { unit.cause() } else { None }
}

impl<C, T> State<C, T> {
    /// The job gets its unit. A cancellation that came before, and found nothing to revoke, has its cause
    /// seen here, because it has had the lock.
    fn enter(&mut self, unit: Unit) -> Option<CancelCause> {
        cause_of(self.unit.insert(unit))
    }

    /// Takes the closure, if nobody has yet. The cause is looked at under the same lock: once the job has
    /// been given up, the unit's place in the table may be another's.
    #[inline]
    fn begin(&mut self) -> Option<Taken<C>> {
        let unit = self.unit.take_if(|_| self.closure.is_some())?;
        let closure = self.closure.take()?;
        let cause = cause_of(&unit);
        Some(Taken { closure, unit, cause })
    }

    fn is_running(&self) -> bool {
        self.closure.is_none() && self.unit.is_none() && !self.has_ended
    }

    /// The unit to be ended is another from now on. It comes back if it is too late for that.
    fn inherit(&mut self, heir: Unit) -> Result<(), Unit> {
        if !self.is_running() {
            return Err(heir);
        }
        self.unit = Some(heir);
        Ok(())
    }

    /// The job is about to end: whose unit that is, if not the one it began with.
    fn end(&mut self) -> (Option<Unit>, Option<Box<Held>>) {
        self.has_ended = true;
        (self.unit.take(), self.held.take())
    }

    /// The same with its value at once, unless it holds something, which goes back before that.
    #[inline]
    fn succeed(&mut self, value: T) -> Result<(Option<Unit>, Filled<T>), T> {
        if self.held.is_some() {
            return Err(value);
        }
        let (heir, _) = self.end();
        Ok((heir, self.value.fill(Output::new(Ok(value)))))
    }

    /// What comes back is to be given back.
    fn hold(&mut self, held: Box<Held>) -> Option<Box<Held>> {
        match self.has_ended {
            true => Some(held),
            false => self.held.replace(held),
        }
    }
}

impl<R, E, C, T> JobCell<R, E, C, T>
where
    R: Runtime,
    E: AsDynError,
    C: FnOnce() -> Result<T, Fault<E>> + Send + 'static,
    T: Send + 'static,
{
    /// A job that is to be let into its group before it is queued.
    pub(crate) fn new(closure: C) -> Arc<Self> {
        let (closure, value) = (Some(closure), Place::Empty(None));
        let state = State { closure, unit: None, held: None, has_ended: false, value };
        Arc::new(Self { state: Mutex::new(state), core: PhantomData })
    }

    /// Takes it for whoever runs or revokes it.
    #[inline]
    fn begin(&self) -> Option<Taken<C>> {
        lock(&self.state).begin()
    }

    /// Drops the closure as the job that it would have been, not as whoever cancels it (X2, X3).
    #[cold]
    fn cancel(&self, closure: C, unit: Unit, cause: CancelCause) {
        let (node, mut unit, mut closure) = (unit.node().clone(), Some(unit), Some(closure));
        node.core().within(&mut || {
            let Some(unit) = unit.take() else {
                return;
            };
            let (unit, dropped) = end_as(unit, &mut || drop(closure.take()));
            contained(UnhandledKind::Destructor, dropped);
            self.settle(unit, End::Cancelled(cause.clone()));
        });
    }

    /// Stores the output for the handle, and only then counts the job as ended. A plain success is settled
    /// without the ledger.
    fn finish(&self, unit: Unit, end: End<Result<T, Fault<E>>>) {
        let end = match end {
            End::Value(Ok(value)) if !unit.node().asks_policy() => {
                self.vacate(&unit);
                let succeeded = lock(&self.state).succeed(value);
                match succeeded {
                    Ok((heir, filled)) => return leave(inherited(unit, heir), filled),
                    Err(value) => End::Value(Ok(value)),
                }
            }
            end => end,
        };
        self.settle(unit, end);
    }

    /// The same for all others: what it held goes back first, and its group is cancelled if its end says
    /// so.
    fn settle(&self, unit: Unit, end: End<Result<T, Fault<E>>>) {
        let (heir, held) = lock(&self.state).end();
        held.into_iter().for_each(|held| held.give_back());
        let own = unit.node().id();
        let unit = inherited(unit, heir);
        let outcome = match Core::<R, E>::get(unit.node()) {
            Some(core) => core.settle(&unit, Role::Job, end),
            None => given_up(&unit.info(), own, end),
        };
        self.vacate(&unit);
        let filled = lock(&self.state).value.fill(Output::new(outcome));
        leave(unit, filled);
    }

    /// Before anybody has the value, its place in a limit is the next one's (G18), and what it carried is
    /// gone (X4). What nobody takes is dropped before that, because the job looks ended from then on (T3).
    fn vacate(&self, unit: &Unit) {
        unit.drop_carried();
        if unit.node().has_limit() && lock(&self.state).value.is_empty() {
            unit.vacate();
        }
    }
}

/// The unit that is to be ended. With an heir, the one that the job began with is counted no more.
#[inline]
fn inherited(unit: Unit, heir: Option<Unit>) -> Unit {
    match heir {
        None => unit,
        Some(heir) => {
            unit.end_given_up();
            heir
        }
    }
}

/// Wakes whoever waits, or drops what nobody takes, and counts the job as ended.
#[inline]
fn leave<T>(unit: Unit, filled: Filled<T>) {
    match filled {
        Ok(None) => {}
        Ok(Some(waker)) => wake(waker),
        Err(output) => drop(output),
    }
    unit.end();
}

/// A job that was given up belongs to the runtime's root, which has no caller to fail (C9). What is no
/// failure in its own group is none here (G4).
fn given_up<T, E: AsDynError>(
    info: &TaskInfo,
    own: GroupId,
    end: End<Result<T, Fault<E>>>,
) -> Result<T, TaskError> {
    match end {
        End::Value(Ok(value)) => Ok(value),
        End::Value(Err(fault)) => {
            if let Some(error) = fault.as_error().filter(|error| Echo::of(*error, own).is_none()) {
                unhandled::report_error(UnhandledKind::Failure, Some(info), error);
            }
            drop_contained(fault);
            Err(TaskError::cancelled(info.id(), CancelCause::dropped()))
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
    fn enter(&self, unit: Unit) {
        let cause = lock(&self.state).enter(unit);
        if let Some(cause) = cause {
            RunJob::revoke(self, cause);
        }
    }

    fn run(&self, first: &dyn Fn()) {
        let Some(Taken { closure, unit, cause }) = self.begin() else {
            return;
        };
        // Whoever cancels has not come to revoke it yet.
        if let Some(cause) = cause {
            return self.cancel(closure, unit, cause);
        }
        let job = || {
            first();
            closure()
        };
        let (unit, outcome) = run_as(unit, Doing::Job, job);
        self.finish(unit, outcome.map_or_else(End::Panicked, End::Value));
    }

    fn revoke(&self, cause: CancelCause) {
        if let Some(Taken { closure, unit, .. }) = self.begin() {
            self.cancel(closure, unit, cause);
        }
    }

    fn hold(&self, held: Held) {
        let left = lock(&self.state).hold(Box::new(held));
        left.into_iter().for_each(|held| held.give_back());
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
        poll_take(&self.state, |state| &mut state.value, cx)
    }

    fn close(&self) {
        let left = lock(&self.state).value.close();
        left.let_go();
    }

    fn give_up(&self, own: Unit, root: &Root) {
        RunJob::revoke(self, CancelCause::dropped());
        // Under the lock, because its place in the table is its own until it ends.
        let info = {
            let state = lock(&self.state);
            state.is_running().then(|| own.info())
        };
        let Some(info) = info else {
            return;
        };
        let Ok(heir) = root.node().enter(info, Admission::Ordinary) else {
            return;
        };
        // Its place in the table stays its own, for what is asked on its thread. The job cannot end
        // in between.
        let inherited = {
            let mut state = lock(&self.state);
            state.inherit(heir).map(|()| own.give_up_job())
        };
        inherited.map_or_else(Unit::end, |given_up| own.node().follow_given_up(given_up));
    }
}
