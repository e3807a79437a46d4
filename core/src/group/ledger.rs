//! The ledger of a group: decides what each end means, keeps failures and panics, closes the account.

use std::mem;
use std::time::Instant;

use crate::cancel::{CancelCause, CauseKind};
use crate::error::{
    AsDynError, BoxError, Echo, ErrorGroup, Failure, FailureKind, GroupError, drop_echo,
};
use crate::group::end::{End, Ending, Fault, Role, Settled};
use crate::group::policy::{EndedTask, Policy, Verdict};
use crate::group::state::time::report_overdue;
use crate::panics::{PanicPolicy, Payload, answer, contain, drop_contained, panic_message};
use crate::sync::{Mutex, lock};
use crate::task::{TaskError, TaskId, TaskInfo};
use crate::unhandled::{self, UnhandledKind};

pub(crate) struct Ledger<E> {
    policy: OwnPolicy<E>,
    panics: PanicPolicy,
    /// Of detached tasks: failures and panics are values at their handles, because there is no group that
    /// anyone awaits.
    is_lone: bool,
    /// What the times of failures are counted from, by the same clock.
    began: Instant,
    /// Locked to push and to take; no user code runs under it.
    book: Mutex<Book<E>>,
}

/// `None` is fail-fast, which has nothing to be asked. A user's is dropped wherever the last reference to
/// its group is, the executor's threads included: its panic ends there (P3).
struct OwnPolicy<E>(Option<Box<dyn Policy<E>>>);

impl<E> Drop for OwnPolicy<E> {
    fn drop(&mut self) {
        if let Some(policy) = self.0.take() {
            contain(UnhandledKind::Policy, || drop(policy));
        }
    }
}

struct Book<E> {
    /// In order of occurrence (G6).
    failures: Vec<Failure<E>>,
    /// The panic to be raised again in the group's caller: the first one (P1).
    panic: Option<(TaskInfo, Payload)>,
}

impl<E: AsDynError> Ledger<E> {
    pub(crate) fn new(
        policy: Option<Box<dyn Policy<E>>>,
        panics: PanicPolicy,
        began: Instant,
    ) -> Self {
        let book = Mutex::new(Book { failures: Vec::new(), panic: None });
        let policy = OwnPolicy(policy);
        Self { policy, panics, is_lone: false, began, book }
    }

    /// Of a detached task.
    pub(crate) fn lone(began: Instant) -> Self {
        Self { is_lone: true, ..Self::new(None, PanicPolicy::Resume, began) }
    }

    pub(crate) fn is_lone(&self) -> bool {
        self.is_lone
    }

    /// Whether a success means anything: to fail-fast it does not.
    pub(crate) fn asks_policy(&self) -> bool {
        self.policy.0.is_some()
    }

    /// Enters the end of one unit. The caller must carry out `cancel` before the unit counts as
    /// ended, so that whoever awaits it finds the group cancelled (T1).
    pub(crate) fn settle<T>(
        &self,
        ending: &Ending<'_>,
        end: End<Result<T, Fault<E>>>,
    ) -> Settled<T> {
        match end {
            End::Value(Ok(value)) => self.succeeded(ending, value),
            End::Value(Err(fault)) => self.failed(ending, fault),
            End::Panicked(payload) => self.panicked(ending, payload),
            End::Cancelled(cause) => {
                Settled { outcome: Err(TaskError::cancelled(ending.id(), cause)), cancel: None }
            }
        }
    }

    fn succeeded<T>(&self, ending: &Ending<'_>, value: T) -> Settled<T> {
        let verdict = match ending.role {
            Role::Body => Verdict::Continue,
            _ => self.ask(Verdict::Continue, |policy| {
                policy.on_success(&EndedTask::succeeded(ending.info))
            }),
        };
        let cancel =
            (verdict == Verdict::Cancel).then(|| CauseKind::FirstSuccess(ending.id()).into());
        Settled { outcome: Ok(value), cancel }
    }

