//! The future that a backend runs for each task: drives the user's future and enters its end.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::cancel::CauseKind;
use crate::error::AsDynError;
use crate::group::{Core, Driven, End, Ended, Fault, Node, OnEnd, Role, Unit};
use crate::panics::{contained, drop_contained};
use crate::runtime::Runtime;
use crate::stack::end_as;
use crate::task::{OnDone, Output};
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
