//! The handle of a group: what the body, the tasks and other threads spawn and cancel with.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Instant;

use crate::cancel::{CancelCause, CauseKind};
use crate::context::WaitCancelled;
use crate::error::{AsDynError, BoxError, ErrIntoExt};
use crate::group::body::GroupBody;
use crate::group::core::Core;
use crate::group::future::GroupFuture;
use crate::group::info::GroupId;
use crate::group::spawning::start::{StartTask, Started};
use crate::group::spawning::task::{Refused, TaskBuilder, spawn_task};
use crate::group::spawning::when_free::SpawnWhenFree;
use crate::group::state::entry::Admission;
use crate::group::state::node::Node;
use crate::job::{JobBuilder, JobInfo, Pool, spawn_plain, spawn_trying};
use crate::runtime::{AnyRuntime, Runtime};
use crate::task::{NoCallback, TaskHandle, TaskInfo};

/// The handle of a group: cheap to clone, may be sent anywhere (G9).
///
/// It does not keep the group open: what is spawned after the end is refused (G10).
///
/// A group holds what is alive in it and the failures for its error. A task that has ended and whose handle
/// is gone keeps nothing, so that one group may spawn for ever (G13). Groups may be nested to any depth where
/// each is opened by a task of the one around it; in place, the stack is the bound (G15).
pub struct GroupHandle<E = BoxError, R = AnyRuntime> {
    node: Arc<Node>,
    types: PhantomData<fn() -> (E, R)>,
}

