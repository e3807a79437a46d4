//! `TaskHandle`: awaiting, watching and cancelling one task or job.

use std::fmt;
use std::future::Future;
use std::mem;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::cancel::CauseKind;
use crate::combine::Branch;
use crate::group::{Node, Unit, UnitKey};
use crate::guarded::{GuardedWaker, poll_guarded};
use crate::runtime::{AnyRuntime, NativeHandle, Root, Spawner};
use crate::stack::is_about_to_be_dropped;
use crate::sync::wake;
use crate::task::unstored::drop_output;
use crate::task::{CancelHandle, Output, TaskError, TaskId};

/// The handle of a task or job.
///
/// Awaiting it gives the value, or a [`TaskError`] that says failed, panicked, cancelled or refused;
/// it never cancels the one who waits (T1). In a cancelled group, a body or task of it that awaits a
/// task without a value stays pending until it is itself dropped, so that no secondary errors arise.
///
/// Dropping it changes nothing for the task (T2); [`cancel_on_drop`](Self::cancel_on_drop) is the
/// other kind. It may be awaited on any runtime, and by reference (`(&mut handle).await`); after it
/// has given its value it says [`TaskError::is_taken`].
///
/// # Cancel safety
///
/// Awaiting by reference loses nothing if it is dropped.
///
/// # Examples
///
/// ```
/// use anyscope_core::{BoxError, Group, GroupError, Runtime};
///
/// async fn first_word<R: Runtime>(rt: &R, text: String) -> Result<String, GroupError> {
///     rt.group(async |g| {
///         let task = g.spawn(async move {
///             let word = text.split(' ').next().ok_or_else(|| BoxError::msg("there is none"))?;
///             Ok(word.to_owned())
///         });
///         Ok(task.await?) // its value; if it fails, the group does, by its error
///     })
///     .await
/// }
/// ```
pub struct TaskHandle<T, R = AnyRuntime>
where
    T: Send + 'static,
    R: Spawner,
{
    node: Arc<Node>,
    id: TaskId,
    join: Join<T, R>,
}

/// The key stands where there is room beside the tag: in a `Vec` of handles each byte counts.
enum Join<T: Send + 'static, R: Spawner> {
    Native {
        key: UnitKey,
        handle: R::Handle<Output<T>>,
        /// Stands before a waker that is not the executor's own (P3).
        guard: Option<Arc<GuardedWaker>>,
    },
    Job {
        key: UnitKey,
        job: Arc<dyn JoinJob<T>>,
    },
    /// Known, but not given yet.
    Ready(Result<T, TaskError>),
    Taken,
}

/// A job as its handle sees it.
pub(crate) trait JoinJob<T>: Send + Sync {
    fn poll_join(&self, cx: &mut Context<'_>) -> Poll<Option<Output<T>>>;
    /// The handle is gone: what has come is dropped now, and what comes before the job counts as ended.
    fn close(&self);
    /// `own` is its unit, as long as it runs.
    fn give_up(&self, own: Unit, root: &Root);
}

impl<T: Send + 'static, R: Spawner> TaskHandle<T, R> {
    pub(crate) fn native(
        node: Arc<Node>,
        key: UnitKey,
        id: TaskId,
        handle: R::Handle<Output<T>>,
    ) -> Self {
        Self { node, id, join: Join::Native { key, handle, guard: None } }
    }

    pub(crate) fn job(node: Arc<Node>, key: UnitKey, id: TaskId, job: Arc<dyn JoinJob<T>>) -> Self {
        Self { node, id, join: Join::Job { key, job } }
    }

    pub(crate) fn refused(node: Arc<Node>, id: TaskId, error: TaskError) -> Self {
        Self { node, id, join: Join::Ready(Err(error)) }
    }

