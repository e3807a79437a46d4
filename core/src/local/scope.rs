//! The future of a local scope: polls its body and its children, in the caller's task.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::cancel::CancelCause;
use crate::error::{AsDynError, GroupError};
use crate::group::{Body, GroupBody, Ledger, Policy, Role};
use crate::local::cell::ChildCell;
use crate::local::child::{Child, Ends, Extras, LocalFuture};
use crate::local::handle::Scope;
use crate::local::shared::{Shared, State};
use crate::panics::{PanicPolicy, drop_contained};
use crate::set::Set;
use crate::sync::wake;
use crate::task::{Output, TaskId, next_id};

/// Opens a local scope: a group whose children may borrow from the caller, need not be `Send`, and
/// run concurrently inside the caller's task, on any executor at all (S1).
///
/// What holds for a [group](crate::Group::group) holds here, as far as no thread and no spawned task
/// is involved (S2); there is no parallelism, and no runtime is needed. Inside it
/// [`TaskContext`](crate::TaskContext) is that of the enclosing task.
///
/// # Errors
///
/// A [`GroupError`] with the cause, if the scope was cancelled, and all failures, if there were any.
///
/// # Panics
///
/// Raises the first panic of its body and children again, after all have ended (P1), unless
/// [`ScopeFuture::panics`] says otherwise.
///
/// # Cancel safety
///
/// Dropping the future drops the body and all children in place, before the drop returns.
///
/// # Examples
///
/// ```
/// use anyscope_core::{GroupError, TaskError, scope};
///
/// async fn count(text: &str) -> Result<usize, TaskError> {
///     Ok(text.lines().count())
/// }
///
/// async fn total(text: &str) -> Result<usize, GroupError<TaskError>> {
///     let (head, tail) = text.split_at(text.len() / 2);
///     scope(async |s| {
///         let a = s.spawn(count(head));
///         let b = s.spawn(count(tail));
///         Ok(a.await? + b.await?)
///     })
///     .await
/// }
/// assert_eq!(futures_executor::block_on(total("1\n2\n")).unwrap(), 2);
/// ```
///
/// The future stays on its thread, so that no task of a group can await it, which may move between
/// threads. There plain futures may borrow in a [`gather`](crate::gather()) of
/// [`in_place`](crate::in_place()):
///
/// ```compile_fail,E0277
/// use anyscope_core::{BoxError, scope};
///
/// fn send<T: Send>(_: T) {}
/// send(scope::<BoxError, _>(async |_| Ok(())));
/// ```
///
/// A child cannot borrow what the body owns, because it may outlive the body:
///
/// ```compile_fail,E0597
/// use anyscope_core::{BoxError, scope};
///
/// let _ = scope::<BoxError, _>(async |s| {
///     let text = String::from("the body's own");
///     s.spawn(async { Ok(text.len()) });
///     Ok(())
/// });
/// ```
#[track_caller]
pub fn scope<'env, E, B>(body: B) -> ScopeFuture<'env, E, B>
where
    B: GroupBody<Scope<'env, E>, Error = E, Value: 'env, Future: 'env>
        + FnOnce(Scope<'env, E>) -> B::Future,
    E: AsDynError,
{
    let location = Location::caller();
    let (policy, panics) = (None, PanicPolicy::default());
    let setup = Some(Setup { body, policy, panics, name: None, location });
    ScopeFuture { setup, run: None }
}

/// A local scope that is about to run, or runs: the future of [`scope`].
#[must_use = "a scope does nothing unless awaited"]
pub struct ScopeFuture<'env, E: AsDynError, B: GroupBody<Scope<'env, E>>> {
    /// Until the first poll.
    setup: Option<Setup<E, B>>,
    /// From the first poll until the result is returned.
    run: Option<Run<'env, E, B::Value>>,
}

struct Setup<E, B> {
    body: B,
    /// `None` is fail-fast.
    policy: Option<Box<dyn Policy<E>>>,
    panics: PanicPolicy,
    name: Option<Arc<str>>,
    location: &'static Location<'static>,
}

impl<'env, E, B> ScopeFuture<'env, E, B>
where
    B: GroupBody<Scope<'env, E>, Error = E>,
    E: AsDynError,
{
    /// Names the scope; its body carries the name in failures (G17).
    pub fn name(self, name: impl Into<Arc<str>>) -> Self {
        self.with(|setup| setup.name = Some(name.into()))
    }

    /// What the end of one child means for the others (G16).
    pub fn policy(self, policy: impl Policy<E>) -> Self {
        self.with(|setup| setup.policy = Some(Box::new(policy)))
    }

    /// What a panic of the body or of a child means (P1, P2).
    pub fn panics(self, policy: PanicPolicy) -> Self {
        self.with(|setup| setup.panics = policy)
    }

    fn with(mut self, change: impl FnOnce(&mut Setup<E, B>)) -> Self {
        if let Some(setup) = &mut self.setup {
            change(setup);
        }
        self
    }
}

impl<'env, E: AsDynError, B> Setup<E, B> {
    /// The body is the first child; the closure is called in its first poll, where its panic is
    /// caught.
    fn open(self) -> Run<'env, E, B::Value>
    where
        B: GroupBody<Scope<'env, E>, Error = E, Value: 'env, Future: 'env> + 'env,
    {
        let asks_policy = self.policy.is_some();
        let ledger = Ledger::new(self.policy, self.panics, Instant::now());
        let (shared, queue) = (Rc::new(Shared::new()), RefCell::new(Vec::new()));
        let state = Rc::new(State { shared, ledger, asks_policy, queue });
        let (cell, role, location) = (ChildCell::new(), Role::Body, self.location);
        let (id, extras) = (TaskId(next_id()), Extras::of(self.name, None));
        let ends = Ends { state: state.clone(), cell: cell.clone(), id, location, role, extras };
        let future = Body::new(self.body, Scope { state: state.clone() });
        let mut children = Set::new(SHARED_POLLS);
        children.push_pending(Child::boxed(future, ends) as LocalFuture<'env>);
        Run { state, children, body: cell, cut: false, returned: false }
    }
}

/// So many children may end, or spawn others, before the executor has its turn.
const ENDS_IN_ONE_POLL: usize = 128;

/// A child that is ready when it is first polled needs no waker of its own.
const SHARED_POLLS: u8 = 1;

/// A scope that has been polled.
struct Run<'env, E: AsDynError, T> {
    state: Rc<State<'env, E>>,
    children: Set<LocalFuture<'env>>,
    /// Where the body leaves its value.
    body: Rc<ChildCell<T>>,
    /// Whether a cancellation has been carried out.
    cut: bool,
    returned: bool,
}

