//! A user's future as the library drives it: in its context, its panics caught, dropped at once
//! when it is done or cancelled, its clean-ups run. Tasks and bodies are both driven by this.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::cancel::CancelCause;
use crate::error::AsDynError;
use crate::group::ledger::{End, Fault};
use crate::group::unit::Unit;
use crate::panics::contained;
use crate::protect::CleanupRun;
use crate::stack::{Doing, run_as};
use crate::sync::WakerId;
use crate::unhandled::UnhandledKind;

pin_project! {
    /// `O` is the future's output: named, because a projection in a field is more than the compiler
    /// can see through when it asks whether a group inside an async block is `Send`.
    pub(crate) struct Driven<F, O> {
        #[pin]
        stage: Stage<F, O>,
        // `None` once the owner has taken it to end it.
        unit: Option<Unit>,
    }
}

pin_project! {
    #[project = StageProj]
    enum Stage<F, O> {
        Running { #[pin] future: F },
        // The future has ended and is gone: its destructor ran in here and nowhere else (P3).
        Cleaning { cleaning: Option<Box<Cleaning<O>>> },
        Gone,
    }
}

/// Between the end of a future and the end of its clean-ups (C5).
struct Cleaning<O> {
    end: End<O>,
    run: CleanupRun,
}

impl<F, T, E> Driven<F, Result<T, Fault<E>>>
where
    F: Future<Output = Result<T, Fault<E>>>,
    E: AsDynError,
{
    pub(crate) fn new(future: F, unit: Unit) -> Self {
        Self { stage: Stage::Running { future }, unit: Some(unit) }
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
        contained(UnhandledKind::Callback, run_as(self.project().unit, Doing::End, f));
    }

    /// Polls the future unless its unit has been cancelled (C1, G11) or waits for a place (G18). A
    /// value that is ready beats a cancellation that came during the poll (C6). When it is suspended
    /// its waker is known to the group, so that a cancellation needs no help of it.
    ///
    /// `cx` must hold a waker that may be registered with native handles (P3).
    pub(crate) fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End<F::Output>> {
        if let Stage::Cleaning { .. } = self.stage {
            return self.poll_cleanups(cx);
        }
        if let Some(cause) = self.as_mut().due(cx) {
            return self.end_with(End::Cancelled(cause), cx);
        }
        let this = self.as_mut().project();
        if !this.unit.as_mut().is_some_and(Unit::may_run) {
            return Poll::Pending;
        }
        let (stage, doing) = (this.stage, Doing::Poll(WakerId::of(cx.waker())));
        let polled = run_as(this.unit, doing, || match stage.project() {
            StageProj::Running { future } => future.poll(cx),
            _ => Poll::Pending,
        });
        let end = match polled {
            Ok(Poll::Pending) => match self.unit().and_then(|unit| unit.park(cx.waker())) {
                None => return Poll::Pending,
                Some(cause) => End::Cancelled(cause),
            },
            Ok(Poll::Ready(value)) => End::Value(value),
            Err(payload) => End::Panicked(payload),
        };
        self.end_with(end, cx)
    }

    /// Why the future is to be dropped instead of polled. One that waits for a place leaves its
    /// waker first.
    fn due(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Option<CancelCause> {
        let unit = self.unit()?;
        match unit.is_queued() {
            true => unit.park(cx.waker()),
            false => unit.due(),
        }
    }

    /// Drops the future, and then runs its clean-ups.
    fn end_with(
        mut self: Pin<&mut Self>,
        end: End<F::Output>,
        cx: &mut Context<'_>,
    ) -> Poll<End<F::Output>> {
        let (end, run) = self.as_mut().drop_future(end);
        let Some(run) = run else {
            return Poll::Ready(end);
        };
        let cleaning = Some(Box::new(Cleaning { end, run }));
        self.as_mut().project().stage.set(Stage::Cleaning { cleaning });
        self.poll_cleanups(cx)
    }

    fn poll_cleanups(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End<F::Output>> {
        let Some(mut cleaning) = self.as_mut().take_cleaning() else {
            return Poll::Pending;
        };
        let this = self.project();
        let (mut stage, doing) = (this.stage, Doing::Poll(WakerId::of(cx.waker())));
        if let Ok(Poll::Pending) = run_as(this.unit, doing, || cleaning.run.poll(cx)) {
            stage.set(Stage::Cleaning { cleaning: Some(cleaning) });
            // They are shielded, but whoever polls a body has a time to see to.
            if let Some(unit) = this.unit {
                unit.park(cx.waker());
            }
            return Poll::Pending;
        }
        Poll::Ready(cleaning.end)
    }

    fn take_cleaning(self: Pin<&mut Self>) -> Option<Box<Cleaning<F::Output>>> {
        match self.project().stage.project() {
            StageProj::Cleaning { cleaning } => cleaning.take(),
            _ => None,
        }
    }

    /// Drops the future from outside. What is left of its clean-ups comes back.
    pub(crate) fn cut(
        mut self: Pin<&mut Self>,
        cause: CancelCause,
    ) -> (End<F::Output>, Option<CleanupRun>) {
        match self.as_mut().take_cleaning() {
            Some(cleaning) => (cleaning.end, Some(cleaning.run.moved())),
            None => self.drop_future(End::Cancelled(cause)),
        }
    }

    /// Drops the future in its context. A panic of its destructor is a panic of the task, unless
    /// there was one already.
    fn drop_future(
        self: Pin<&mut Self>,
        end: End<F::Output>,
    ) -> (End<F::Output>, Option<CleanupRun>) {
        let this = self.project();
        let mut stage = this.stage;
        let dropped = run_as(this.unit, Doing::End, || stage.set(Stage::Gone));
        let end = match (dropped, this.unit.as_ref()) {
            (Ok(()), _) => end,
            (Err(payload), Some(unit)) => {
                end.and_panicked(payload, unit.node().id(), &|| unit.info())
            }
            (Err(payload), None) => End::Panicked(payload),
        };
        let run = this.unit.as_ref().and_then(|unit| {
            let cover = unit.cleanups()?;
            Some(CleanupRun::new(end.exit_kind(), Some(unit.info()), cover))
        });
        (end, run)
    }
}