    fn failed<T>(&self, ending: &Ending<'_>, fault: Fault<E>) -> Settled<T> {
        match fault {
            Fault::Error(error) => match error.into_nested() {
                Ok(inner) => self.failed_by_group(ending, inner),
                Err(error) => self.failed_by_error(ending, error),
            },
            Fault::Group(inner) => self.failed_by_group(ending, inner),
            Fault::Returned { .. } => {
                let outcome = Err(TaskError::failed(ending.id(), ending.group));
                Settled { outcome, cancel: None }
            }
            Fault::Lone(error) => Settled { outcome: Err(lone(ending, error)), cancel: None },
        }
    }

    fn failed_by_error<T>(&self, ending: &Ending<'_>, error: E) -> Settled<T> {
        if let Some(echo) = Echo::of(error.as_error(), ending.group) {
            drop_echo(error);
            return self.echoed(ending, echo);
        }
        Echo::end_in(error.as_error());
        self.failed_by(ending, FailureKind::Error(error))
    }

    fn failed_by_group<T>(&self, ending: &Ending<'_>, inner: GroupError<E>) -> Settled<T> {
        if let Some(echo) = Echo::of_group(&inner, ending.group) {
            report_overdue(inner.overdue());
            return self.echoed(ending, echo);
        }
        Echo::end_in(&inner);
        self.failed_by(ending, FailureKind::Group(Box::new(inner)))
    }

    fn failed_by<T>(&self, ending: &Ending<'_>, kind: FailureKind<E>) -> Settled<T> {
        let in_group = TaskError::failed(ending.id(), ending.group);
        self.record(ending, Failure::new((ending.info)(), kind), in_group)
    }

    /// What came back through `?` and is no failure of its own (G4).
    fn echoed<T>(&self, ending: &Ending<'_>, echo: Echo) -> Settled<T> {
        let cause = match echo {
            Echo::Recorded => {
                let outcome = Err(TaskError::failed(ending.id(), ending.group));
                return Settled { outcome, cancel: None };
            }
            Echo::Cancelled(cause) => cause,
        };
        let cuts = ending.role == Role::Body || self.expiry_cuts(ending, &cause);
        let outcome = Err(TaskError::cancelled(ending.id(), cause.clone()));
        Settled { outcome, cancel: cuts.then_some(cause) }
    }

    /// In a group that is cancelled itself nothing depends on the answer, and the cause may be its own.
    fn expiry_cuts(&self, ending: &Ending<'_>, cause: &CancelCause) -> bool {
        let expired = matches!(cause.root().kind(), CauseKind::Deadline(_) | CauseKind::Shutdown);
        let ask =
            |policy: &dyn Policy<E>| policy.on_expired(&EndedTask::expired(ending.info, cause));
        expired && !(ending.is_cancelled)() && self.ask(Verdict::Cancel, ask) == Verdict::Cancel
    }

    fn panicked<T>(&self, ending: &Ending<'_>, payload: Payload) -> Settled<T> {
        if ending.role == Role::Job || self.is_lone {
            let outcome = Err(TaskError::panicked(ending.id(), payload));
            return Settled { outcome, cancel: None };
        }
        let message = panic_message(&*payload).to_owned();
        let in_group = TaskError::panicked_in(ending.id(), ending.group, &message);
        let info = (ending.info)();
        match self.panics {
            PanicPolicy::Abort => std::process::abort(),
            PanicPolicy::Capture => self.record(ending, Failure::panic(info, payload), in_group),
            PanicPolicy::Resume => {
                self.keep_panic(info, payload);
                let cancel = Some(CauseKind::SiblingFailed(ending.id()).into());
                Settled { outcome: Err(in_group), cancel }
            }
        }
    }

    /// Adds a failure, unless the policy has dealt with it; that of the body is the group's in any case.
    /// `in_group` is what the handle says then.
    fn record<T>(
        &self,
        ending: &Ending<'_>,
        failure: Failure<E>,
        in_group: TaskError,
    ) -> Settled<T> {
        let after = (ending.now)().saturating_duration_since(self.began);
        let failure = failure.at(Some(after));
        let verdict = self.ask(Verdict::Cancel, |policy| policy.on_failure(&failure));
        if verdict == Verdict::Discard && ending.role != Role::Body {
            drop_contained(failure);
            return Settled { outcome: Err(in_group.discarded()), cancel: None };
        }
        let first = self.add(failure);
        let cancel = (verdict == Verdict::Cancel).then(|| CauseKind::SiblingFailed(first).into());
        Settled { outcome: Err(in_group), cancel }
    }

