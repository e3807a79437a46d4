//! Spawning jobs: closures that enter a group and go to one of the pools.

use std::convert::Infallible;
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Weak};

use crate::carried::Carried;
use crate::error::AsDynError;
use crate::group::{Fault, GroupHandle, Node, Unit, UnitKey, single};
use crate::job::{Job, JobCell, RunJob};
use crate::panics::drop_contained;
use crate::runtime::Runtime;
use crate::semaphore::Semaphore;
use crate::stack::{enclosing, shielded_by};
use crate::task::{JoinJob, TaskError, TaskHandle, TaskId, TaskInfo, next_id};

/// A job that is about to be spawned: [`GroupHandle::job`](crate::GroupHandle::job), or
/// [`Group::job`](crate::Group::job), which makes it a job of whatever group encloses the caller.
///
/// # Examples
///
/// ```
/// use anyscope_core::{Group, GroupError, Runtime, Semaphore};
///
/// async fn sizes<R: Runtime>(rt: &R, paths: Vec<String>) -> Result<(), GroupError> {
///     let disk = Semaphore::new(4); // shared by all who read from it
///     rt.group(async |g| {
///         for path in paths {
///             let size = move || Ok::<_, std::io::Error>(std::fs::metadata(path)?.len());
///             g.job(size).name("size").permit_of(&disk).try_spawn_blocking();
///         }
///         Ok(())
///     })
///     .await
/// }
/// ```
#[must_use = "call `spawn_blocking` or `spawn_cpu`"]
pub struct JobBuilder<S, C> {
    /// A group's handle, or a runtime.
    spawner: S,
    job: C,
    info: JobInfo,
}

/// What may be said of a job before it is spawned.
#[derive(Default)]
pub(crate) struct JobInfo {
    name: Option<Arc<str>>,
    semaphore: Option<Semaphore>,
    carried: Carried,
}

impl<S, C> JobBuilder<S, C> {
    pub(crate) fn new(spawner: S, job: C) -> Self {
        Self { spawner, job, info: JobInfo::default() }
    }

    /// Names the job; its failures carry the name (G17).
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.info.name = Some(name.into());
        self
    }

    /// Has it wait for a permit of the semaphore, in line with all others that ask there, before it
    /// goes to its pool: so it takes no thread while it waits. It keeps the permit until it has ended,
    /// also if it was [given up](TaskHandle::give_up) (B3). Cancelled before, it leaves the line, or
    /// passes its permit on (B2).
    pub fn permit_of(mut self, semaphore: &Semaphore) -> Self {
        self.info.semaphore = Some(semaphore.clone());
        self
    }

    /// Gives it values that code in it can ask for (X4), in place of those that it was given before.
    pub fn carrying(mut self, carried: Carried) -> Self {
        self.info.carried = carried;
        self
    }
}

impl<E, R, C, T> JobBuilder<GroupHandle<E, R>, C>
where
    E: AsDynError,
    R: Runtime,
    C: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    /// Runs it on the blocking pool, as [`GroupHandle::spawn_blocking`].
    #[track_caller]
    pub fn spawn_blocking(self) -> TaskHandle<T, R> {
        self.spawn(Pool::Blocking)
    }

    /// Runs it on the CPU pool, as [`GroupHandle::spawn_cpu`].
    #[track_caller]
    pub fn spawn_cpu(self) -> TaskHandle<T, R> {
        self.spawn(Pool::Cpu)
    }

    #[track_caller]
    fn spawn(self, pool: Pool) -> TaskHandle<T, R> {
        spawn_plain(&self.spawner, pool, self.info, self.job)
    }
}

impl<E, R, C, T, X> JobBuilder<GroupHandle<E, R>, C>
where
    E: AsDynError,
    R: Runtime,
    C: FnOnce() -> Result<T, X> + Send + 'static,
    T: Send + 'static,
    X: Into<E> + 'static,
{
    /// Like [`spawn_blocking`](Self::spawn_blocking); an `Err` is a failure of the group (U3).
    #[track_caller]
    pub fn try_spawn_blocking(self) -> TaskHandle<T, R> {
        self.try_spawn(Pool::Blocking)
    }

    /// Like [`spawn_cpu`](Self::spawn_cpu); an `Err` is a failure of the group (U3).
    #[track_caller]
    pub fn try_spawn_cpu(self) -> TaskHandle<T, R> {
        self.try_spawn(Pool::Cpu)
    }

    #[track_caller]
    fn try_spawn(self, pool: Pool) -> TaskHandle<T, R> {
        spawn_trying(&self.spawner, pool, self.info, self.job)
    }
}

