//! What a local scope is used with: its handle, and the handles of its children.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::cancel::CancelCause;
use crate::combine::Branch;
use crate::error::{AsDynError, BoxError, ErrIntoExt};
use crate::group::{GroupId, Refused, Role};
use crate::local::cell::ChildCell;
use crate::local::child::{Child, Ends, Extras, LocalCallback};
use crate::local::shared::{Shared, State};
use crate::panics::{contain, drop_contained};
use crate::sync::wake;
use crate::task::{Output, TaskError, TaskId, next_id};
use crate::unhandled::UnhandledKind;

/// The handle of a local scope: spawn and cancel with it. Cheap to clone; stays on its thread.
///
/// It does not keep the scope open: what is spawned after the end is refused (G10).
pub struct Scope<'env, E = BoxError> {
    pub(crate) state: Rc<State<'env, E>>,
}

impl<'env, E: AsDynError> Scope<'env, E> {
    /// Spawns a child, which may borrow whatever outlives the scope and need not be `Send` (S1). An
    /// `Err` of it is a failure of the scope (G3).
    ///
    /// Never panics: in a cancelled or finished scope the future is dropped and the handle says why
    /// (G10).
    ///
    /// # Examples
    ///
    /// ```
    /// use anyscope_core::{BoxError, GroupError, scope};
    ///
    /// # async fn example() -> Result<(), GroupError> {
    /// let mut words = vec!["one"];
    /// scope::<BoxError, _>(async |s| {
    ///     s.spawn(async { Ok(words.push("two")) });
    ///     Ok(())
    /// })
    /// .await?;
    /// assert_eq!(words, ["one", "two"]);
    /// # Ok(())
    /// # }
    /// # assert!(futures_executor::block_on(example()).is_ok());
    /// ```
    #[track_caller]
    pub fn spawn<F, T>(&self, future: F) -> LocalHandle<T>
    where
        F: Future<Output = Result<T, E>> + 'env,
        T: 'env,
    {
        self.task(future).spawn()
    }

    /// Spawns a child, or gives the future back if the scope is cancelled or finished (G10).
    ///
    /// # Errors
    ///
    /// [`Refused`], with the future.
    #[track_caller]
    pub fn try_spawn<F, T>(&self, future: F) -> Result<LocalHandle<T>, Refused<F>>
    where
        F: Future<Output = Result<T, E>> + 'env,
        T: 'env,
    {
        self.task(future).try_spawn()
    }

    /// A child with a name or a done-callback: set them, then [`LocalTaskBuilder::spawn`].
    #[track_caller]
    pub fn task<F, T>(&self, future: F) -> LocalTaskBuilder<'env, T, E, F>
    where
        F: Future<Output = Result<T, E>> + 'env,
        T: 'env,
    {
        let (scope, location) = (self.clone(), Location::caller());
        LocalTaskBuilder { scope, future, name: None, location, on_done: None }
    }
}

impl<E> Scope<'_, E> {
    /// Cancels the scope: its body and its children are dropped when it is next polled, without a
    /// failure (G20). The first cause stays (C7).
    pub fn cancel(&self) {
        self.state.shared.cancel(CancelCause::requested());
    }

    /// Cancels the scope with a reason for those who read the cause (C2).
    pub fn cancel_because(&self, reason: impl Into<String>) {
        self.state.shared.cancel(CancelCause::because(reason));
    }

    /// Why the scope was cancelled, if it was (C2).
    pub fn cause(&self) -> Option<CancelCause> {
        self.state.shared.cause.get().cloned()
    }

    /// Whether the scope was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.cause().is_some()
    }

    /// The scope's id, which causes name.
    pub fn id(&self) -> GroupId {
        self.state.shared.id
    }

    /// How many are alive in it: the body and its children.
    pub fn live(&self) -> usize {
        self.state.shared.live()
    }
}

impl<E> Clone for Scope<'_, E> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone() }
    }
}

impl<E> fmt::Debug for Scope<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("live", &self.live()).field("cause", &self.cause()).finish()
    }
}

/// A child that is about to be spawned: [`Scope::task`].
#[must_use = "call `spawn`"]
pub struct LocalTaskBuilder<'env, T, E, F> {
    scope: Scope<'env, E>,
    future: F,
    name: Option<Arc<str>>,
    location: &'static Location<'static>,
    on_done: Option<LocalCallback<'env, T>>,
}

