//! What a task that is started shares with the one who waits for it.

use std::fmt;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use crate::error::{AsDynError, Echo, drop_echo};
use crate::group::GroupId;
use crate::group::end::Fault;
use crate::panics::{Payload, catch, drop_contained};
use crate::stack::ending;
use crate::sync::{Mutex, drop_waker, lock, wake};
use crate::task::{TaskId, TaskInfo};
use crate::unhandled::{self, UnhandledKind};

/// With what a task that was started by [`GroupHandle::start`](crate::GroupHandle::start) says that
/// it is ready. Dropped without that, it is an error for the one who waits, and the task is
/// cancelled.
#[must_use = "the one who started the task waits for `ready`"]
pub struct Started<V> {
    pub(super) handshake: Arc<Handshake<V>>,
    pub(super) task: TaskId,
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
            self.handshake.end_waiting(Phase::Silent);
        }
    }
}

impl<V> fmt::Debug for Started<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started").finish_non_exhaustive()
    }
}

/// How far a start is. Locked for a look and a change; the waker and the value are dropped outside.
pub(super) struct Handshake<V>(Mutex<Phase<V>>);

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
    pub(super) fn new() -> Self {
        Self(Mutex::new(Phase::Waiting(None)))
    }

    fn hand_over(&self, value: V) -> bool {
        self.end_waiting(Phase::Ready(value))
    }

    /// Goes on to this phase, if the caller still waits. Whether it did.
    fn end_waiting(&self, next: Phase<V>) -> bool {
        let mut phase = lock(&self.0);
        let Phase::Waiting(waker) = &mut *phase else {
            drop(phase);
            drop(next);
            return false;
        };
        let waker = waker.take();
        *phase = next;
        drop(phase);
        waker.into_iter().for_each(wake);
        true
    }

    /// Keeps a failure for the caller as long as it is the caller's; else it comes back.
    fn keep<E>(&self, early: Early<E>, slot: &EarlySlot<E>) -> Result<(), Early<E>> {
        // Held until it is kept: whoever leaves finds it, and whoever is ready comes too late.
        let mut phase = lock(&self.0);
        let waker = match &mut *phase {
            Phase::Waiting(waker) => waker.take(),
            Phase::Silent => None,
            _ => return Err(early),
        };
        *lock(slot) = Some(early);
        if let Phase::Waiting(_) = *phase {
            *phase = Phase::Ended;
        }
        drop(phase);
        waker.into_iter().for_each(wake);
        Ok(())
    }

    /// Nobody waits any more. Whether that is in time: not if a value was handed over. Nobody will take that:
    /// it goes now, and not with the task.
    pub(super) fn abandon(&self) -> bool {
        let left = std::mem::replace(&mut *lock(&self.0), Phase::Abandoned);
        match left {
            Phase::Ready(value) => {
                drop_contained(value);
                return false;
            }
            Phase::Waiting(waker) => drop_waker(waker),
            _ => {}
        }
        true
    }

    pub(super) fn is_silent(&self) -> bool {
        matches!(*lock(&self.0), Phase::Silent)
    }

    /// The value, or `None` once there can be none any more.
    pub(super) fn poll_value(&self, cx: &mut Context<'_>) -> Poll<Option<V>> {
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
pub(super) enum Early<E> {
    Error(E),
    Panic(Payload),
}

impl<E: AsDynError> Early<E> {
    /// The caller has gone without asking (C9).
    pub(super) fn report(self, task: &TaskInfo, group: GroupId) {
        match self {
            Self::Error(error) => {
                if Echo::of(error.as_error(), group).is_some() {
                    return drop_echo(error);
                }
                unhandled::report_error(UnhandledKind::Failure, Some(task), error.as_error());
                drop_contained(error);
            }
            Self::Panic(payload) => {
                unhandled::report_panic(UnhandledKind::Panic, Some(task), payload);
            }
        }
    }
}

pub(super) type EarlySlot<E> = Arc<Mutex<Option<Early<E>>>>;

pin_project! {
    /// The task: keeps a failure for the caller as long as it is not ready.
    pub(super) struct Starting<F, V, E> {
        #[pin]
        pub(super) future: F,
        pub(super) handshake: Arc<Handshake<V>>,
        pub(super) early: EarlySlot<E>,
    }

    impl<F, V, E> PinnedDrop for Starting<F, V, E> {
        // The handle alone does not say whether a value came before the end.
        fn drop(this: Pin<&mut Self>) {
            this.project().handshake.end_waiting(Phase::Ended);
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
        let panicked = matches!(early, Early::Panic(_));
        match this.handshake.keep(early, this.early) {
            Ok(()) => Poll::Ready(Err(Fault::Returned { panicked })),
            Err(Early::Error(error)) => Poll::Ready(Err(Fault::Error(error))),
            Err(Early::Panic(payload)) => resume_unwind(payload),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_ready_after_the_task_has_failed_comes_too_late() {
        let (handshake, slot) = (Handshake::new(), EarlySlot::default());
        assert!(handshake.keep(Early::Error("fails"), &slot).is_ok());
        assert!(!handshake.hand_over(()), "the failure is the caller's, who gets no value");
        assert!(lock(&slot).is_some());
    }
}