impl<E: AsDynError, R: Runtime> GroupHandle<E, R> {
    /// Spawns a task. An `Err` of it is a failure of the group (G3).
    ///
    /// Can be called by whoever holds the handle, also while the group drains, as long as one child
    /// is unfinished (G9). Never panics: in a cancelled or finished group the future is dropped and
    /// the handle says why (G10).
    ///
    /// A future with another error type is converted: `g.spawn(async { Ok(read().await?) })`, or
    /// `g.spawn(read().err_into())` with [`ErrIntoExt`](crate::ErrIntoExt), which converts into
    /// any group's type that has a `From` for it.
    ///
    /// A group that is cancelled takes no tasks, not even in its [grace period](GroupFuture::grace): what a
    /// destructor spawns there, a roll-back say, never runs. Let the destructor [defer](crate::try_defer)
    /// it, so that its task runs it before it ends; or let it spawn into another group, such as an
    /// [open](GroupFuture::open) one that is there for roll-backs and is closed last. What is refused is
    /// dropped before this returns: it must not have in it what the destructor is of.
    ///
    /// # Examples
    ///
    /// ```
    /// use anyscope_core::{BoxError, Group, GroupError, Runtime};
    ///
    /// async fn both<R: Runtime>(rt: &R) -> Result<(), GroupError> {
    ///     rt.group(async |g| {
    ///         g.spawn(async { Ok(()) });
    ///         g.spawn(async { Err::<(), _>(BoxError::msg("cancels the other")) });
    ///         Ok(())
    ///     })
    ///     .await
    /// }
    /// ```
    #[track_caller]
    pub fn spawn<F, T>(&self, future: F) -> TaskHandle<T, R>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        spawn_task(self, TaskInfo::here(), Admission::Ordinary, future.err_into(), NoCallback)
    }

    /// Spawns a task, or gives the future back if the group is cancelled or finished (G10), or has
    /// no place free (G18).
    ///
    /// # Errors
    ///
    /// [`Refused`], with the future.
    #[track_caller]
    pub fn try_spawn<F, T>(&self, future: F) -> Result<TaskHandle<T, R>, Refused<F>>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        self.task(future).try_spawn()
    }

    /// A task with a name, a done-callback or values to carry: set them, then [`TaskBuilder::spawn`].
    #[track_caller]
    pub fn task<F, T>(&self, future: F) -> TaskBuilder<T, E, R, F>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        TaskBuilder::new(self.clone(), future)
    }

    /// Waits until the group has a place free, and spawns then (G18). In a group without a limit that is
    /// at once. A cancelled or finished group refuses it, as [`spawn`](Self::spawn) says.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the future unspawned, and leaves the place to the next.
    #[track_caller]
    pub fn spawn_when_free<F, T>(&self, future: F) -> SpawnWhenFree<T, E, R, F>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        self.task(future).spawn_when_free()
    }

    /// Spawns a [background task](TaskBuilder::background) (G19). One that has a value is spawned by
    /// `g.task(future).background().spawn()`; most are loops, and end when they are cancelled.
    #[track_caller]
    pub fn spawn_background<F>(&self, future: F) -> TaskHandle<(), R>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        self.task(future).background().spawn()
    }

    /// Spawns a task and waits until it says that it is ready: gives the value that it hands over,
    /// and its handle (G22). As `nursery.start` of Trio. Nothing is spawned before it is polled.
    ///
    /// As long as it is not ready the task's failure is the caller's; then it is one like any other. A task
    /// that ends without handing over is an error.
    ///
    /// # Errors
    ///
    /// [`StartError`](crate::StartError), which says how the task ended instead.
    ///
    /// # Panics
    ///
    /// With the panic of the task, if it panics before it is ready.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the task, unless it has become ready.
    ///
    /// # Examples
    ///
    /// ```
    /// use anyscope_core::{Group, GroupError, Runtime};
    ///
    /// async fn serve<R: Runtime>(rt: &R) -> Result<u16, GroupError> {
    ///     rt.group(async |g| {
    ///         let (port, server) = g
    ///             .start(async |started| {
    ///                 let port = 8080; // bind a socket here
    ///                 started.ready(port);
    ///                 Ok(()) // serve it here
    ///             })
    ///             .await?;
    ///         server.await?;
    ///         Ok(port)
    ///     })
    ///     .await
    /// }
    /// ```
    #[track_caller]
    pub fn start<C, F, V, T>(&self, task: C) -> StartTask<C, V, T, E, R>
    where
        C: FnOnce(Started<V>) -> F + Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
        V: Send + 'static,
        T: Send + 'static,
    {
        StartTask::new(self.clone(), task)
    }

    /// Spawns a task that runs a group of its own, with the default options. Its failures are one
    /// nested node in this group's error, whatever `E` is (G14).
    ///
    /// Equals `spawn_nested(self.runtime().group(body))`.
    #[track_caller]
    pub fn spawn_group<B>(&self, body: B) -> TaskHandle<B::Value, R>
    where
        B: GroupBody<Self, Error = E, Value: Send, Future: Send>
            + FnOnce(Self) -> B::Future
            + Send
            + 'static,
    {
        self.spawn_nested(GroupFuture::new(Ok(self.native().clone()), body))
    }

    /// Spawns a task that runs this group, whose options have been set. Its failures are one nested
    /// node in this group's error (G14); the task has the group's name.
    #[track_caller]
    pub fn spawn_nested<B>(&self, group: GroupFuture<R, E, B>) -> TaskHandle<B::Value, R>
    where
        B: GroupBody<Self, Error = E, Value: Send, Future: Send> + Send + 'static,
    {
        let info = TaskInfo { name: group.name_set(), ..TaskInfo::here() };
        spawn_task(self, info, Admission::Ordinary, group.err_into(), NoCallback)
    }

    /// Runs a closure that blocks on the blocking pool (B1). Its return value is plain, whatever it
    /// is; its panic is a value at the handle (P4).
    ///
    /// The group waits for a running job; one that has not started when the group is cancelled
    /// never runs (B3). Dropping the handle lets it run on (B4).
    #[track_caller]
    pub fn spawn_blocking<C, T>(&self, job: C) -> TaskHandle<T, R>
    where
        C: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        spawn_plain(self, Pool::Blocking, JobInfo::default(), job)
    }

    /// Like [`spawn_blocking`](Self::spawn_blocking); an `Err` is a failure of the group (U3).
    ///
    /// A panic is none: as with all jobs it is a value at the handle, and a failure if that is awaited with
    /// `?`. If the handle is dropped it goes to the [unhandled-failure hook](crate::unhandled), and the
    /// group goes on (P4).
    #[track_caller]
    pub fn try_spawn_blocking<C, T, X>(&self, job: C) -> TaskHandle<T, R>
    where
        C: FnOnce() -> Result<T, X> + Send + 'static,
        T: Send + 'static,
        X: Into<E> + 'static,
    {
        spawn_trying(self, Pool::Blocking, JobInfo::default(), job)
    }

    /// Runs a computation on the CPU pool (U1); otherwise as
    /// [`spawn_blocking`](Self::spawn_blocking). A long one should ask
    /// [`check_cancelled`](crate::check_cancelled) now and then (U3). Many items, at most so many at
    /// once, go through [`map_concurrent`](crate::map_concurrent):
    ///
    /// ```
    /// use anyscope_core::{Group, GroupError, Runtime, map_concurrent};
    ///
    /// async fn squares<R: Runtime>(rt: &R, numbers: Vec<u64>) -> Result<Vec<u64>, GroupError> {
    ///     rt.group(async |g| {
    ///         let square = |n| g.spawn_cpu(move || n * n);
    ///         Ok(map_concurrent(numbers, 8, square).await?)
    ///     })
    ///     .await
    /// }
    /// ```
    #[track_caller]
    pub fn spawn_cpu<C, T>(&self, job: C) -> TaskHandle<T, R>
    where
        C: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        spawn_plain(self, Pool::Cpu, JobInfo::default(), job)
    }

    /// Like [`spawn_cpu`](Self::spawn_cpu); an `Err` is a failure of the group (U3).
    ///
    /// A panic is none: as with all jobs it is a value at the handle, and a failure if that is awaited with
    /// `?`. If the handle is dropped it goes to the [unhandled-failure hook](crate::unhandled), and the
    /// group goes on (P4).
    #[track_caller]
    pub fn try_spawn_cpu<C, T, X>(&self, job: C) -> TaskHandle<T, R>
    where
        C: FnOnce() -> Result<T, X> + Send + 'static,
        T: Send + 'static,
        X: Into<E> + 'static,
    {
        spawn_trying(self, Pool::Cpu, JobInfo::default(), job)
    }

    /// A job with a name, values to carry, or one that needs a permit: call one of the builder's `spawn`
    /// methods.
    pub fn job<C>(&self, job: C) -> JobBuilder<Self, C> {
        JobBuilder::new(self.clone(), job)
    }

    /// The group's runtime.
    pub fn runtime(&self) -> R {
        self.native().clone()
    }

    pub(crate) fn native(&self) -> &R {
        &Core::<R, E>::of(&self.node).runtime
    }

    pub(crate) fn from_node(node: Arc<Node>) -> Option<Self> {
        Core::<R, E>::get(&node).is_some().then(|| Self::new(node))
    }
}

