//! `OpenGroup`: a group whose scope is a value, and that runs by itself (G24).

use std::convert::Infallible;
use std::fmt;
use std::ops::Deref;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};

use crate::cancel::CauseKind;
use crate::carried::Carried;
use crate::error::{AsDynError, BoxError, ErrorGroup, GroupError};
use crate::group::body::GroupBody;
use crate::group::future::GroupFuture;
use crate::group::handle::GroupHandle;
use crate::group::ledger::report_failures;
use crate::group::lone::driving;
use crate::group::spawning::task::start;
use crate::group::state::adopt::cause_of_drop_here;
use crate::group::state::node::Node;
use crate::group::state::time::report_overdue;
use crate::runtime::{AnyRuntime, Runtime};
use crate::task::{NoCallback, TaskError, TaskHandle, TaskInfo};

/// A group as a value: [`GroupFuture::open`]. It is a [`GroupHandle`] as well, to spawn and cancel with.
///
/// For what has tasks of its own for as long as it lives: a client, a pool, an endpoint. Who owns the
/// value decides how long the tasks live, and nothing else does: neither the end nor a cancellation of the
/// group in which it was opened reaches them. Until it is dropped or closed the group stays open, also
/// when its body and all tasks have ended.
///
/// | | its tasks | who waits for their end | their failures |
/// |---|---|---|---|
/// | [`close`](Self::close) | go on to their ends | whoever awaits it | are in its error |
/// | [`cancel`](GroupHandle::cancel), and then `close` | are cancelled | the same | the same |
/// | dropped | are cancelled | the group around the drop | go to the [hook](crate::unhandled) (C9) |
///
/// Dropped where no group is around, or by one of its own tasks, it is left to the runtime:
/// [`drained`](crate::Group::drained) waits for it then, and for one that is open (R6).
///
/// tokio's `JoinSet` is a value too: for the tasks that it aborts when it is dropped nobody waits.
pub struct OpenGroup<T = (), E = BoxError, R = AnyRuntime>
where
    T: Send + 'static,
    E: AsDynError,
    R: Runtime,
{
    handle: GroupHandle<E, R>,
    /// Of the detached task that drives the group's future. `None` once it was awaited or left. Never locked:
    /// whoever shares this has no use for it, so that what the group comes to need not be `Sync`.
    driver: Mutex<Option<TaskHandle<Unclaimed<T, E>, R>>>,
    /// The group of that task, which counts the open group as one that it has opened. Held by this to the
    /// end.
    around: Arc<Node>,
    /// Whether the group is kept open by this.
    holds: bool,
}

impl<R, E, B> GroupFuture<R, E, B>
where
    R: Runtime,
    E: AsDynError,
    B: GroupBody<GroupHandle<E, R>, Error = E>,
{
    /// Opens the group now, and runs it in a task of its own: it lives as long as the value that this
    /// returns (G24).
    ///
    /// # Examples
    ///
    /// A client whose requests run in the background, and end with it:
    ///
    /// ```
    /// use std::time::Duration;
    /// use anyscope_core::{BoxError, Group, GroupError, OpenGroup, Runtime, Supervise};
    ///
    /// pub struct Client<R: Runtime> {
    ///     tasks: OpenGroup<(), BoxError, R>,
    /// }
    ///
    /// impl<R: Runtime> Client<R> {
    ///     pub fn new(rt: &R) -> Self {
    ///         let tasks = rt.group(async |_| Ok(())).policy(Supervise).grace(Duration::from_secs(5));
    ///         Self { tasks: tasks.open() }
    ///     }
    ///
    ///     pub fn send(&self, request: String) {
    ///         self.tasks.spawn(async move { Ok(println!("{request}")) });
    ///     }
    ///
    ///     /// Returns when all requests are done, with what has failed.
    ///     pub async fn close(self) -> Result<(), GroupError> {
    ///         self.tasks.close().await
    ///     }
    /// }
    /// ```
    #[must_use = "dropping it cancels the group"]
    #[track_caller]
    pub fn open(self) -> OpenGroup<B::Value, E, R>
    where
        B: GroupBody<GroupHandle<E, R>, Error = E, Value: Send, Future: Send> + Send + 'static,
        B::Value: 'static,
    {
        let (group, handle) = self.opened(Carried::here());
        let (node, runtime) = (handle.node(), handle.native());
        let around = driving(runtime);
        let info = TaskInfo { name: group.name_set(), ..TaskInfo::here() };
        let (id, unit) = (info.id, around.enter_first(info));
        // Nothing has begun, so that neither has closed.
        node.hold();
        around.hold();
        node.attach(&around, unit.key(), None);
        around.leave_to(runtime.root().node());
        let driver = async move { Ok(Unclaimed(Some(group.await))) };
        let driver = start::<R, Infallible, _, _>(runtime, unit, id, driver, NoCallback);
        OpenGroup { driver: Mutex::new(Some(driver)), around, holds: true, handle }
    }
}

