//! What a handle says when there is no value (T1).

use std::error::Error;
use std::fmt;
use std::sync::PoisonError;

use crate::cancel::{CancelCause, Cancelled};
use crate::error::BoxError;
use crate::group::GroupId;
use crate::panics::{Payload, drop_payload, panic_message};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::task::{TaskId, TaskInfo};
use crate::unhandled::{self, UnhandledKind};
use crate::withheld::Withheld;

/// Why a task or job has no value: it failed, panicked, was cancelled or was refused.
///
/// The failure itself stays in the group's error; this only says that there is one (T1). That of a
/// detached task is here ([`take_error`](Self::take_error)). Sent back through `?` it is recognised by
/// its type: a cancellation is never a failure, and a failure that the group already has is not counted
/// twice (G4).
pub struct TaskError(Box<Inner>);

struct Inner {
    task: TaskId,
    kind: Kind,
    /// How often it was withheld from whoever awaits the task.
    withheld: Withheld,
}

enum Kind {
    /// The failure is in the error of its group.
    Failed(Recorded),
    /// The policy of its group has dealt with the failure.
    Discarded,
    /// Of a detached task: there is no other error that it could be in.
    FailedAlone {
        info: TaskInfo,
        error: Option<BoxError>,
    },
    /// With `recorded` its group has dealt with the panic; without, the payload is here.
    Panicked {
        message: String,
        recorded: Option<Recorded>,
        /// Never locked: what it carries need not be `Sync`, and errors are.
        payload: Mutex<Option<Payload>>,
    },
    Cancelled(Cancelled),
    /// Never started: with the cause if its group was cancelled, without if it had ended.
    Refused(Option<Cancelled>),
    Taken,
}

impl TaskError {
    pub(crate) fn failed(task: TaskId, group: GroupId) -> Self {
        Self::new(task, Kind::Failed(Recorded::new(group)))
    }

    pub(crate) fn failed_alone(info: TaskInfo, error: BoxError) -> Self {
        Self::new(info.id(), Kind::FailedAlone { info, error: Some(error) })
    }

    pub(crate) fn cancelled(task: TaskId, cause: CancelCause) -> Self {
        Self::new(task, Kind::Cancelled(cause.into()))
    }

    pub(crate) fn refused(task: TaskId, cause: Option<CancelCause>) -> Self {
        Self::new(task, Kind::Refused(cause.map(Cancelled::from)))
    }

    pub(crate) fn taken(task: TaskId) -> Self {
        Self::new(task, Kind::Taken)
    }

    /// A panic whose payload the group keeps.
    pub(crate) fn panicked_in(task: TaskId, group: GroupId, message: &str) -> Self {
        let payload = Mutex::new(None);
        let message = message.to_owned();
        Self::new(task, Kind::Panicked { message, recorded: Some(Recorded::new(group)), payload })
    }

    /// A panic whose payload goes to whoever awaits the handle.
    pub(crate) fn panicked(task: TaskId, payload: Payload) -> Self {
        let message = panic_message(&*payload).to_owned();
        let payload = Mutex::new(Some(payload));
        Self::new(task, Kind::Panicked { message, recorded: None, payload })
    }

    /// A failure or panic that is in no error, because the group's policy has dealt with it: so this is no
    /// echo of one (G16).
    pub(crate) fn discarded(mut self) -> Self {
        match &mut self.0.kind {
            Kind::Panicked { recorded, .. } => *recorded = None,
            failed => *failed = Kind::Discarded,
        }
        self
    }

    fn new(task: TaskId, kind: Kind) -> Self {
        Self(Box::new(Inner { task, kind, withheld: Withheld::default() }))
    }

    /// The task or job.
    pub fn task(&self) -> TaskId {
        self.0.task
    }

    /// It ended with an `Err`, which is in its group's error, unless the policy has
    /// [dealt with it](crate::Verdict::Discard); that of a detached task is here.
    pub fn is_failed(&self) -> bool {
        matches!(self.0.kind, Kind::Failed(_) | Kind::Discarded | Kind::FailedAlone { .. })
    }

