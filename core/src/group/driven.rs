//! A user's future as the library drives it: in its context, its panics caught, dropped at once
//! when it is done or cancelled, its clean-ups run. Tasks and bodies are both driven by this.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::cancel::CancelCause;
use crate::error::AsDynError;
use crate::group::end::{End, Fault};
use crate::group::state::node::Node;
use crate::group::state::unit::{Resting, Unit};
use crate::panics::Payload;
use crate::protect::CleanupRun;
use crate::stack::{Doing, begin_end, end_as, run_as};
use crate::sync::WakerId;

pin_project! {
    /// `O` is the future's output: named, because a projection in a field is more than the compiler
    /// can see through when it asks whether a group inside an async block is `Send`.
    ///
    /// The unit lies beside the future, where it says by a value that no unit has which of the
    /// stages it is: so that it adds 16 bytes to the future and not 24.
    #[project = DrivenProj]
    pub(crate) enum Driven<F, O> {
        // The unit is on the stack while the future is polled.
        Running { unit: Resting, #[pin] future: F },
        // The future has ended and is gone: its destructor ran in here and nowhere else (P3).
        Cleaning { cleaning: Option<Box<Cleaning<O>>> },
        Gone,
    }
}

/// Between the end of a future and the end of its clean-ups (C5).
pub(crate) struct Cleaning<O> {
    unit: Option<Unit>,
    end: End<O>,
    run: CleanupRun,
}

/// The future and its clean-ups are gone; its unit is to be ended.
pub(crate) struct Ended<O> {
    pub(crate) unit: Unit,
    pub(crate) end: End<O>,
}

impl<O> Ended<O> {
    pub(crate) fn new(unit: Unit, end: End<O>) -> Self {
        Self { unit, end }
    }
}

/// What is done with a unit, to end it, when its future and its clean-ups are gone. (Handed up through the
/// calls, an end would be copied by each of them.)
pub(crate) trait OnEnd<T, E>: Sized {
    type Given;

    fn end(self, unit: Unit, end: End<Result<T, Fault<E>>>) -> Self::Given;

    /// The most common end, which is told apart where it is found.
    fn value(self, unit: Unit, value: T) -> Self::Given {
        self.end(unit, End::Value(Ok(value)))
    }
}

impl<F, T, E, Z> OnEnd<T, E> for F
where
    F: FnOnce(Unit, End<Result<T, Fault<E>>>) -> Z,
{
    type Given = Z;

    fn end(self, unit: Unit, end: End<Result<T, Fault<E>>>) -> Z {
        self(unit, end)
    }
}

impl<F, T, E> Driven<F, Result<T, Fault<E>>>
where
    F: Future<Output = Result<T, Fault<E>>>,
    E: AsDynError,
{
    #[inline]
    pub(crate) fn new(future: F, unit: Unit) -> Self {
        Self::Running { unit: Resting::new(unit), future }
    }

    /// `None` once it has ended.
    #[inline]
    pub(crate) fn node(&self) -> Option<&Arc<Node>> {
        match self {
            Self::Running { unit, .. } => unit.node(),
            Self::Cleaning { cleaning } => Some(cleaning.as_ref()?.unit.as_ref()?.node()),
            Self::Gone => None,
        }
    }

    /// Polls the future unless its unit has been cancelled (C1, G11) or waits for a place (G18). A
    /// value that is ready beats a cancellation that came during the poll (C6). When it is suspended
    /// its waker is known to the group, so that a cancellation needs no help of it.
    ///
    /// `cx` must hold a waker that may be registered with native handles (P3).
    #[inline]
    pub(crate) fn poll<Z>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        then: impl OnEnd<T, E, Given = Z>,
    ) -> Poll<Z> {
        let DrivenProj::Running { unit: slot, .. } = self.as_mut().project() else {
            return self.poll_cleanups(cx, then);
        };
        let Some(mut unit) = slot.take() else {
            return Poll::Pending;
        };
        if let Some(cause) = unit.due_before(cx.waker()) {
            return self.cancel(unit, cause, cx, then);
        }
        if !unit.may_run() {
            slot.put(unit);
            return Poll::Pending;
        }
        self.poll_running(unit, cx, then)
    }

    /// The future is dropped in the frame of its last poll. Its value is kept elsewhere before, so that
    /// it is there if the destructor panics.
    #[inline]
    fn poll_running<Z>(
        mut self: Pin<&mut Self>,
        unit: Unit,
        cx: &mut Context<'_>,
        then: impl OnEnd<T, E, Given = Z>,
    ) -> Poll<Z> {
        let mut value = None;
        let (unit, polled) = run_as(unit, Doing::Poll(WakerId::of(cx.waker())), || {
            let DrivenProj::Running { future, .. } = self.as_mut().project() else {
                return;
            };
            if let Poll::Ready(output) = future.poll(cx) {
                value = Some(output);
                begin_end();
                self.set(Self::Gone);
            }
        });
        if let Err(payload) = polled {
            return self.end_panicked(unit, payload, value, cx, then);
        }
        // Where it lies: moved with the rest it would be copied as a whole.
        match value {
            None => self.suspend(unit, cx, then),
            Some(Ok(value)) if !unit.may_have_cleanups() => Poll::Ready(then.value(unit, value)),
            Some(value) => self.clean_up(Ended { unit, end: End::Value(value) }, cx, then),
        }
    }

    #[inline]
    fn suspend<Z>(
        mut self: Pin<&mut Self>,
        mut unit: Unit,
        cx: &mut Context<'_>,
        then: impl OnEnd<T, E, Given = Z>,
    ) -> Poll<Z> {
        if let Some(cause) = unit.park(cx.waker()) {
            return self.cancel(unit, cause, cx, then);
        }
        if let DrivenProj::Running { unit: slot, .. } = self.as_mut().project() {
            slot.put(unit);
        }
        Poll::Pending
    }

    /// Drops the future, because its unit was cancelled, and then runs its clean-ups.
    #[inline(never)]
    fn cancel<Z>(
        mut self: Pin<&mut Self>,
        unit: Unit,
        cause: CancelCause,
        cx: &mut Context<'_>,
        then: impl OnEnd<T, E, Given = Z>,
    ) -> Poll<Z> {
        let (unit, dropped) = self.as_mut().drop_future(unit);
        if dropped.is_ok() && !unit.may_have_cleanups() {
            return Poll::Ready(then.end(unit, End::Cancelled(cause)));
        }
        let end = after_drop(&unit, End::Cancelled(cause), dropped);
        self.clean_up(Ended { unit, end }, cx, then)
    }

    /// The future has panicked, or its destructor after it gave this value.
    #[cold]
    fn end_panicked<Z>(
        mut self: Pin<&mut Self>,
        unit: Unit,
        payload: Payload,
        value: Option<F::Output>,
        cx: &mut Context<'_>,
        then: impl OnEnd<T, E, Given = Z>,
    ) -> Poll<Z> {
        let (unit, dropped) = match value.is_some() {
            true => (unit, Ok(())),
            false => self.as_mut().drop_future(unit),
        };
        let end = panicked(&unit, payload, value, dropped);
        self.clean_up(Ended { unit, end }, cx, then)
    }

    #[inline(never)]
    fn clean_up<Z>(
        mut self: Pin<&mut Self>,
        ended: Ended<F::Output>,
        cx: &mut Context<'_>,
        then: impl OnEnd<T, E, Given = Z>,
    ) -> Poll<Z> {
        match ended.begin_cleaning() {
            Err(Ended { unit, end }) => Poll::Ready(then.end(unit, end)),
            Ok(cleaning) => {
                self.set(Self::Cleaning { cleaning: Some(cleaning) });
                self.poll_cleanups(cx, then)
            }
        }
    }

    #[cold]
    fn poll_cleanups<Z>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        then: impl OnEnd<T, E, Given = Z>,
    ) -> Poll<Z> {
        let DrivenProj::Cleaning { cleaning } = self.as_mut().project() else {
            return Poll::Pending;
        };
        let Some(Ended { unit, end }) = Cleaning::poll(cleaning, cx) else {
            return Poll::Pending;
        };
        self.set(Self::Gone);
        Poll::Ready(then.end(unit, end))
    }

    /// Drops the future from outside. What is left of its clean-ups comes back. `None` once it has
    /// ended.
    pub(crate) fn cut(
        mut self: Pin<&mut Self>,
        cause: CancelCause,
    ) -> Option<(Ended<F::Output>, Option<CleanupRun>)> {
        let unit = match self.as_mut().project() {
            DrivenProj::Running { unit, .. } => unit.take()?,
            DrivenProj::Cleaning { cleaning } => {
                let cleaning = cleaning.take()?;
                self.set(Self::Gone);
                return (*cleaning).cut();
            }
            DrivenProj::Gone => return None,
        };
        let (unit, dropped) = self.drop_future(unit);
        let end = after_drop(&unit, End::Cancelled(cause), dropped);
        let run = cleanups(&unit, &end);
        Some((Ended { unit, end }, run))
    }

    /// Drops the future in its context. What it says of a panic is for `after_drop`.
    fn drop_future(mut self: Pin<&mut Self>, unit: Unit) -> (Unit, Result<(), Payload>) {
        end_as(unit, &mut || self.set(Self::Gone))
    }
}