impl<E: AsDynError, T> Run<'_, E, T> {
    /// Polls what was woken, until all have ended or none can go on; gives way to the executor now and
    /// then, without which the scope could not be cancelled from outside (C1).
    fn poll_children(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut ends = 0;
        while ends < ENDS_IN_ONE_POLL {
            // A round counts as well: it may be one in which somebody spawned.
            ends += 1;
            self.take_spawned();
            if self.must_cut() {
                self.cut_children();
            }
            match self.poll_some(&mut ends, cx) {
                Poll::Ready(None) if self.state.queue.borrow().is_empty() => {
                    return Poll::Ready(());
                }
                Poll::Pending if !self.has_more_to_do() => return Poll::Pending,
                _ => {}
            }
        }
        wake(cx.waker().clone());
        Poll::Pending
    }

    /// The same as far as nothing else is to be done.
    fn poll_some(&mut self, ends: &mut usize, cx: &mut Context<'_>) -> Poll<Option<()>> {
        let Self { state, children, cut, .. } = self;
        let stops = || {
            *ends += 1;
            *ends >= ENDS_IN_ONE_POLL || (state.shared.cause.get().is_some() && !*cut)
        };
        state.shared.while_polling(|| children.poll_each(cx, Future::poll, stops))
    }

    fn take_spawned(&mut self) {
        let spawned = self.state.queue.take();
        self.children.extend(spawned);
    }

    fn has_more_to_do(&self) -> bool {
        self.must_cut() || !self.state.queue.borrow().is_empty()
    }

    fn must_cut(&self) -> bool {
        self.state.shared.cause.get().is_some() && !self.cut
    }

    /// The scope was cancelled: drops its children in place, but for those that are protected. They
    /// are polled to their end, and cut by themselves as soon as they may be.
    fn cut_children(&mut self) {
        self.cut = true;
        for (_, child) in self.children.drain() {
            match child.is_protected() {
                true => {
                    self.children.push(child);
                }
                false => drop_contained(child),
            }
        }
    }

    /// The scope's future is dropped. Each child enters its own end when it is dropped. Their
    /// destructors may spawn, which is refused, and cancel, which changes nothing.
    fn drop_children(&mut self) {
        self.take_spawned();
        let children = self.children.drain();
        drop_contained(children);
    }

    fn value(&self) -> Option<T> {
        match self.body.poll_take(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => output.and_then(Output::value),
            Poll::Pending => None,
        }
    }
}

impl<E: AsDynError, T> Drop for Run<'_, E, T> {
    fn drop(&mut self) {
        self.state.shared.forget_waker();
        if !self.returned {
            self.state.shared.cancel(CancelCause::dropped());
            self.drop_children();
            self.state.ledger.report_leftovers();
        }
    }
}

impl<'env, E: AsDynError, B: GroupBody<Scope<'env, E>>> Unpin for ScopeFuture<'env, E, B> {}

impl<'env, E, B> Future for ScopeFuture<'env, E, B>
where
    B: GroupBody<Scope<'env, E>, Error = E, Value: 'env, Future: 'env> + 'env,
    E: AsDynError,
{
    type Output = Result<B::Value, GroupError<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Some(setup) = this.setup.take() {
            this.run = Some(setup.open());
        }
        let run = this.run.as_mut().expect("a scope is not polled after it has returned");
        run.state.shared.set_waker(cx.waker());
        if run.poll_children(cx).is_pending() {
            return Poll::Pending;
        }
        run.returned = true;
        let (value, cause) = (run.value(), run.state.shared.cause.get().cloned());
        let state = run.state.clone();
        this.run = None;
        Poll::Ready(state.ledger.close(value, cause))
    }
}

impl<'env, E: AsDynError, B: GroupBody<Scope<'env, E>>> fmt::Debug for ScopeFuture<'env, E, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeFuture").field("begun", &self.setup.is_none()).finish_non_exhaustive()
    }
}
