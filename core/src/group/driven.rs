//! A user's future as the library drives it: in its context, its panics caught, dropped at once
//! when it is done or cancelled. Tasks and bodies are both driven by this.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::cancel::CancelCause;
use crate::context::run_as;
use crate::error::AsDynError;
use crate::group::ledger::{End, Fault};
use crate::group::unit::Unit;
use crate::panics::contained;
use crate::sync::WakerId;
use crate::unhandled::UnhandledKind;

pin_project! {
    pub(crate) struct Driven<F> {
        // Gone as soon as it has ended: its destructor runs in here and nowhere else (P3).
        #[pin]
        future: Option<F>,
        // `None` once the owner has taken it to end it.
        unit: Option<Unit>,
    }
}

impl<F, T, E> Driven<F>
where
    F: Future<Output = Result<T, Fault<E>>>,
    E: AsDynError,
{
    pub(crate) fn new(future: F, unit: Unit) -> Self {
        Self { future: Some(future), unit: Some(unit) }
    }

    pub(crate) fn unit(&self) -> Option<&Unit> {
        self.unit.as_ref()
    }

    /// Takes the unit, to end it.
    pub(crate) fn take_unit(self: Pin<&mut Self>) -> Option<Unit> {
        self.project().unit.take()
    }

    /// Runs `f` in the context of the future.
    pub(crate) fn run_in_context(self: Pin<&mut Self>, f: impl FnOnce()) {
        contained(UnhandledKind::Callback, run_as(self.project().unit, None, f));
    }

    /// Polls the future unless its unit has been cancelled (C1, G11). A value that is ready beats a
    /// cancellation that came during the poll (C6). When it is suspended its waker is known to the
    /// group, so that a cancellation needs no help of it.
    ///
    /// `cx` must hold a waker that may be registered with native handles (P3).
    pub(crate) fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End<F::Output>> {
        if let Some(cause) = self.unit().and_then(Unit::cause) {
            return Poll::Ready(self.cut(cause));
        }
        let this = self.as_mut().project();
        let (mut future, native) = (this.future, WakerId::of(cx.waker()));
        let polled = run_as(this.unit, Some(native), || match future.as_mut().as_pin_mut() {
            Some(future) => future.poll(cx),
            None => Poll::Pending,
        });
        match polled {
            Ok(Poll::Pending) => match self.unit().and_then(|unit| unit.park(cx.waker())) {
                None => Poll::Pending,
                Some(cause) => Poll::Ready(self.cut(cause)),
            },
            Ok(Poll::Ready(value)) => Poll::Ready(self.end_with(End::Value(value))),
            Err(payload) => Poll::Ready(self.end_with(End::Panicked(payload))),
        }
    }

    /// Drops the future because it was cancelled.
    pub(crate) fn cut(self: Pin<&mut Self>, cause: CancelCause) -> End<F::Output> {
        self.end_with(End::Cancelled(cause))
    }

    /// Drops the future in its context. A panic of its destructor is a panic of the task, unless
    /// there was one already.
    fn end_with(self: Pin<&mut Self>, end: End<F::Output>) -> End<F::Output> {
        let this = self.project();
        let mut future = this.future;
        match (run_as(this.unit, None, || future.set(None)), this.unit) {
            (Ok(()), _) => end,
            (Err(payload), Some(unit)) => {
                end.and_panicked(payload, unit.node().id(), &|| unit.info())
            }
            (Err(payload), None) => End::Panicked(payload),
        }
    }
}
