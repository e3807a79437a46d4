//! The future that a backend runs for each task: drives the user's future and enters its end.

use std::future::Future;
use std::marker::PhantomData;
use std::mem::{self, ManuallyDrop};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::cancel::{CancelCause, CauseKind};
use crate::error::AsDynError;
use crate::group::{Core, Driven, End, Ended, Fault, Node, OnEnd, Role, Unit};
use crate::panics::{catch, contained, drop_contained};
use crate::runtime::Runtime;
use crate::stack::end_as;
use crate::task::{TaskError, TaskId};
use crate::unhandled::UnhandledKind;

pin_project! {
    /// What it adds to the user's future: the group's pointer and a key, 16 bytes, in which there is
    /// room to say that the future is gone.
    pub(crate) struct TaskFuture<R, E, F, D>
    where
        R: Runtime,
        E: AsDynError,
        F: TaskOutput<E>,
        D: OnDone<F::Value>,
    {
        #[pin]
        driven: DrivenTask<F, E>,
        on_done: D,
        core: PhantomData<fn() -> (R, E)>,
    }

    impl<R, E, F, D> PinnedDrop for TaskFuture<R, E, F, D>
    where
        R: Runtime,
        E: AsDynError,
        F: TaskOutput<E>,
        D: OnDone<F::Value>,
    {
        // Dropped before its end: the runtime was shut down (R1).
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(node) = this.driven.node().cloned() {
                cut::<R, E, F, D>(&node, this.driven, this.on_done);
            }
        }
    }
}

type DrivenTask<F, E> = Driven<F, Result<<F as TaskOutput<E>>::Value, Fault<E>>>;

/// A future whose output a group understands.
pub(crate) trait TaskOutput<E>: Future<Output = Result<Self::Value, Fault<E>>> {
    type Value;
}

impl<F, T, E> TaskOutput<E> for F
where
    F: Future<Output = Result<T, Fault<E>>>,
{
    type Value = T;
}

impl<R: Runtime, E: AsDynError, F: TaskOutput<E>, D: OnDone<F::Value>> TaskFuture<R, E, F, D> {
    pub(crate) fn new(future: F, unit: Unit, on_done: D) -> Self {
        Self { driven: Driven::new(future, unit), on_done, core: PhantomData }
    }
}

impl<R: Runtime, E: AsDynError, F: TaskOutput<E>, D: OnDone<F::Value>> Future
    for TaskFuture<R, E, F, D>
{
    type Output = Output<F::Value>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let on_done = this.on_done;
        this.driven.poll(cx, Finish::<R, D> { on_done, runtime: PhantomData })
    }
}

#[cold]
fn cut<R: Runtime, E: AsDynError, F: TaskOutput<E>, D: OnDone<F::Value>>(
    node: &Arc<Node>,
    mut driven: Pin<&mut DrivenTask<F, E>>,
    on_done: &mut D,
) {
    node.cancel(CauseKind::Shutdown.into());
    let cause = node.cause().cloned().unwrap_or_else(|| CauseKind::Shutdown.into());
    node.core().within(&mut || {
        let cut = driven.as_mut().cut(cause.clone());
        let Some((Ended { unit, end }, cleanups)) = cut else {
            return;
        };
        // Nobody is left to poll them: dropping them reports that (C5).
        drop_contained(cleanups);
        drop(Finish::<R, D> { on_done, runtime: PhantomData }.end(unit, end));
    });
}

/// Enters the end into the ledger, cancels the group if that says so, calls back, and only then
/// counts the task as ended (T1, T5).
struct Finish<'a, R, D> {
    on_done: &'a mut D,
    runtime: PhantomData<fn() -> R>,
}

impl<R: Runtime, E: AsDynError, T, D: OnDone<T>> OnEnd<T, E> for Finish<'_, R, D> {
    type Given = Output<T>;

    fn end(self, unit: Unit, end: End<Result<T, Fault<E>>>) -> Output<T> {
        match end {
            End::Cancelled(cause) if !D::CALLS => unit.end_with(Output::cancelled(cause)),
            end => self.end_fully(unit, end),
        }
    }

    #[inline]
    fn value(self, unit: Unit, value: T) -> Output<T> {
        match D::CALLS || unit.node().asks_policy() {
            true => self.end_fully::<T, E>(unit, End::Value(Ok(value))),
            false => unit.end_with(Output::new(Ok(value))),
        }
    }
}