    /// Whether the group has not taken the task; of a handle that was not polled yet.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self.join, Join::Ready(Err(_)))
    }

    /// The task's id.
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// Whether the task has ended, destructors included (T3).
    pub fn is_finished(&self) -> bool {
        !self.key().is_some_and(|key| self.node.is_live(key, self.id))
    }

    /// Cancels this task alone, and the groups that it has open; that is no failure of its group, and its
    /// siblings go on (T6). A job that has not started never runs; a running one can see the cause (B3). Does
    /// not block.
    pub fn cancel(&self) {
        self.cancel_handle().cancel();
    }

    /// Cancels this task alone, with a reason for those who read the cause.
    pub fn cancel_because(&self, reason: impl Into<String>) {
        self.cancel_handle().cancel_because(reason);
    }

    /// `None` once its outcome has come.
    fn key(&self) -> Option<UnitKey> {
        match &self.join {
            Join::Native { key, .. } | Join::Job { key, .. } => Some(*key),
            Join::Ready(_) | Join::Taken => None,
        }
    }

    /// What can only cancel the task, for others than the one who awaits it.
    pub fn cancel_handle(&self) -> CancelHandle {
        CancelHandle::new(self.node.clone(), self.key(), self.id)
    }

    /// A handle that cancels the task when it is dropped.
    pub fn cancel_on_drop(self) -> CancelOnDrop<T, R> {
        CancelOnDrop { handle: Some(self) }
    }

    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, TaskError>> {
        let output = match &mut self.join {
            Join::Native { handle, guard, .. } => {
                poll_guarded(cx, guard, |cx| handle.poll_join(cx))
            }
            Join::Job { job, .. } => job.poll_join(cx),
            other => {
                return Poll::Ready(match mem::replace(other, Join::Taken) {
                    Join::Ready(outcome) => outcome,
                    _ => Err(TaskError::taken(self.id)),
                });
            }
        };
        output.map(|output| {
            self.join = Join::Taken;
            let outcome = output.and_then(|output| output.take(self.id));
            outcome.unwrap_or_else(|| Err(self.dropped_by_runtime()))
        })
    }

    #[inline(never)]
    fn drop_untaken(&mut self) {
        match &self.join {
            Join::Native { key, .. } if self.node.minds_outputs::<T>() => {
                if !self.node.mark_handle_gone(*key, self.id) {
                    self.drop_unstored();
                }
            }
            Join::Job { job, .. } => job.close(),
            Join::Ready(_) => self.drop_outcome(),
            Join::Native { .. } | Join::Taken => {}
        }
    }

    /// As if it had not come out of the runtime's task yet: contained (P3), and reported (C9).
    fn drop_outcome(&mut self) {
        if let Join::Ready(outcome) = mem::replace(&mut self.join, Join::Taken) {
            drop(Output::new(outcome));
        }
    }

    /// The task has ended and has left its output to the handle: perhaps it is not there yet.
    fn drop_unstored(&mut self) {
        if let Join::Native { handle, .. } = mem::replace(&mut self.join, Join::Taken) {
            drop_output(&self.node, handle);
        }
    }

    /// Gives a running job up: its group no longer waits for it. The job goes on, holds its thread
    /// until it ends (B3), and is waited for by [`drained`](crate::Group::drained); its value is
    /// dropped, its failure goes to the hook (C9). A job that has not started never runs. A task is
    /// cancelled instead, which needs no giving up.
    pub fn give_up(self) {
        match (&self.join, self.node.core().runtime()) {
            (Join::Job { key, job }, Some(runtime)) => {
                job.give_up(Unit::new(self.node.clone(), *key), runtime.root());
            }
            _ => self.cancel(),
        }
    }

    fn dropped_by_runtime(&self) -> TaskError {
        let cause = self.node.cause().cloned();
        TaskError::cancelled(self.id, cause.unwrap_or_else(|| CauseKind::Shutdown.into()))
    }
}

impl<T: Send + 'static, R: Spawner> Drop for TaskHandle<T, R> {
    /// Nobody will take the output: it must be gone when the group returns (G1).
    #[inline]
    fn drop(&mut self) {
        if !matches!(self.join, Join::Taken) {
            self.drop_untaken();
        }
    }
}

impl<T: Send + 'static, R: Spawner> Unpin for TaskHandle<T, R> {}

impl<T: Send + 'static, R: Spawner> Future for TaskHandle<T, R> {
    type Output = Result<T, TaskError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let mut outcome = ready!(this.poll_outcome(cx));
        if outcome.as_mut().is_err_and(|error| error.is_withheld(is_about_to_be_dropped)) {
            this.join = Join::Ready(outcome);
            // Asked again where it is not dropped after all: a shield may begin before this poll is
            // over, and whoever polls it may hand it to another.
            wake(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(outcome)
    }
}