impl<T, E, R> OpenGroup<T, E, R>
where
    T: Send + 'static,
    E: AsDynError,
    R: Runtime,
{
    /// Another handle, for whoever spawns and cannot hold the value: a handle does not keep the group open.
    pub fn handle(&self) -> GroupHandle<E, R> {
        self.handle.clone()
    }

    /// Waits until the body and all tasks have ended, and gives the value of the body. Tasks can spawn
    /// others meanwhile, as long as one is unfinished (G9).
    ///
    /// One of its own tasks that awaits this would wait for itself, for ever. So would two groups whose
    /// tasks close each other in a [`shield`](crate::shield()), which no cancellation ends. Under a
    /// [`timeout`](crate::Timer::timeout) the group is dropped when the time is up, and the group around
    /// waits.
    ///
    /// # Errors
    ///
    /// As those of the group's future: a [`GroupError`] with the cause, if the group was cancelled, and all
    /// failures since it was opened (G7). A body that was not polled yet when the group was cancelled is cut
    /// short, also one that does nothing: then the cancellation is the result (G20). If the runtime is shut
    /// down before all have ended, that cause is, and failures have gone to the [hook](crate::unhandled).
    ///
    /// # Panics
    ///
    /// Raises the first panic of its body and tasks again, after all have ended (P1), unless
    /// [`GroupFuture::panics`] says otherwise.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the group, and so cancels it.
    pub async fn close(mut self) -> Result<T, GroupError<E>> {
        self.let_go();
        let driver = self.driver.get_mut().unwrap_or_else(PoisonError::into_inner);
        let outcome = driver.as_mut().expect("there until it was awaited or left").await;
        *driver = None;
        match outcome {
            Ok(result) => result.claim(),
            Err(error) => Err(not_returned(error)),
        }
    }

    /// From now on the group ends when its body and all tasks have.
    fn let_go(&mut self) {
        if std::mem::take(&mut self.holds) {
            self.handle.node().release();
        }
    }
}

/// The driver has not returned what the group came to: it panicked with it, or was dropped with its runtime.
fn not_returned<E>(mut error: TaskError) -> GroupError<E> {
    if let Some(payload) = error.take_panic() {
        resume_unwind(payload);
    }
    let cause = error.cause().cloned();
    GroupError::cancelled(cause.unwrap_or_else(|| CauseKind::Shutdown.into()))
}

impl<T, E, R> Drop for OpenGroup<T, E, R>
where
    T: Send + 'static,
    E: AsDynError,
    R: Runtime,
{
    /// Cancels, does not wait. Who waits for its end is settled before it can end: until then it is held.
    /// What it came to is dropped before that too, or waited for in its place (G1).
    fn drop(&mut self) {
        let driver = self.driver.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(driver) = driver.take() {
            self.handle.node().cancel(cause_of_drop_here());
            self.around.move_to_enclosing();
            drop(driver);
            self.let_go();
        }
        self.around.release();
    }
}

impl<T, E, R> Deref for OpenGroup<T, E, R>
where
    T: Send + 'static,
    E: AsDynError,
    R: Runtime,
{
    type Target = GroupHandle<E, R>;

    fn deref(&self) -> &Self::Target {
        &self.handle
    }
}

impl<T, E, R> fmt::Debug for OpenGroup<T, E, R>
where
    T: Send + 'static,
    E: AsDynError,
    R: Runtime,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OpenGroup").field(&self.handle).finish()
    }
}

/// What a group came to, on its way to `close`. Dropped on it, its failures go to the hook (C9).
struct Unclaimed<T, E: AsDynError>(Option<Result<T, GroupError<E>>>);

impl<T, E: AsDynError> Unclaimed<T, E> {
    fn claim(mut self) -> Result<T, GroupError<E>> {
        self.0.take().expect("claimed once")
    }
}

impl<T, E: AsDynError> Drop for Unclaimed<T, E> {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.take() {
            report_overdue(error.overdue());
            report_failures(
                error.into_failures().map(ErrorGroup::into_failures).unwrap_or_default(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// In an `Arc`, say, though what it comes to cannot be.
    #[test]
    fn can_be_shared() {
        fn assert_shared<T: Send + Sync>(_: Option<T>) {}
        assert_shared(None::<OpenGroup<Cell<u8>>>);
    }
}
