//! The start handshake: a task that says when it is ready (G22).

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use pin_project_lite::pin_project;

use crate::error::{AsDynError, Echo};
use crate::group::GroupId;
use crate::group::entry::Admission;
use crate::group::handle::GroupHandle;
use crate::group::ledger::Fault;
use crate::group::spawn::spawn_task;
use crate::panics::{Payload, catch, contain, drop_payload};
use crate::runtime::{Runtime, Spawner};
use crate::stack::ending;
use crate::sync::{Mutex, drop_waker, lock, wake};
use crate::task::{NoCallback, TaskError, TaskHandle, TaskId, TaskInfo};
use crate::unhandled::{self, UnhandledKind};

/// With what a task that was started by [`GroupHandle::start`](crate::GroupHandle::start) says that
/// it is ready. Dropped without that, it is an error for the one who waits, and the task is
/// cancelled.
#[must_use = "the one who started the task waits for `ready`"]
pub struct Started<V> {
    handshake: Arc<Handshake<V>>,
    task: TaskId,
}

impl<V> Started<V> {
    /// Hands `value` over: from now on the task's failure is its group's.
    ///
    /// Whether somebody still waited. If not, the value is dropped and the task was cancelled.
    pub fn ready(self, value: V) -> bool {
        self.handshake.hand_over(value)
    }
}

impl<V> Drop for Started<V> {
    /// Where it goes with its task's future, the end of the task says what happened.
    fn drop(&mut self) {
        if !ending().iter().any(|unit| unit.info().id() == self.task) {
            self.handshake.give_up(Phase::Silent);
        }
    }
}

impl<V> fmt::Debug for Started<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started").finish_non_exhaustive()
    }
}

/// How far a start is. Locked for a look and a change; the waker and the value are dropped outside.
struct Handshake<V>(Mutex<Phase<V>>);

enum Phase<V> {
    /// With the waker of the one who waits.
    Waiting(Option<Waker>),
    /// Handed over, and not taken yet.
    Ready(V),
    /// Handed over and taken.
    Done,
    /// The task has dropped what it should have called.
    Silent,
    /// The task's future is gone.
    Ended,
    /// Nobody waits any more.
    Abandoned,
}

impl<V> Handshake<V> {
    fn hand_over(&self, value: V) -> bool {
        let mut phase = lock(&self.0);
        let Phase::Waiting(waker) = &mut *phase else {
            drop(phase);
            drop(value);
            return false;
        };
        let waker = waker.take();
        *phase = Phase::Ready(value);
        drop(phase);
        waker.into_iter().for_each(wake);
        true
    }

    /// Ends the waiting, if it goes on.
    fn give_up(&self, end: Phase<V>) {
        let mut phase = lock(&self.0);
        let Phase::Waiting(waker) = &mut *phase else {
            return;
        };
        let waker = waker.take();
        *phase = end;
        drop(phase);
        waker.into_iter().for_each(wake);
    }

    /// Keeps a failure for the caller as long as it is the caller's; else it comes back.
    fn keep<E>(&self, early: Early<E>, slot: &EarlySlot<E>) -> Result<(), Early<E>> {
        // Held until it is kept: whoever leaves finds it.
        let phase = lock(&self.0);
        if !matches!(*phase, Phase::Waiting(_) | Phase::Silent) {
            return Err(early);
        }
        *lock(slot) = Some(early);
        Ok(())
    }

    /// Nobody waits any more. A value that was handed over stays.
    fn abandon(&self) {
        let mut phase = lock(&self.0);
        let waker = match &mut *phase {
            Phase::Waiting(waker) => waker.take(),
            Phase::Silent => None,
            _ => return,
        };
        *phase = Phase::Abandoned;
        drop(phase);
        drop_waker(waker);
    }

    fn is_silent(&self) -> bool {
        matches!(*lock(&self.0), Phase::Silent)
    }

    /// The value, or `None` once there can be none any more.
    fn poll_value(&self, cx: &mut Context<'_>) -> Poll<Option<V>> {
        let fresh = cx.waker().clone();
        let mut phase = lock(&self.0);
        match &mut *phase {
            Phase::Waiting(waker) => {
                let old = waker.replace(fresh);
                drop(phase);
                drop_waker(old);
                Poll::Pending
            }
            Phase::Ready(_) => match std::mem::replace(&mut *phase, Phase::Done) {
                Phase::Ready(value) => Poll::Ready(Some(value)),
                _ => Poll::Ready(None),
            },
            _ => Poll::Ready(None),
        }
    }
}

/// What became of a task before it was ready: for the one who started it.
enum Early<E> {
    Error(E),
    Panic(Payload),
}

impl<E: AsDynError> Early<E> {
    /// The caller has gone without asking (C9).
    fn report(self, task: &TaskInfo, group: GroupId) {
        match self {
            Self::Error(error) => {
                if Echo::of(error.as_error(), group).is_none() {
                    let kind = UnhandledKind::Failure;
                    unhandled::report_error(kind, Some(task), error.as_error());
                }
                contain(UnhandledKind::Destructor, || drop(error));
            }
            Self::Panic(payload) => {
                unhandled::report_panic(UnhandledKind::Panic, Some(task), &*payload);
                drop_payload(payload);
            }
        }
    }
}

type EarlySlot<E> = Arc<Mutex<Option<Early<E>>>>;

