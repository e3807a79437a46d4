//! The current task: what body, tasks and jobs can ask while they run (X1, X2).

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::cancel::{CancelCause, Cancelled, is_any_in_effect};
use crate::carried::Carried;
use crate::error::AsDynError;
use crate::group::{GroupHandle, GroupId, Node, UnitKey, Watch};
use crate::runtime::{AnyRuntime, Runtime, Timer};
use crate::stack::enclosing;
use crate::task::{TaskId, TaskInfo};

/// The current task, body or job, as it can ask for itself (X1).
///
/// A value that may be kept and sent elsewhere; it does not keep the task alive. [`current`](Self::current)
/// never gives another task of the same thread, and in the destructors of a task's future it gives that
/// task (X2).
///
/// # Examples
///
/// ```
/// use anyscope_core::{BoxError, Group, GroupError, Runtime, TaskContext};
///
/// async fn check() -> Result<(), BoxError> {
///     let task = TaskContext::current().expect("it runs in a task");
///     println!("{:?} has until {:?}", task.name(), task.deadline());
///     Ok(())
/// }
///
/// async fn run<R: Runtime>(rt: &R) -> Result<(), GroupError> {
///     rt.group(async |g| Ok(g.task(check()).name("check").spawn().await?)).await
/// }
///
/// // Outside any task there is none.
/// assert!(TaskContext::current().is_none());
/// ```
#[derive(Clone)]
pub struct TaskContext {
    node: Arc<Node>,
    key: UnitKey,
    info: TaskInfo,
}

impl TaskContext {
    /// The task, body or job that runs on this thread right now.
    pub fn current() -> Option<Self> {
        let (node, key) = enclosing()?;
        let info = node.info(key)?;
        Some(Self { node, key, info })
    }

    /// Its id.
    pub fn id(&self) -> TaskId {
        self.info.id()
    }

    /// Its name, where it has one.
    pub fn name(&self) -> Option<&str> {
        self.info.name()
    }

    /// Where it was spawned.
    pub fn location(&self) -> &'static Location<'static> {
        self.info.location()
    }

    /// The group that it belongs to.
    pub fn group_id(&self) -> GroupId {
        self.node.id()
    }

    /// The handle of its group, if that has this error type and this runtime type.
    pub fn group<E: AsDynError, R: Runtime>(&self) -> Option<GroupHandle<E, R>> {
        GroupHandle::from_node(self.node.clone())
    }

    /// The runtime of its group.
    pub fn runtime(&self) -> Option<AnyRuntime> {
        self.node.core().runtime()
    }

    /// Why it was cancelled, if it was (C2).
    pub fn cause(&self) -> Option<CancelCause> {
        self.node.cause_of(self.key, self.id())
    }

    /// Fails if it was cancelled: [`check_cancelled`](crate::check_cancelled) for those who help a job
    /// on other threads, as the pieces of a data-parallel computation do. It costs a few nanoseconds
    /// while nobody was cancelled.
    ///
    /// # Errors
    ///
    /// [`Cancelled`], with the cause, also inside a [shield](crate::shield()).
    pub fn check_cancelled(&self) -> Result<(), Cancelled> {
        let may_be = is_any_in_effect() && self.node.knows_a_cause();
        let cause = if may_be { self.cause() } else { None };
        cause.map_or(Ok(()), |cause| Err(cause.into()))
    }

    /// What it carries (X4); nothing once it has ended. [`Carried::here`] is the same for the current one.
    pub fn carried(&self) -> Carried {
        self.node.carried_by(self.key, Some(self.id()))
    }

    /// The earliest deadline in force, its own group's or an enclosing one's.
    pub fn deadline(&self) -> Option<Instant> {
        self.node.deadline()
    }

    /// The time until the [`deadline`](Self::deadline); zero if it has passed.
    pub fn remaining(&self) -> Option<Duration> {
        Some(self.deadline()?.saturating_duration_since(self.runtime()?.now()))
    }

    /// Waits until it is cancelled, alone or with its group (C2): how a task learns in a grace period,
    /// or in a shield, that it should stop by itself, and a job that it should return. Otherwise a task
    /// needs no such wait: it is dropped. Once it has ended, only a cancellation of its group is told.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if it is dropped.
    pub fn cancelled(&self) -> WaitCancelled {
        WaitCancelled::new(self.node.clone(), Some((self.key, self.id())))
    }
}

impl fmt::Debug for TaskContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskContext").field("task", &self.info).finish_non_exhaustive()
    }
}

/// The future of [`TaskContext::cancelled`] and [`GroupHandle::cancelled`].
#[must_use = "futures do nothing unless awaited"]
pub struct WaitCancelled {
    watch: Watch,
    /// Whose own cancellation ends the wait as well.
    unit: Option<(UnitKey, TaskId)>,
}

impl WaitCancelled {
    pub(crate) fn new(node: Arc<Node>, unit: Option<(UnitKey, TaskId)>) -> Self {
        let key = unit.map_or(UnitKey::NOBODY, |(key, _)| key);
        Self { watch: Watch::of_unit(node, key), unit }
    }

    fn cause(&self) -> Option<CancelCause> {
        cause_in(self.watch.node(), self.unit)
    }
}

/// That of the unit, if there is one, or of its group.
fn cause_in(node: &Node, unit: Option<(UnitKey, TaskId)>) -> Option<CancelCause> {
    match unit {
        Some((key, id)) => node.cause_of(key, id),
        None => node.cause().cloned(),
    }
}

impl Future for WaitCancelled {
    type Output = CancelCause;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CancelCause> {
        if let Some(cause) = self.cause() {
            return Poll::Ready(cause);
        }
        let unit = self.unit;
        self.watch.poll(cx, |node| cause_in(node, unit))
    }
}

impl fmt::Debug for WaitCancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitCancelled").finish_non_exhaustive()
    }
}
