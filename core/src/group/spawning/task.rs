//! Spawning: how tasks enter a group, and how they are refused.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use crate::cancel::CancelCause;
use crate::carried::Carried;
use crate::error::{AsDynError, ErrIntoExt};
use crate::group::handle::GroupHandle;
use crate::group::spawning::when_free::SpawnWhenFree;
use crate::group::state::entry::{Admission, Refusal};
use crate::group::state::unit::Unit;
use crate::panics::{contain, drop_contained};
use crate::runtime::Runtime;
use crate::task::{
    Callback, NoCallback, OnDone, TaskError, TaskFuture, TaskHandle, TaskId, TaskInfo, TaskOutput,
};
use crate::unhandled::UnhandledKind;

/// A task that is about to be spawned: [`GroupHandle::task`](crate::GroupHandle::task).
#[must_use = "call `spawn`"]
pub struct TaskBuilder<T, E, R, F> {
    group: GroupHandle<E, R>,
    future: F,
    name: Option<Arc<str>>,
    location: &'static Location<'static>,
    on_done: Option<Callback<T>>,
    carried: Carried,
    background: bool,
}

impl<T, E, R, F> TaskBuilder<T, E, R, F>
where
    T: Send + 'static,
    E: AsDynError,
    R: Runtime,
    F: Future<Output = Result<T, E>> + Send + 'static,
{
    #[track_caller]
    pub(crate) fn new(group: GroupHandle<E, R>, future: F) -> Self {
        let location = Location::caller();
        let (name, on_done, carried) = (None, None, Carried::new());
        Self { group, future, name, location, on_done, carried, background: false }
    }

    /// Names the task; its failures carry the name (G17).
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Where it says that it was spawned.
    pub(crate) fn at(self, location: &'static Location<'static>) -> Self {
        Self { location, ..self }
    }

    /// Calls `on_done` exactly once with the outcome, before the task counts as ended (T5). A panic
    /// of it is contained and reported.
    pub fn on_done<C>(mut self, on_done: C) -> Self
    where
        C: FnOnce(Result<&T, &TaskError>) + Send + 'static,
    {
        self.on_done = Some(Callback::new(on_done));
        self
    }

    /// Gives it values that code in it can ask for (X4), in place of those that it was given before.
    pub fn carrying(self, carried: Carried) -> Self {
        Self { carried, ..self }
    }

    /// Makes it a background task: it is cancelled when the body and all ordinary tasks have ended,
    /// and needs no place in a group with a limit (G19). A failure before that is one like any other.
    /// What it opens belongs to it; what it spawns into the group is an ordinary task.
    ///
    /// An ordinary task that is spawned from elsewhere at the moment in which the last one ends may
    /// find the background tasks gone.
    pub fn background(self) -> Self {
        Self { background: true, ..self }
    }

    /// Spawns it, as [`GroupHandle::spawn`](crate::GroupHandle::spawn) does. Where it is refused,
    /// the callback is told so.
    pub fn spawn(self) -> TaskHandle<T, R> {
        self.spawn_with(Admission::Ordinary)
    }

    /// Waits until the group has a place free, and spawns it then (G18). A background task needs none. Where
    /// it is refused, the callback is told so.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the future and the callback, unspawned, and leaves the place to the next.
    pub fn spawn_when_free(self) -> SpawnWhenFree<T, E, R, F> {
        SpawnWhenFree::new(self.group.node().clone(), self)
    }

    pub(super) fn spawn_with(self, admission: Admission) -> TaskHandle<T, R> {
        let admission = admission.or_background(self.background);
        let Self { group, future, name, location, on_done, carried, .. } = self;
        let info = TaskInfo::new(name, location);
        let future = future.err_into();
        match on_done {
            None => spawn_carrying(&group, info, admission, carried, future, NoCallback),
            Some(on_done) => spawn_carrying(&group, info, admission, carried, future, on_done),
        }
    }

    /// Spawns it, or gives the future back, and nothing else: the callback is dropped and not called, since
    /// the task may be spawned yet (G10).
    ///
    /// # Errors
    ///
    /// [`Refused`], if the group is cancelled, finished or full (G18).
    pub fn try_spawn(self) -> Result<TaskHandle<T, R>, Refused<F>> {
        let admission = Admission::IfFree.or_background(self.background);
        let Self { group, future, name, location, on_done, carried, .. } = self;
        let info = TaskInfo::new(name, location);
        let id = info.id;
        let unit = match group.node().enter(info, admission) {
            Ok(unit) => unit,
            Err(why) => {
                drop_contained(on_done);
                return Err(Refused { future, why });
            }
        };
        unit.carry(carried);
        let future = future.err_into();
        Ok(match on_done {
            None => start::<R, E, _, _>(group.native(), unit, id, future, NoCallback),
            Some(on_done) => start::<R, E, _, _>(group.native(), unit, id, future, on_done),
        })
    }
}