impl<'env, T, E, F> LocalTaskBuilder<'env, T, E, F>
where
    T: 'env,
    E: AsDynError,
    F: Future<Output = Result<T, E>> + 'env,
{
    /// Names the child; its failures carry the name (G17).
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Calls `on_done` exactly once with the outcome, before the child counts as ended (T5). A panic
    /// of it is contained and reported.
    pub fn on_done(mut self, on_done: impl FnOnce(Result<&T, &TaskError>) + 'env) -> Self {
        self.on_done = Some(Box::new(on_done));
        self
    }

    /// Spawns it, as [`Scope::spawn`] does. Where it is refused, the callback is told so.
    pub fn spawn(self) -> LocalHandle<T> {
        let id = TaskId(next_id());
        match self.admit(id) {
            Ok(handle) => handle,
            Err((refused, shared, on_done)) => {
                let error = TaskError::refused(id, refused.cause().cloned());
                drop_contained(refused);
                if let Some(on_done) = on_done {
                    contain(UnhandledKind::Callback, || on_done(Err(&error)));
                }
                LocalHandle::refused(shared, id, error)
            }
        }
    }

    /// Spawns it, or gives the future back (G10).
    ///
    /// # Errors
    ///
    /// [`Refused`], if the scope is cancelled or finished.
    pub fn try_spawn(self) -> Result<LocalHandle<T>, Refused<F>> {
        self.admit(TaskId(next_id())).map_err(|(refused, ..)| refused)
    }

    #[expect(clippy::type_complexity, reason = "what is given back when it is refused, once")]
    fn admit(
        self,
        id: TaskId,
    ) -> Result<LocalHandle<T>, (Refused<F>, Rc<Shared>, Option<LocalCallback<'env, T>>)> {
        let Self { scope: Scope { state }, future, name, location, on_done } = self;
        let shared = state.shared.clone();
        if shared.cause.get().is_some() || shared.live() == 0 {
            let cause = shared.cause.get().cloned();
            return Err((Refused::new(future, cause), shared, on_done));
        }
        let (cell, extras) = (ChildCell::new(), Extras::of(name, on_done));
        let (role, handle) = (Role::Task, LocalHandle::new(shared.clone(), id, cell.clone()));
        let ends = Ends { state: state.clone(), cell, id, location, role, extras };
        state.queue.borrow_mut().push(Child::boxed(future.err_into(), ends));
        shared.wake();
        Ok(handle)
    }
}

impl<T, E, F> fmt::Debug for LocalTaskBuilder<'_, T, E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalTaskBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The handle of a child of a local scope.
///
/// Awaiting it gives the value, or a [`TaskError`] (T1). In a cancelled scope, the body or a child
/// that awaits a child without a value stays pending until it is itself dropped; awaited from
/// outside, it resolves. Dropping it changes nothing for the child (T2).
///
/// # Cancel safety
///
/// Awaiting by reference loses nothing if it is dropped.
pub struct LocalHandle<T> {
    shared: Rc<Shared>,
    id: TaskId,
    join: Join<T>,
}

enum Join<T> {
    Child(Rc<ChildCell<T>>),
    /// Known, but not given yet.
    Known(Result<T, TaskError>),
    Taken,
}

impl<T> LocalHandle<T> {
    fn new(shared: Rc<Shared>, id: TaskId, cell: Rc<ChildCell<T>>) -> Self {
        Self { shared, id, join: Join::Child(cell) }
    }

    fn refused(shared: Rc<Shared>, id: TaskId, error: TaskError) -> Self {
        Self { shared, id, join: Join::Known(Err(error)) }
    }

    /// The child's id.
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// Whether the child has ended, destructors included (T3).
    pub fn is_finished(&self) -> bool {
        match &self.join {
            Join::Child(cell) => cell.is_settled(),
            Join::Known(_) | Join::Taken => true,
        }
    }

    /// Cancels this child alone; its siblings go on (T6).
    pub fn cancel(&self) {
        self.cancel_with(CancelCause::requested());
    }

    /// Cancels this child alone, with a reason for those who read the cause.
    pub fn cancel_because(&self, reason: impl Into<String>) {
        self.cancel_with(CancelCause::because(reason));
    }

    fn cancel_with(&self, cause: CancelCause) {
        if let Join::Child(cell) = &self.join {
            cell.cancel(self.shared.cause.get().cloned().unwrap_or(cause));
        }
    }

    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, TaskError>> {
        let output = match &mut self.join {
            Join::Child(cell) => ready!(cell.poll_take(cx)),
            other => {
                return Poll::Ready(match std::mem::replace(other, Join::Taken) {
                    Join::Known(outcome) => outcome,
                    _ => Err(TaskError::taken(self.id)),
                });
            }
        };
        self.join = Join::Taken;
        let outcome = output.and_then(|output| output.take(self.id));
        Poll::Ready(outcome.unwrap_or_else(|| Err(TaskError::taken(self.id))))
    }
}

impl<T> Drop for LocalHandle<T> {
    /// As if the outcome were in the child's cell still: a panic of its destructor is contained (P3).
    fn drop(&mut self) {
        match std::mem::replace(&mut self.join, Join::Taken) {
            Join::Child(cell) => cell.forget_waiter(),
            Join::Known(outcome) => drop(Output::new(outcome)),
            Join::Taken => {}
        }
    }
}

impl<T> Unpin for LocalHandle<T> {}

impl<T> Future for LocalHandle<T> {
    type Output = Result<T, TaskError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let mut outcome = ready!(this.poll_outcome(cx));
        let shared = &this.shared;
        if outcome.as_mut().is_err_and(|error| error.is_withheld(|| shared.is_cutting())) {
            this.join = Join::Known(outcome);
            // Asked again where it is not dropped after all: a shield may begin before this poll is
            // over, each time.
            wake(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(outcome)
    }
}

impl<T> Branch for LocalHandle<T> {
    fn poll_ended(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let outcome = ready!(self.as_mut().poll(cx));
        self.join = Join::Known(outcome);
        Poll::Ready(())
    }

    fn outcome(&self) -> Option<&Self::Output> {
        match &self.join {
            Join::Known(outcome) => Some(outcome),
            _ => None,
        }
    }

    fn stop(self: Pin<&mut Self>) {
        self.cancel();
    }
}

impl<T> fmt::Debug for LocalHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalHandle")
            .field("id", &self.id)
            .field("finished", &self.is_finished())
            .finish()
    }
}
