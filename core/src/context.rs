//! The current task: what body, tasks and jobs can ask while they run (X1, X2).

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::cancel::{CancelCause, Cancelled};
use crate::error::AsDynError;
use crate::group::{GroupHandle, GroupId, Node, Unit, UnitKey, WatchKey};
use crate::panics::{Payload, catch};
use crate::runtime::{AnyRuntime, Runtime, Timer};
use crate::sync::WakerId;
use crate::task::{TaskId, TaskInfo};

thread_local! {
    /// What runs on this thread right now. Borrowed only for a swap or a look, never while user
    /// code runs.
    static CURRENT: RefCell<Frame> = const { RefCell::new(Frame { unit: None, native: None }) };
}

#[derive(Default)]
struct Frame {
    unit: Option<Unit>,
    /// The waker that the executor itself polls the current task with: safe to be registered with
    /// native handles (P3). `None` in a job.
    native: Option<WakerId>,
}

/// Runs `f` as the unit in `unit`, which is put back when it is done, and catches its panic. Nests:
/// while `f` runs, what was current before is kept in `unit`'s place.
pub(crate) fn run_as<T>(
    unit: &mut Option<Unit>,
    native: Option<WakerId>,
    f: impl FnOnce() -> T,
) -> Result<T, Payload> {
    let mut frame = Frame { unit: unit.take(), native };
    swap_current(&mut frame);
    let outcome = catch(f);
    swap_current(&mut frame);
    *unit = frame.unit;
    outcome
}

/// A thread that is being torn down has no current task any more.
fn swap_current(frame: &mut Frame) {
    let _ = CURRENT.try_with(|current| std::mem::swap(&mut *current.borrow_mut(), frame));
}

fn look<T>(f: impl FnOnce(&Frame) -> Option<T>) -> Option<T> {
    CURRENT.try_with(|current| f(&current.borrow())).ok().flatten()
}

/// The group that a group opened here belongs to, and the unit that opens it.
pub(crate) fn enclosing() -> Option<(Arc<Node>, UnitKey)> {
    look(|frame| frame.unit.as_ref().map(|unit| (unit.node().clone(), unit.key())))
}

/// Whether this waker is the executor's own.
pub(crate) fn is_native(waker: &std::task::Waker) -> bool {
    look(|frame| frame.native) == Some(WakerId::of(waker))
}

/// Whether the current task or body is about to be dropped by a cancellation (T1). A job is not.
pub(crate) fn is_about_to_be_dropped() -> bool {
    let unit = look(|frame| {
        frame.native?;
        frame.unit.as_ref().map(|unit| (unit.node().clone(), unit.key()))
    });
    unit.is_some_and(|(node, key)| node.cause_for(key).is_some())
}

/// The current task, body or job, as it can ask for itself (X1).
///
/// A value that may be kept and sent elsewhere; it does not keep the task alive.
///
/// # Examples
///
/// ```
/// use anyscope_core::TaskContext;
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
        if self.node.is_live(self.key, self.id()) {
            self.node.cause_for(self.key)
        } else {
            self.node.cause().cloned()
        }
    }

    /// The earliest deadline in force, its own group's or an enclosing one's.
    pub fn deadline(&self) -> Option<Instant> {
        self.node.deadline()
    }

    /// The time until the [`deadline`](Self::deadline); zero if it has passed.
    pub fn remaining(&self) -> Option<Duration> {
        Some(self.deadline()?.saturating_duration_since(self.runtime()?.now()))
    }

    /// Waits until its group is cancelled (C2). A task that only has to end needs no such wait: it
    /// is dropped. This is for those who watch from elsewhere.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if it is dropped.
    pub fn cancelled(&self) -> WaitCancelled {
        WaitCancelled::new(self.node.clone())
    }
}

impl fmt::Debug for TaskContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskContext").field("task", &self.info).finish_non_exhaustive()
    }
}

/// Fails if the current task or job has been cancelled: what a long computation asks now and then,
/// because a running job cannot be stopped from outside (B3, U3). Outside any task it never fails.
///
/// # Errors
///
/// [`Cancelled`], with the cause.
///
/// # Examples
///
/// ```
/// use anyscope_core::{Cancelled, check_cancelled};
///
/// fn sum(numbers: &[u64]) -> Result<u64, Cancelled> {
///     let mut total = 0;
///     for part in numbers.chunks(1024) {
///         check_cancelled()?;
///         total += part.iter().sum::<u64>();
///     }
///     Ok(total)
/// }
/// assert_eq!(sum(&[1, 2, 3]), Ok(6));
/// ```
pub fn check_cancelled() -> Result<(), Cancelled> {
    match look(|frame| frame.unit.as_ref().and_then(Unit::cause)) {
        Some(cause) => Err(cause.into()),
        None => Ok(()),
    }
}

/// The future of [`TaskContext::cancelled`] and [`GroupHandle::cancelled`].
#[must_use = "futures do nothing unless awaited"]
pub struct WaitCancelled {
    node: Arc<Node>,
    slot: Option<WatchKey>,
}

impl WaitCancelled {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        Self { node, slot: None }
    }
}

impl Future for WaitCancelled {
    type Output = CancelCause;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CancelCause> {
        let this = self.get_mut();
        if this.node.cause().is_none() {
            this.node.watch(&mut this.slot, cx);
        }
        this.node.cause().cloned().map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for WaitCancelled {
    fn drop(&mut self) {
        self.node.unwatch(self.slot.take());
    }
}

impl fmt::Debug for WaitCancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitCancelled").finish_non_exhaustive()
    }
}