impl<R: Runtime, D> Finish<'_, R, D> {
    #[inline(never)]
    fn end_fully<T, E>(self, unit: Unit, end: End<Result<T, Fault<E>>>) -> Output<T>
    where
        E: AsDynError,
        D: OnDone<T>,
    {
        let outcome = Core::<R, E>::of(unit.node()).settle(&unit, Role::Task, end);
        if !D::CALLS {
            return unit.end_with(Output::new(outcome));
        }
        let (unit, called) = end_as(unit, &mut || self.on_done.call(outcome.as_ref()));
        contained(UnhandledKind::Callback, called);
        unit.end_with(Output::new(outcome))
    }
}

/// What is called with a task's outcome before the task counts as ended (T5).
pub(crate) trait OnDone<T>: Send {
    /// Whether there may be something to call.
    const CALLS: bool = true;

    fn call(&mut self, outcome: Result<&T, &TaskError>);
}

/// No callback, and no bytes for it.
pub(crate) struct NoCallback;

impl<T> OnDone<T> for NoCallback {
    const CALLS: bool = false;

    fn call(&mut self, _: Result<&T, &TaskError>) {}
}

/// A user's callback, until it is called.
pub(crate) struct Callback<T>(Option<BoxedCallback<T>>);

type BoxedCallback<T> = Box<dyn FnOnce(Result<&T, &TaskError>) + Send>;

impl<T> Callback<T> {
    pub(crate) fn new(callback: impl FnOnce(Result<&T, &TaskError>) + Send + 'static) -> Self {
        Self(Some(Box::new(callback)))
    }
}

impl<T> OnDone<T> for Callback<T> {
    fn call(&mut self, outcome: Result<&T, &TaskError>) {
        if let Some(callback) = self.0.take() {
            callback(outcome);
        }
    }
}

/// A task's or job's outcome on its way to the handle. Dropped unseen, its destructor's panic is
/// contained (P3), and what only the handle would have shown goes to the hook (C9).
///
/// What is kept is dropped by this alone, so that one whose outcome was taken has nothing to drop.
#[derive(Debug)]
pub(crate) struct Output<T>(ManuallyDrop<Kept<T>>);

#[derive(Debug)]
enum Kept<T> {
    Outcome(Result<T, TaskError>),
    /// As an error it would cost an allocation, for which most often nobody asks.
    Cancelled(CancelCause),
    /// The handle is gone, and the output was dropped already; or it was taken.
    Nothing,
}

impl<T> Output<T> {
    #[inline]
    pub(crate) fn new(outcome: Result<T, TaskError>) -> Self {
        Self(ManuallyDrop::new(Kept::Outcome(outcome)))
    }

    #[inline]
    pub(crate) fn cancelled(cause: CancelCause) -> Self {
        Self(ManuallyDrop::new(Kept::Cancelled(cause)))
    }

    pub(crate) fn nothing() -> Self {
        Self(ManuallyDrop::new(Kept::Nothing))
    }

    #[inline]
    fn keep_nothing(&mut self) -> Kept<T> {
        mem::replace(&mut *self.0, Kept::Nothing)
    }

    /// The value, if it is one.
    pub(crate) fn value(mut self) -> Option<T> {
        match self.keep_nothing() {
            Kept::Outcome(outcome) => outcome.ok(),
            _ => None,
        }
    }

    /// That of the task or job with this id.
    #[inline]
    pub(crate) fn take(mut self, id: TaskId) -> Option<Result<T, TaskError>> {
        match self.keep_nothing() {
            Kept::Outcome(outcome) => Some(outcome),
            Kept::Cancelled(cause) => Some(Err(TaskError::cancelled(id, cause))),
            Kept::Nothing => None,
        }
    }

    #[inline(never)]
    fn drop_unseen(&mut self) {
        let Kept::Outcome(outcome) = self.keep_nothing() else {
            return;
        };
        let dropped = catch(|| match outcome {
            Ok(value) => drop(value),
            Err(error) => error.report_unseen(),
        });
        contained(UnhandledKind::Destructor, dropped);
    }
}

impl<T> Drop for Output<T> {
    #[inline]
    fn drop(&mut self) {
        if !matches!(*self.0, Kept::Nothing) {
            self.drop_unseen();
        }
    }
}