    /// It panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self.0.kind, Kind::Panicked { .. })
    }

    /// It was cancelled after it had been accepted.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.0.kind, Kind::Cancelled(_))
    }

    /// It was never started: its group was already cancelled (then there is a [`cause`](Self::cause))
    /// or had ended (G10).
    pub fn is_refused(&self) -> bool {
        matches!(self.0.kind, Kind::Refused(_))
    }

    /// The handle was awaited again after it had given its value.
    pub fn is_taken(&self) -> bool {
        matches!(self.0.kind, Kind::Taken)
    }

    /// Why it was cancelled or refused.
    pub fn cause(&self) -> Option<&CancelCause> {
        self.cancelled_marker().map(Cancelled::cause)
    }

    /// The text of the panic, where it was one.
    pub fn panic_message(&self) -> Option<&str> {
        match &self.0.kind {
            Kind::Panicked { message, .. } => Some(message),
            _ => None,
        }
    }

    /// The payload of a job's panic, once (P4). A task's panic is raised by its group instead.
    pub fn take_panic(&mut self) -> Option<Payload> {
        self.0.take_payload()
    }

    /// The error of a [detached task](crate::Group::try_spawn_detached), once; until then it is the
    /// `source()` of this one. A group's task has its error in the group's.
    pub fn take_error(&mut self) -> Option<BoxError> {
        match &mut self.0.kind {
            Kind::FailedAlone { error, .. } => error.take(),
            _ => None,
        }
    }

    /// Whether it is kept from who awaits the task now, because that is about to be dropped (T1), as `is_due`
    /// says.
    pub(crate) fn is_withheld(&mut self, is_due: impl FnOnce() -> bool) -> bool {
        self.0.withheld.again(is_due)
    }

    /// Nobody will see this: what is nowhere else goes to the hook (C9).
    pub(crate) fn report_unseen(mut self) {
        if let Some(payload) = self.take_panic() {
            unhandled::report_panic(UnhandledKind::Panic, None, payload);
        }
        if let Kind::FailedAlone { info, error: Some(error) } = &self.0.kind {
            unhandled::report_error(UnhandledKind::Failure, Some(info), error.as_error());
        }
    }

    fn cancelled_marker(&self) -> Option<&Cancelled> {
        match &self.0.kind {
            Kind::Cancelled(marker) | Kind::Refused(Some(marker)) => Some(marker),
            _ => None,
        }
    }
}

impl Inner {
    fn take_payload(&mut self) -> Option<Payload> {
        match &mut self.kind {
            Kind::Panicked { payload, .. } => {
                payload.get_mut().unwrap_or_else(PoisonError::into_inner).take()
            }
            _ => None,
        }
    }
}

impl Drop for Inner {
    /// The payload is user data and its destructor may panic.
    fn drop(&mut self) {
        if let Some(payload) = self.take_payload() {
            drop_payload(payload);
        }
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let task = self.0.task;
        match &self.0.kind {
            Kind::Failed(_) | Kind::Discarded | Kind::FailedAlone { error: None, .. } => {
                write!(f, "task {task} failed")
            }
            Kind::FailedAlone { error: Some(error), .. } => {
                write!(f, "task {task} failed: {error}")
            }
            Kind::Panicked { message, .. } => write!(f, "task {task} panicked: {message}"),
            Kind::Cancelled(marker) => write!(f, "task {task} {marker}"),
            Kind::Refused(Some(marker)) => write!(f, "task {task} refused: its group was {marker}"),
            Kind::Refused(None) => write!(f, "task {task} refused: its group has ended"),
            Kind::Taken => write!(f, "the value of task {task} was already taken"),
        }
    }
}

impl fmt::Debug for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskError({self})")
    }
}

impl Error for TaskError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0.kind {
            Kind::Failed(recorded) | Kind::Panicked { recorded: Some(recorded), .. } => {
                Some(recorded)
            }
            Kind::FailedAlone { error, .. } => error.as_ref().map(|error| error.as_error() as _),
            _ => self.cancelled_marker().map(|marker| marker as _),
        }
    }
}

/// Says that a group has what a [`TaskError`] reports. An error type of its own at the end of the
/// `source()` chain, so that it is found through wrappers that only forward their source.
#[derive(Debug)]
pub(crate) struct Recorded {
    group: GroupId,
    /// Set once another group has counted the report as a failure. Relaxed: the error that carries
    /// it is handed on by value, which orders it.
    counted: AtomicBool,
}

impl Recorded {
    fn new(group: GroupId) -> Self {
        Self { group, counted: AtomicBool::new(false) }
    }

    pub(crate) fn is_echo_in(&self, group: GroupId) -> bool {
        self.group == group && self.is_uncounted()
    }

    pub(crate) fn is_uncounted(&self) -> bool {
        !self.counted.load(Ordering::Relaxed)
    }

    pub(crate) fn count(&self) {
        self.counted.store(true, Ordering::Relaxed);
    }
}

impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its failure is in the error of group {}", self.group)
    }
}

impl Error for Recorded {}