impl<T, E, R, F> TaskBuilder<T, E, R, F> {
    pub(super) fn is_background(&self) -> bool {
        self.background
    }
}

impl<T, E, R, F> fmt::Debug for TaskBuilder<T, E, R, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Enters a task into the group and starts it, or refuses it (G10).
pub(crate) fn spawn_task<E, R, F, D>(
    group: &GroupHandle<E, R>,
    info: TaskInfo,
    admission: Admission,
    future: F,
    on_done: D,
) -> TaskHandle<F::Value, R>
where
    E: AsDynError,
    R: Runtime,
    F: TaskOutput<E> + Send + 'static,
    F::Value: Send + 'static,
    D: OnDone<F::Value> + 'static,
{
    spawn_carrying(group, info, admission, Carried::new(), future, on_done)
}

/// The same of one that carries something (X4).
#[inline]
pub(super) fn spawn_carrying<E, R, F, D>(
    group: &GroupHandle<E, R>,
    info: TaskInfo,
    admission: Admission,
    carried: Carried,
    future: F,
    mut on_done: D,
) -> TaskHandle<F::Value, R>
where
    E: AsDynError,
    R: Runtime,
    F: TaskOutput<E> + Send + 'static,
    F::Value: Send + 'static,
    D: OnDone<F::Value> + 'static,
{
    let id = info.id;
    match group.node().enter(info, admission) {
        Ok(unit) => {
            unit.carry(carried);
            start::<R, E, F, D>(group.native(), unit, id, future, on_done)
        }
        Err(why) => {
            let error = TaskError::refused(id, why.into_cause());
            drop_contained(future);
            contain(UnhandledKind::Callback, || on_done.call(Err(&error)));
            TaskHandle::refused(group.node().clone(), id, error)
        }
    }
}

pub(in crate::group) fn start<R, E, F, D>(
    runtime: &R,
    unit: Unit,
    id: TaskId,
    future: F,
    on_done: D,
) -> TaskHandle<F::Value, R>
where
    E: AsDynError,
    R: Runtime,
    F: TaskOutput<E> + Send + 'static,
    F::Value: Send + 'static,
    D: OnDone<F::Value> + 'static,
{
    let (node, key) = (unit.node().clone(), unit.key());
    let native = runtime.start(TaskFuture::<R, E, F, D>::new(future, unit, on_done));
    TaskHandle::native(node, key, id, native)
}

/// The group was cancelled, has ended or is full; the future comes back untouched (G10, G18).
pub struct Refused<F> {
    future: F,
    why: Refusal,
}

impl<F> Refused<F> {
    /// By a group that was cancelled or has ended.
    pub(crate) fn new(future: F, cause: Option<CancelCause>) -> Self {
        Self { future, why: Refusal::Closed(cause) }
    }

    /// The future.
    pub fn into_future(self) -> F {
        self.future
    }

    /// Why the group was cancelled; `None` if it had ended or is full.
    pub fn cause(&self) -> Option<&CancelCause> {
        match &self.why {
            Refusal::Closed(cause) => cause.as_ref(),
            Refusal::Full => None,
        }
    }

    /// Whether all places of the group are taken (G18): later there may be one.
    pub fn is_full(&self) -> bool {
        matches!(self.why, Refusal::Full)
    }
}

impl<F> fmt::Display for Refused<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Refusal::Closed(Some(cause)) => {
                write!(f, "task refused: its group was cancelled: {cause}")
            }
            Refusal::Closed(None) => f.write_str("task refused: its group has ended"),
            Refusal::Full => f.write_str("task refused: its group has no place free"),
        }
    }
}

impl<F> fmt::Debug for Refused<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refused({self})")
    }
}

impl<F> Error for Refused<F> {}