impl<R, C, T> JobBuilder<R, C>
where
    R: Runtime,
    C: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    /// Runs it on the blocking pool, as [`Group::spawn_blocking`](crate::Group::spawn_blocking).
    #[track_caller]
    pub fn spawn_blocking(self) -> TaskHandle<T, R> {
        spawn_ambient_job(&self.spawner, Pool::Blocking, self.info, self.job)
    }

    /// Runs it on the CPU pool, as [`Group::spawn_cpu`](crate::Group::spawn_cpu).
    #[track_caller]
    pub fn spawn_cpu(self) -> TaskHandle<T, R> {
        spawn_ambient_job(&self.spawner, Pool::Cpu, self.info, self.job)
    }
}

impl<S, C> fmt::Debug for JobBuilder<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobBuilder").field("name", &self.info.name).finish_non_exhaustive()
    }
}

/// Which pool a job goes to.
#[derive(Clone, Copy)]
pub(crate) enum Pool {
    Blocking,
    Cpu,
}

impl Pool {
    pub(crate) fn run<R: Runtime>(self, runtime: &R, job: Job) {
        match self {
            Self::Blocking => runtime.run_blocking(job),
            Self::Cpu => runtime.run_cpu(job),
        }
    }
}

/// Spawns a job whose value is plain (U3).
#[track_caller]
pub(crate) fn spawn_plain<E, R, C, T>(
    group: &GroupHandle<E, R>,
    pool: Pool,
    info: JobInfo,
    job: C,
) -> TaskHandle<T, R>
where
    E: AsDynError,
    R: Runtime,
    C: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    spawn_job::<R, E, _, _>(group.node(), pool, info, move || Ok(job()))
}

/// Spawns a job whose `Err` is a failure of the group (U3).
#[track_caller]
pub(crate) fn spawn_trying<E, R, C, T, X>(
    group: &GroupHandle<E, R>,
    pool: Pool,
    info: JobInfo,
    job: C,
) -> TaskHandle<T, R>
where
    E: AsDynError,
    R: Runtime,
    C: FnOnce() -> Result<T, X> + Send + 'static,
    T: Send + 'static,
    X: Into<E> + 'static,
{
    let job = move || job().map_err(|error| Fault::Error(error.into()));
    spawn_job::<R, E, _, _>(group.node(), pool, info, job)
}

/// Enters a job into the group and queues it, or refuses it.
#[track_caller]
fn spawn_job<R, E, C, T>(node: &Arc<Node>, pool: Pool, info: JobInfo, job: C) -> TaskHandle<T, R>
where
    R: Runtime,
    E: AsDynError,
    C: FnOnce() -> Result<T, Fault<E>> + Send + 'static,
    T: Send + 'static,
{
    let JobInfo { name, semaphore, carried } = info;
    let id = TaskId(next_id());
    let info = TaskInfo { id, name, location: Location::caller() };
    let cell = JobCell::<R, E, C, T>::new(job);
    match node.enter_job(info, weak(&cell)) {
        Ok(unit) => {
            unit.carry(carried);
            launch_job(unit, id, pool, semaphore, cell)
        }
        Err(why) => {
            drop_contained(cell);
            let error = TaskError::refused(id, why.into_cause());
            TaskHandle::refused(node.clone(), id, error)
        }
    }
}

/// As a cancellation finds it.
fn weak<J: RunJob + 'static>(cell: &Arc<J>) -> Weak<dyn RunJob> {
    let weak: Weak<J> = Arc::downgrade(cell);
    weak
}

fn launch_job<R, J, T>(
    unit: Unit,
    id: TaskId,
    pool: Pool,
    semaphore: Option<Semaphore>,
    cell: Arc<J>,
) -> TaskHandle<T, R>
where
    R: Runtime,
    J: RunJob + JoinJob<T> + 'static,
    T: Send + 'static,
{
    let (node, key) = (unit.node().clone(), unit.key());
    cell.enter(unit);
    node.launch(key, id, pool, Job::new(cell.clone(), semaphore));
    TaskHandle::job(node, key, id, cell)
}

/// A job of whatever group encloses the caller, of any error type: the only one of a group without
/// a body. It outlives the task that started it, but not the group (B4).
#[track_caller]
fn spawn_ambient_job<R, C, T>(runtime: &R, pool: Pool, info: JobInfo, job: C) -> TaskHandle<T, R>
where
    R: Runtime,
    C: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let JobInfo { name, semaphore, carried } = info;
    let info = TaskInfo { name, ..TaskInfo::here() };
    let (id, node) = (info.id, single(runtime));
    let unit = node.enter_first(info);
    unit.carry(carried);
    match enclosing() {
        Some((parent, _)) => node.attach(&parent, UnitKey::NOBODY, shielded_by()),
        None => node.leave_to(runtime.root().node()),
    }
    let cell = JobCell::<R, Infallible, _, T>::new(move || Ok(job()));
    node.add_job(unit.key(), weak(&cell));
    launch_job(unit, id, pool, semaphore, cell)
}