/// Apart from `Driven`, whose functions exist once for each future, and these once for each type of output.
impl<O> Cleaning<O> {
    /// The end, once all have run.
    fn poll(slot: &mut Option<Box<Self>>, cx: &mut Context<'_>) -> Option<Ended<O>> {
        let mut cleaning = slot.take()?;
        let (unit, polled) = cleaning.run.poll_as(cleaning.unit.take()?, cx);
        if polled.is_pending() {
            cleaning.unit = Some(unit);
            *slot = Some(cleaning);
            return None;
        }
        Some(Ended { unit, end: cleaning.end })
    }

    /// What is left of them goes on elsewhere.
    fn cut(self) -> Option<(Ended<O>, Option<CleanupRun>)> {
        let Self { unit, end, run } = self;
        Some((Ended { unit: unit?, end }, Some(run.moved())))
    }
}

type TaskCleaning<T, E> = Cleaning<Result<T, Fault<E>>>;

impl<T, E> Ended<Result<T, Fault<E>>> {
    /// Gives the end back if there is nothing to be cleaned up.
    fn begin_cleaning(self) -> Result<Box<TaskCleaning<T, E>>, Self> {
        match cleanups(&self.unit, &self.end) {
            None => Err(self),
            Some(run) => Ok(Box::new(Cleaning { unit: Some(self.unit), end: self.end, run })),
        }
    }
}

