//! `Group`: what can be opened and started on a runtime; and what its `run` blocks on.

use std::convert::Infallible;
use std::future::Future;

use crate::error::{AsDynError, BoxError};
use crate::group::lone::spawn_detached;
use crate::group::{Fault, GroupBody, GroupFuture, GroupHandle};
use crate::job::JobBuilder;
use crate::runtime::{Blocking, CpuPool, Drained, Spawner, Timer};
use crate::stack::enclosing;
use crate::task::TaskHandle;

/// Opens groups. Implemented by itself for every runtime.
///
/// | a task ... | and the group is | then |
/// |---|---|---|
/// | fails | fail-fast (default) | the siblings and the body are cancelled, all have ended, the error holds every failure |
/// | fails | [`Supervise`](crate::Supervise) | the siblings go on, the error holds every failure |
/// | fails | [`Supervise::reporting`](crate::Supervise::reporting) | the siblings go on, the failure is reported and dropped |
/// | succeeds | [`FirstSuccess`](crate::FirstSuccess) | the siblings are cancelled and have ended before the group returns |
/// | panics | any | the siblings and the body are cancelled, all have ended, then the panic is raised again; as a failure with [`PanicPolicy::Capture`](crate::PanicPolicy) |
pub trait Group: Spawner + Blocking + CpuPool + Timer {
    /// Opens a group: runs `body` with a handle to spawn with, and returns when the body and every
    /// descendant have ended (G1).
    ///
    /// The value is the body's, once all have ended well (G8). An `Err` of the body cancels the tasks, as one
    /// of theirs would, and stands in the same error (G5).
    ///
    /// Nothing happens before the first poll, which also fixes the enclosing group. If the body spawns
    /// nothing and does not suspend, that poll returns its value (G12).
    /// [`open`](GroupFuture::open) gives a value instead, that may lie in a struct (G24).
    ///
    /// The error type is that of the function which returns the group's result. Where nothing says it, as
    /// in a test that unwraps the result, it is written at the call:
    /// `rt.group::<BoxError, _>(async |g| …)`.
    ///
    /// # Errors
    ///
    /// A [`GroupError`](crate::GroupError) with the cause, if the group was cancelled, and all
    /// failures, if there were any (G4, G7).
    ///
    /// # Panics
    ///
    /// Raises the first panic of its body and tasks again, after all have ended (P1), unless
    /// [`GroupFuture::panics`] says otherwise.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels all descendants at once and does not block; the enclosing group,
    /// or [`drained`](Group::drained) where there is none, waits for them (G2, R6). Failures that
    /// it would have returned go to the [unhandled-failure hook](crate::unhandled) (C9).
    ///
    /// # Examples
    ///
    /// ```
    /// use anyscope_core::{Group, GroupError, Runtime, TaskError};
    ///
    /// async fn sum<R: Runtime>(rt: &R) -> Result<u32, GroupError<TaskError>> {
    ///     rt.group(async |g| {
    ///         let a = g.spawn(async { Ok(1) });
    ///         let b = g.spawn(async { Ok(2) });
    ///         Ok(a.await? + b.await?)
    ///     })
    ///     .await
    /// }
    /// ```
    #[track_caller]
    fn group<E, B>(&self, body: B) -> GroupFuture<Self, E, B>
    where
        B: GroupBody<GroupHandle<E, Self>, Error = E> + FnOnce(GroupHandle<E, Self>) -> B::Future,
        E: AsDynError,
        Self: Sized,
    {
        GroupFuture::new(Ok(self.clone()), body)
    }

    /// Starts a task that belongs to no group: only [`drained`](Group::drained) waits for it. Its
    /// panic is a value at its handle, or goes to the hook if the handle is gone (C9).
    ///
    /// Groups are what to use; this is for background work of a whole program.
    #[track_caller]
    fn spawn_detached<F>(&self, future: F) -> TaskHandle<F::Output, Self>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
        Self: Sized,
    {
        spawn_detached(self, async { Ok(future.await) })
    }