impl<T: Send + 'static, R: Spawner> Branch for TaskHandle<T, R> {
    fn poll_ended(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let outcome = ready!(self.as_mut().poll(cx));
        self.join = Join::Ready(outcome);
        Poll::Ready(())
    }

    fn outcome(&self) -> Option<&Self::Output> {
        match &self.join {
            Join::Ready(outcome) => Some(outcome),
            _ => None,
        }
    }

    fn stop(self: Pin<&mut Self>) {
        self.cancel();
    }
}

impl<T: Send + 'static, R: Spawner> fmt::Debug for TaskHandle<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskHandle")
            .field("id", &self.id)
            .field("finished", &self.is_finished())
            .finish()
    }
}

/// A handle that cancels its task when it is dropped (T2): [`TaskHandle::cancel_on_drop`].
///
/// It derefs to the handle inside, by which the task can be asked, or cancelled earlier. As
/// `AbortOnDropHandle` of `tokio-util`.
///
/// # Cancel safety
///
/// Awaiting by value cancels the task if it is dropped. Awaiting by reference loses nothing.
///
/// # Examples
///
/// What has a task in the background, and takes it along when it goes:
///
/// ```
/// use std::time::Duration;
/// use anyscope_core::{CancelOnDrop, Group, Runtime, Timer};
///
/// struct Pool<R: Runtime> {
///     reaper: CancelOnDrop<(), R>,
/// }
///
/// impl<R: Runtime> Pool<R> {
///     fn new(rt: R) -> Self {
///         let timer = rt.clone();
///         let reaper = rt.spawn_detached(async move {
///             loop {
///                 timer.sleep(Duration::from_secs(60)).await; // close what is idle here
///             }
///         });
///         Self { reaper: reaper.cancel_on_drop() }
///     }
///
///     async fn close(self) {
///         self.reaper.cancel_because("the pool is closed");
///         let _ = self.reaper.await; // its destructors have run
///     }
/// }
/// # fn unused<R: Runtime>(rt: R) -> impl Future { Pool::new(rt).close() }
/// ```
#[must_use = "dropping it cancels the task"]
#[derive(Debug)]
pub struct CancelOnDrop<T: Send + 'static, R: Spawner = AnyRuntime> {
    /// `None` once it was taken out.
    handle: Option<TaskHandle<T, R>>,
}

impl<T: Send + 'static, R: Spawner> CancelOnDrop<T, R> {
    /// The handle that does not cancel.
    #[expect(clippy::missing_panics_doc, reason = "only this and `drop` take the handle out")]
    pub fn into_inner(mut self) -> TaskHandle<T, R> {
        self.handle.take().expect("only `into_inner` and `drop` empty it")
    }

    fn handle_mut(&mut self) -> &mut TaskHandle<T, R> {
        self.handle.as_mut().expect("only `into_inner` and `drop` empty it")
    }
}

impl<T: Send + 'static, R: Spawner> Deref for CancelOnDrop<T, R> {
    type Target = TaskHandle<T, R>;

    fn deref(&self) -> &Self::Target {
        self.handle.as_ref().expect("only `into_inner` and `drop` empty it")
    }
}

impl<T: Send + 'static, R: Spawner> Future for CancelOnDrop<T, R> {
    type Output = Result<T, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(self.handle_mut()).poll(cx)
    }
}

impl<T: Send + 'static, R: Spawner> Branch for CancelOnDrop<T, R> {
    fn poll_ended(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(self.handle_mut()).poll_ended(cx)
    }

    fn outcome(&self) -> Option<&Self::Output> {
        self.handle.as_ref().and_then(Branch::outcome)
    }

    fn stop(mut self: Pin<&mut Self>) {
        Pin::new(self.handle_mut()).stop();
    }
}

impl<T: Send + 'static, R: Spawner> Drop for CancelOnDrop<T, R> {
    fn drop(&mut self) {
        if let Some(handle) = &self.handle {
            handle.cancel();
        }
    }
}