pin_project! {
    /// The task: keeps a failure for the caller as long as it is not ready.
    struct Starting<F, V, E> {
        #[pin]
        future: F,
        handshake: Arc<Handshake<V>>,
        early: EarlySlot<E>,
    }

    impl<F, V, E> PinnedDrop for Starting<F, V, E> {
        // The handle alone does not say whether a value came before the end.
        fn drop(this: Pin<&mut Self>) {
            this.project().handshake.give_up(Phase::Ended);
        }
    }
}

impl<F, V, T, E> Future for Starting<F, V, E>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<T, Fault<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let early = match catch(|| this.future.poll(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(value))) => return Poll::Ready(Ok(value)),
            Ok(Poll::Ready(Err(error))) => Early::Error(error),
            Err(payload) => Early::Panic(payload),
        };
        match this.handshake.keep(early, this.early) {
            Ok(()) => Poll::Ready(Err(Fault::Returned)),
            Err(Early::Error(error)) => Poll::Ready(Err(Fault::Error(error))),
            Err(Early::Panic(payload)) => resume_unwind(payload),
        }
    }
}

#[track_caller]
pub(crate) fn start_task<C, F, V, T, E, R>(
    group: &GroupHandle<E, R>,
    task: C,
) -> StartTask<V, T, E, R>
where
    C: FnOnce(Started<V>) -> F + Send + 'static,
    F: Future<Output = Result<T, E>> + Send + 'static,
    V: Send + 'static,
    T: Send + 'static,
    E: AsDynError,
    R: Runtime,
{
    let handshake = Arc::new(Handshake(Mutex::new(Phase::Waiting(None))));
    let early = EarlySlot::default();
    let info = TaskInfo::here();
    let started = Started { handshake: handshake.clone(), task: info.id() };
    // The closure is called in the first poll, where its panic is caught.
    let future = async move { task(started).await };
    let starting = Starting { future, handshake: handshake.clone(), early: early.clone() };
    let (id, begun) = (group.id(), info.clone());
    let handle = spawn_task(group, info, Admission::Ordinary, starting, NoCallback);
    StartTask { handshake, early, handle: Some(handle), info: begun, group: id }
}

/// The future of [`GroupHandle::start`](crate::GroupHandle::start). The task is spawned already;
/// dropping this cancels it.
#[must_use = "dropping it cancels the task"]
pub struct StartTask<V, T: Send + 'static, E: AsDynError, R: Spawner> {
    handshake: Arc<Handshake<V>>,
    early: EarlySlot<E>,
    /// `None` once it was handed over.
    handle: Option<TaskHandle<T, R>>,
    info: TaskInfo,
    group: GroupId,
}

impl<V, T: Send + 'static, E: AsDynError, R: Spawner> Unpin for StartTask<V, T, E, R> {}

impl<V, T: Send + 'static, E: AsDynError, R: Runtime> Future for StartTask<V, T, E, R> {
    type Output = Result<(V, TaskHandle<T, R>), StartError<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let value = ready!(this.handshake.poll_value(cx));
        let handle = this.handle.as_mut().expect("a start is not polled after it has returned");
        if let Some(value) = value {
            let handle = this.handle.take().expect("looked at just now");
            return Poll::Ready(Ok((value, handle)));
        }
        if this.handshake.is_silent() {
            handle.cancel();
        }
        let outcome = ready!(Pin::new(handle).poll(cx));
        this.handle = None;
        let early = lock(&this.early).take();
        Poll::Ready(Err(StartError(match (early, outcome) {
            (Some(Early::Panic(payload)), _) => resume_unwind(payload),
            (Some(Early::Error(error)), _) => Kind::Failed(error),
            (None, Err(error)) if error.is_refused() || !this.handshake.is_silent() => {
                Kind::Ended(error)
            }
            (None, _) => Kind::NotReady,
        })))
    }
}

impl<V, T: Send + 'static, E: AsDynError, R: Spawner> Drop for StartTask<V, T, E, R> {
    fn drop(&mut self) {
        if let Some(handle) = &self.handle {
            self.handshake.abandon();
            handle.cancel();
            let early = lock(&self.early).take();
            if let Some(early) = early {
                early.report(&self.info, self.group);
            }
        }
    }
}

impl<V, T: Send + 'static, E: AsDynError, R: Spawner> fmt::Debug for StartTask<V, T, E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartTask").field("handle", &self.handle).finish_non_exhaustive()
    }
}

/// Why a task that was started has not become ready (G22).
pub struct StartError<E>(Kind<E>);

enum Kind<E> {
    Failed(E),
    NotReady,
    Ended(TaskError),
}

impl<E> StartError<E> {
    /// The task's own error, if it failed.
    pub fn error(&self) -> Option<&E> {
        match &self.0 {
            Kind::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// The task's own error by value, if it failed.
    pub fn into_error(self) -> Option<E> {
        match self.0 {
            Kind::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// Whether the task ended, or dropped its [`Started`], without handing anything over.
    pub fn is_not_ready(&self) -> bool {
        matches!(self.0, Kind::NotReady)
    }

    /// Whether it was cancelled or refused; [`source`](Error::source) then says why.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.0, Kind::Ended(_))
    }
}

impl<E: AsDynError> fmt::Display for StartError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Failed(error) => {
                write!(f, "the task failed before it was ready: {}", error.as_error())
            }
            Kind::NotReady => f.write_str("the task has not said that it is ready"),
            Kind::Ended(error) => write!(f, "the task has not become ready: {error}"),
        }
    }
}

impl<E: AsDynError> fmt::Debug for StartError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StartError({self})")
    }
}

impl<E: AsDynError> Error for StartError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Kind::Failed(error) => Some(error.as_error()),
            Kind::NotReady => None,
            Kind::Ended(error) => Some(error),
        }
    }
}