    /// Who is first in the list: of two failures in a race that one is named in the cause (G6).
    fn add(&self, failure: Failure<E>) -> TaskId {
        let mut book = lock(&self.book);
        book.failures.push(failure);
        book.failures[0].task().id()
    }

    /// The first panic is kept; a later one has nobody to go to.
    fn keep_panic(&self, info: TaskInfo, payload: Payload) {
        let displaced = {
            let mut book = lock(&self.book);
            match book.panic {
                Some(_) => Some((info, payload)),
                None => book.panic.replace((info, payload)),
            }
        };
        if let Some((info, payload)) = displaced {
            unhandled::report_panic(UnhandledKind::Panic, Some(&info), payload);
        }
    }

    /// Asks the policy; `by_default` is what fail-fast says.
    fn ask(
        &self,
        by_default: Verdict,
        question: impl FnOnce(&dyn Policy<E>) -> Verdict,
    ) -> Verdict {
        let Some(policy) = &self.policy.0 else {
            return by_default;
        };
        answer(UnhandledKind::Policy, Verdict::Cancel, || question(&**policy))
    }

    /// Closes the account after the last child has ended. `value` is the body's.
    ///
    /// # Panics
    ///
    /// Raises the kept panic again (P1).
    pub(crate) fn close<T>(
        &self,
        value: Option<T>,
        cause: Option<CancelCause>,
    ) -> Result<T, GroupError<E>> {
        let Book { failures, panic } = self.take();
        if let Some((_, payload)) = panic {
            report_failures(failures);
            drop_contained(value);
            std::panic::resume_unwind(payload);
        }
        let keeps = cause.as_ref().is_none_or(CancelCause::keeps_value);
        match value {
            Some(value) if keeps && (failures.is_empty() || self.forgives()) => {
                drop(ErrorGroup::from_failures(failures));
                Ok(value)
            }
            value => {
                drop_contained(value);
                Err(GroupError::new(cause, failures)
                    .expect("a body without a value failed, or its group was cancelled"))
            }
        }
    }

    fn forgives(&self) -> bool {
        let Some(policy) = &self.policy.0 else {
            return false;
        };
        answer(UnhandledKind::Policy, false, || policy.forgives())
    }

    /// Whether closing will raise a panic.
    pub(crate) fn will_raise(&self) -> bool {
        lock(&self.book).panic.is_some()
    }

    /// Whether there was neither a failure nor a panic to be raised.
    pub(crate) fn is_clean(&self) -> bool {
        let book = lock(&self.book);
        book.failures.is_empty() && book.panic.is_none()
    }

    /// Reports what nobody came to take: the group's future is gone (C9).
    pub(crate) fn report_leftovers(&self) {
        let Book { failures, panic } = self.take();
        if let Some((info, payload)) = panic {
            unhandled::report_panic(UnhandledKind::Panic, Some(&info), payload);
        }
        report_failures(failures);
    }

    fn take(&self) -> Book<E> {
        mem::replace(&mut *lock(&self.book), Book { failures: Vec::new(), panic: None })
    }
}

/// What the handle of a detached task says: the failure is there, unless it is a mere cancellation.
fn lone(ending: &Ending<'_>, error: BoxError) -> TaskError {
    match Echo::of(error.as_error(), ending.group) {
        Some(Echo::Cancelled(cause)) => {
            drop_echo(error);
            TaskError::cancelled(ending.id(), cause)
        }
        _ => TaskError::failed_alone((ending.info)(), error),
    }
}

/// Reports failures that nobody can take (C9), and drops them.
pub(crate) fn report_failures<E: AsDynError>(failures: Vec<Failure<E>>) {
    for failure in &failures {
        unhandled::report_error(UnhandledKind::Failure, Some(failure.task()), failure.as_error());
    }
    drop(ErrorGroup::from_failures(failures));
}
