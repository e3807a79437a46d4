//! One child of a local scope: its future, driven to its end in place.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use pin_project_lite::pin_project;

use crate::cancel::CancelCause;
use crate::error::AsDynError;
use crate::group::{End, Ending, Fault, Role, Settled};
use crate::local::cell::ChildCell;
use crate::local::shared::State;
use crate::panics::{Payload, catch, contain, drop_contained};
use crate::protect::{CleanupRun, Cover, ExitKind};
use crate::stack::run_below;
use crate::task::{TaskError, TaskId, TaskInfo};
use crate::unhandled::UnhandledKind;

pub(crate) type LocalFuture<'env> = Pin<Box<dyn LocalChild + 'env>>;

/// A child of any type.
pub(crate) trait LocalChild: Future<Output = ()> {
    /// Whether it must be polled to its end when the scope is cancelled, instead of dropped at once:
    /// it is shielded (C4), or has clean-ups (C5).
    fn is_protected(&self) -> bool;
}

pin_project! {
    /// Dropped before its end it is cut, in place: the scope was cancelled, or its future dropped.
    pub(crate) struct Child<'env, F, T, E>
    where
        F: Future<Output = Result<T, Fault<E>>>,
        E: AsDynError,
    {
        // Gone as soon as it has ended.
        #[pin]
        future: Option<F>,
        cover: Option<Arc<Cover>>,
        // From the end of the future to that of its clean-ups.
        cleaning: Option<Box<(End<Result<T, Fault<E>>>, CleanupRun)>>,
        // `None` once the child has ended.
        end: Option<Ends<'env, T, E>>,
    }

    impl<F, T, E> PinnedDrop for Child<'_, F, T, E>
    where
        F: Future<Output = Result<T, Fault<E>>>,
        E: AsDynError,
    {
        fn drop(mut this: Pin<&mut Self>) {
            let Some(cause) = this.end.as_ref().map(|ends| ends.cause_of_drop()) else {
                return;
            };
            let (end, run) = match this.as_mut().project().cleaning.take() {
                Some(cleaning) => (cleaning.0, Some(cleaning.1)),
                None => {
                    let end = this.as_mut().drop_future(End::Cancelled(cause));
                    let run = this.cleanups(&end);
                    (end, run)
                }
            };
            // Dropping them reports that they did not run.
            drop_contained(run);
            this.finish(end);
        }
    }
}

/// What a child needs for its end.
pub(crate) struct Ends<'env, T, E> {
    pub(crate) state: Rc<State<'env, E>>,
    pub(crate) cell: Rc<ChildCell<T>>,
    pub(crate) id: TaskId,
    pub(crate) location: &'static Location<'static>,
    pub(crate) role: Role,
    pub(crate) extras: Option<Box<Extras<'env, T>>>,
}

/// What most children have not.
pub(crate) struct Extras<'env, T> {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) on_done: Option<LocalCallback<'env, T>>,
}

impl<'env, T> Extras<'env, T> {
    /// `None` if there are none.
    pub(crate) fn of(
        name: Option<Arc<str>>,
        on_done: Option<LocalCallback<'env, T>>,
    ) -> Option<Box<Self>> {
        (name.is_some() || on_done.is_some()).then(|| Box::new(Self { name, on_done }))
    }
}

pub(crate) type LocalCallback<'env, T> = Box<dyn FnOnce(Result<&T, &TaskError>) + 'env>;

impl<T, E> Ends<'_, T, E> {
    fn info(&self) -> TaskInfo {
        let name = self.extras.as_ref().and_then(|extras| extras.name.clone());
        TaskInfo { id: self.id, name, location: self.location }
    }

    fn has_callback(&self) -> bool {
        self.extras.as_ref().is_some_and(|extras| extras.on_done.is_some())
    }

    #[inline]
    fn is_cancelled(&self) -> bool {
        self.cell.is_cancelled() || self.state.shared.cause.get().is_some()
    }

    fn cause(&self) -> Option<CancelCause> {
        self.cell.cause().or_else(|| self.state.shared.cause.get().cloned())
    }

    fn cause_of_drop(&self) -> CancelCause {
        self.cause().unwrap_or_else(CancelCause::dropped)
    }
}