impl<E, R> GroupHandle<E, R> {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        Self { node, types: PhantomData }
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Cancels the group: its body and all its descendants (C8), without a failure (G20). The first
    /// cause stays; later calls change nothing. Does not block; may be called from any thread, also
    /// from a destructor (C7).
    ///
    /// A task that already has its value keeps it (C6). Waiting for those that do not stop at once, because
    /// they are shielded or never await, costs nothing, however often this is called (C10).
    pub fn cancel(&self) {
        self.node.cancel(CancelCause::requested());
    }

    /// Cancels the group with a reason for those who read the cause (C2).
    pub fn cancel_because(&self, reason: impl Into<String>) {
        self.node.cancel(CancelCause::because(reason));
    }

    /// Cancels the group because its program stops, with cause [`CauseKind::Shutdown`] (R7). For the
    /// outermost group of a program; otherwise as [`cancel`](Self::cancel), except that a body which
    /// has returned already loses its value, as with every cause that nobody in the program chose (G20).
    ///
    /// [`GroupFuture::grace`] gives the tasks time, and [`cancel_now`](Self::cancel_now) ends it.
    pub fn shut_down(&self) {
        self.node.cancel(CauseKind::Shutdown.into());
    }

    /// Cancels the group and ends all grace periods below it: who is still alive is dropped at its
    /// next suspension point (C3). What is shielded is still waited for (C4).
    pub fn cancel_now(&self) {
        self.cancel();
        self.node.harden();
    }

    /// Sets the group's own deadline to another instant, or takes it away (D2). One that is past
    /// cancels the group as soon as its future is polled, which this brings about. Once the group is
    /// cancelled it changes nothing.
    pub fn set_deadline(&self, at: impl Into<Option<Instant>>) {
        self.node.set_deadline(at.into());
    }

    /// The deadline in force: its own, or an earlier one of a group around it (D3).
    pub fn deadline(&self) -> Option<Instant> {
        self.node.deadline()
    }

    /// Why the group was cancelled, if it was (C2).
    pub fn cause(&self) -> Option<CancelCause> {
        self.node.cause().cloned()
    }

    /// Whether the group was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.node.cause().is_some()
    }

    /// Waits until the group is cancelled. In a group without a [grace period](crate::GroupFuture::grace) a
    /// body or task that awaits this is dropped then, and does not go on.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if it is dropped.
    pub fn cancelled(&self) -> WaitCancelled {
        WaitCancelled::new(self.node.clone(), None)
    }

    /// The group's id, which causes name.
    pub fn id(&self) -> GroupId {
        self.node.id()
    }

    /// What is alive in it right now, in the order of spawning: the body, tasks and jobs, each with
    /// its id, name and spawn location (G17). A snapshot; inner groups have handles of their own.
    ///
    /// # Examples
    ///
    /// ```
    /// use anyscope_core::GroupHandle;
    ///
    /// fn print(group: &GroupHandle) {
    ///     for task in group.tasks() {
    ///         println!("{task}"); // task #7 'fetch' (src/main.rs:12:9)
    ///     }
    /// }
    /// ```
    pub fn tasks(&self) -> Vec<TaskInfo> {
        self.node.infos()
    }

    /// How many it has yet to wait for: the body, tasks, jobs, inner groups that are still open, and outputs
    /// of ended tasks that nobody took and that are not dropped yet; and the value of an
    /// [`OpenGroup`](crate::OpenGroup).
    pub fn live(&self) -> usize {
        self.node.live()
    }
}

impl<E, R> Clone for GroupHandle<E, R> {
    fn clone(&self) -> Self {
        Self::new(self.node.clone())
    }
}

impl<E, R> fmt::Debug for GroupHandle<E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupHandle")
            .field("id", &self.id())
            .field("live", &self.live())
            .field("cause", &self.node.cause())
            .finish()
    }
}