    /// Like [`spawn_detached`](Group::spawn_detached); an `Err` is a failure. It is a value at the
    /// handle ([`TaskError::take_error`](crate::TaskError::take_error)), or goes to the hook if
    /// nobody awaits that (C9).
    ///
    /// # Examples
    ///
    /// ```
    /// use anyscope_core::{BoxError, Runtime};
    ///
    /// fn report<R: Runtime>(rt: &R) {
    ///     // Nobody waits for it, and yet its failure is not lost.
    ///     rt.try_spawn_detached(async { Err::<(), _>(BoxError::msg("nobody listens")) });
    /// }
    /// ```
    #[track_caller]
    fn try_spawn_detached<F, T, X>(&self, future: F) -> TaskHandle<T, Self>
    where
        F: Future<Output = Result<T, X>> + Send + 'static,
        T: Send + 'static,
        X: Into<BoxError>,
        Self: Sized,
    {
        let lone = async { future.await.map_err(|error| Fault::Lone(error.into())) };
        spawn_detached(self, lone)
    }

    /// Runs a closure that blocks on the blocking pool (B1), as a job of whatever group encloses the
    /// caller: that waits for it, and cancels it before it starts (B3). Where no group encloses the
    /// caller it is left to the runtime (R6). Its panic is a value at the handle (P4).
    ///
    /// # Examples
    ///
    /// ```
    /// use anyscope_core::{Runtime, TaskError};
    ///
    /// async fn size<R: Runtime>(rt: &R) -> Result<usize, TaskError> {
    ///     rt.spawn_blocking(|| std::fs::read("Cargo.toml").map_or(0, |bytes| bytes.len())).await
    /// }
    /// ```
    #[track_caller]
    fn spawn_blocking<C, T>(&self, job: C) -> TaskHandle<T, Self>
    where
        C: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
        Self: Sized,
    {
        self.job(job).spawn_blocking()
    }

    /// Runs a computation on the CPU pool (U1), as a job of whatever group encloses the caller;
    /// otherwise as [`spawn_blocking`](Group::spawn_blocking).
    #[track_caller]
    fn spawn_cpu<C, T>(&self, job: C) -> TaskHandle<T, Self>
    where
        C: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
        Self: Sized,
    {
        self.job(job).spawn_cpu()
    }

    /// A job with a name, or one that needs a permit: call one of the builder's `spawn` methods. It
    /// belongs to whatever group encloses the caller, as with
    /// [`spawn_blocking`](Group::spawn_blocking).
    fn job<C>(&self, job: C) -> JobBuilder<Self, C>
    where
        Self: Sized,
    {
        JobBuilder::new(self.clone(), job)
    }

    /// Waits until nothing that was left to the underlying runtime is alive (R6). A detached task that
    /// awaits it would wait for itself, for ever.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if it is dropped.
    fn drained(&self) -> Drained {
        self.root().drained()
    }
}

impl<R: Spawner + Blocking + CpuPool + Timer> Group for R {}

/// The future that a backend's `run` blocks on: `main`, in a group of its own, so that nothing that
/// was opened in it is left when this is ready (G2).
///
/// # Panics
///
/// If it is called inside a task, body or job: `run` blocks the thread, and there one awaits.
///
/// # Cancel safety
///
/// Dropping it cancels what was opened in it, as for any group, and nobody waits for that but the
/// [`Root`](crate::Root) (R6).
#[track_caller]
pub fn root_future<R, F>(runtime: &R, main: F) -> impl Future<Output = F::Output> + use<R, F>
where
    R: Group,
    F: Future,
{
    assert!(
        enclosing().is_none(),
        "`run` was called inside a running task and would block its thread: await the future instead"
    );
    let group = runtime.group::<Infallible, _>(move |_| async move { Ok(main.await) });
    async move {
        group
            .await
            .unwrap_or_else(|error| panic!("the main future of `run` was cut short: {error}"))
    }
}