/// The end of a unit whose future was dropped. A panic of the destructor is a panic of the unit, unless
/// there was one already.
fn after_drop<T, E: AsDynError>(
    unit: &Unit,
    end: End<Result<T, Fault<E>>>,
    dropped: Result<(), Payload>,
) -> End<Result<T, Fault<E>>> {
    match dropped {
        Ok(()) => end,
        Err(payload) => end.and_panicked(payload, unit.node().id(), &|| unit.info()),
    }
}

/// The end of a unit whose future panicked, and then perhaps its destructor; or that destructor, after the
/// future had given this value.
fn panicked<T, E: AsDynError>(
    unit: &Unit,
    payload: Payload,
    value: Option<Result<T, Fault<E>>>,
    dropped: Result<(), Payload>,
) -> End<Result<T, Fault<E>>> {
    match value {
        Some(value) => after_drop(unit, End::Value(value), Err(payload)),
        None => after_drop(unit, End::Panicked(payload), dropped),
    }
}

/// What is to be cleaned up after a future that is gone.
#[inline]
fn cleanups<T, E>(unit: &Unit, end: &End<Result<T, Fault<E>>>) -> Option<CleanupRun> {
    let cover = unit.cleanups()?;
    Some(CleanupRun::new(end.exit_kind(), Some(unit.info()), cover))
}