impl<'env, F, T, E> Child<'env, F, T, E>
where
    F: Future<Output = Result<T, Fault<E>>>,
    E: AsDynError,
{
    /// Counts as live from here on. Made where it is to lie, which saves it two moves.
    #[inline]
    pub(crate) fn boxed(future: F, ends: Ends<'env, T, E>) -> Pin<Box<Self>> {
        ends.state.shared.add_child();
        let mut child = Box::new(Self { future: None, cover: None, cleaning: None, end: None });
        child.future = Some(future);
        child.end = Some(ends);
        Box::into_pin(child)
    }

    /// Whether it is to be dropped now.
    #[inline]
    fn is_due(&self) -> bool {
        let is_covered = || self.cover.as_ref().is_some_and(|cover| cover.is_active());
        self.end.as_ref().is_some_and(Ends::is_cancelled) && !is_covered()
    }

    /// The same of one that is suspended, and is woken when a shield that holds it up ends elsewhere.
    #[inline]
    fn is_due_suspended(&self, waker: &Waker) -> bool {
        let is_held_up = || Cover::is_held_up(self.cover.as_ref(), waker);
        self.end.as_ref().is_some_and(Ends::is_cancelled) && !is_held_up()
    }

    fn park(&self, waker: &Waker) {
        if let Some(ends) = &self.end {
            ends.cell.park(waker);
        }
    }

    /// Polls the future, and drops it where it is ready. What it came to, if it did, and a panic.
    #[inline]
    fn poll_future(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> (Option<F::Output>, Result<(), Payload>) {
        let this = self.project();
        let (mut future, mut value) = (this.future, None);
        let polled = catch(|| {
            run_below(this.cover, true, || {
                let polled = future.as_mut().as_pin_mut().map(|future| future.poll(cx));
                if let Some(Poll::Ready(ready)) = polled {
                    value = Some(ready);
                    future.set(None);
                }
            });
        });
        (value, polled)
    }

    /// Whether nobody has to be told of a value but its handle.
    #[inline]
    fn ends_plainly(&self) -> bool {
        let is_plain = |ends: &Ends<'_, T, E>| !ends.has_callback() && !ends.state.asks_policy;
        self.cover.is_none() && self.end.as_ref().is_some_and(is_plain)
    }

    /// Its future panicked, or that had a value and panicked when it was dropped.
    #[cold]
    fn panicked(
        mut self: Pin<&mut Self>,
        value: Option<F::Output>,
        payload: Payload,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let end = match value {
            Some(value) => and_panicked(End::Value(value), payload, self.end.as_ref()),
            None => self.as_mut().drop_future(End::Panicked(payload)),
        };
        self.end_with(end, cx)
    }

    /// Drops the future, which comes to this end.
    #[cold]
    fn drop_future(self: Pin<&mut Self>, end: End<F::Output>) -> End<F::Output> {
        let mut this = self.project();
        match catch(|| run_below(this.cover, true, || this.future.set(None))) {
            Ok(()) => end,
            Err(payload) => and_panicked(end, payload, this.end.as_ref()),
        }
    }

    /// The clean-ups, if it has any.
    fn cleanups(&self, end: &End<F::Output>) -> Option<CleanupRun> {
        self.cover.as_ref().filter(|cover| cover.has_cleanups()).map(|cover| {
            let info = self.end.as_ref().map(Ends::info);
            CleanupRun::new(end.exit_kind(), info, cover.clone())
        })
    }

    /// It was cancelled: drops the future, runs its clean-ups, and then enters its end.
    #[cold]
    fn cut(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let cause = self.end.as_ref().map_or_else(CancelCause::requested, Ends::cause_of_drop);
        let end = self.as_mut().drop_future(End::Cancelled(cause));
        self.end_with(end, cx)
    }

    /// The future is gone: runs its clean-ups, and then enters its end.
    fn end_with(mut self: Pin<&mut Self>, end: End<F::Output>, cx: &mut Context<'_>) -> Poll<()> {
        match self.cleanups(&end) {
            None => {
                self.finish(end);
                Poll::Ready(())
            }
            Some(run) => {
                *self.as_mut().project().cleaning = Some(Box::new((end, run)));
                self.poll_cleanups(cx)
            }
        }
    }

    fn poll_cleanups(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.as_mut().project();
        let Some(mut cleaning) = this.cleaning.take() else {
            return Poll::Ready(());
        };
        let polled = catch(|| run_below(this.cover, true, || cleaning.1.poll(cx)));
        if let Ok(Poll::Pending) = polled {
            *this.cleaning = Some(cleaning);
            return Poll::Pending;
        }
        self.finish(cleaning.0);
        Poll::Ready(())
    }

    /// Enters the end, cancels the scope if that says so, calls back, hands the output over, and
    /// only then counts the child as ended.
    fn finish(self: Pin<&mut Self>, end: End<F::Output>) {
        let this = self.project();
        let Some(mut ends) = this.end.take() else { return };
        let shared = &ends.state.shared;
        let ending = Ending {
            group: shared.id,
            role: ends.role,
            info: &|| ends.info(),
            now: &Instant::now,
            is_cancelled: &|| shared.cause.get().is_some(),
        };
        let Settled { outcome, cancel } = ends.state.ledger.settle(&ending, end);
        if let Some(cause) = cancel {
            shared.cancel(cause);
        }
        if let Some(on_done) = ends.extras.as_mut().and_then(|extras| extras.on_done.take()) {
            call_back(this.cover, &ends, on_done, &outcome);
        }
        let Ends { state, cell, .. } = ends;
        let shared = &state.shared;
        shared.hand_over(cell, outcome);
    }
}

/// What the callback defers comes too late: dropping it reports that.
fn call_back<T, E>(
    cover: &mut Option<Arc<Cover>>,
    ends: &Ends<'_, T, E>,
    on_done: LocalCallback<'_, T>,
    outcome: &Result<T, TaskError>,
) {
    contain(UnhandledKind::Callback, || run_below(cover, true, || on_done(outcome.as_ref())));
    let unrun = cover.as_ref().filter(|cover| cover.has_cleanups());
    let unrun = unrun.map(|it| CleanupRun::new(ExitKind::Value, Some(ends.info()), it.clone()));
    drop_contained(unrun);
}

impl<F, T, E> LocalChild for Child<'_, F, T, E>
where
    F: Future<Output = Result<T, Fault<E>>>,
    E: AsDynError,
{
    fn is_protected(&self) -> bool {
        self.cover.as_ref().is_some_and(|cover| cover.is_active() || cover.has_cleanups())
            || self.cleaning.is_some()
    }
}

impl<F, T, E> Future for Child<'_, F, T, E>
where
    F: Future<Output = Result<T, Fault<E>>>,
    E: AsDynError,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.end.is_none() {
            return Poll::Ready(());
        }
        if self.cleaning.is_some() {
            return self.poll_cleanups(cx);
        }
        if self.is_due() {
            return self.cut(cx);
        }
        match self.as_mut().poll_future(cx) {
            (Some(Ok(value)), Ok(())) if self.ends_plainly() => {
                if let Some(Ends { state, cell, .. }) = self.project().end.take() {
                    state.shared.hand_over(cell, Ok(value));
                }
                Poll::Ready(())
            }
            (Some(value), Ok(())) => self.end_with(End::Value(value), cx),
            (value, Err(payload)) => self.panicked(value, payload, cx),
            (None, Ok(())) if self.is_due_suspended(cx.waker()) => self.cut(cx),
            (None, Ok(())) => {
                self.park(cx.waker());
                Poll::Pending
            }
        }
    }
}

/// The future's destructor panicked after this end.
#[cold]
fn and_panicked<T, E: AsDynError>(
    end: End<Result<T, Fault<E>>>,
    payload: Payload,
    ends: Option<&Ends<'_, T, E>>,
) -> End<Result<T, Fault<E>>> {
    match ends {
        Some(ends) => end.and_panicked(payload, ends.state.shared.id, &|| ends.info()),
        None => End::Panicked(payload),
    }
}
