//! The group as its owner awaits it: opens it, polls the body, waits for the last child.

use std::fmt;
use std::future::Future;
use std::marker::PhantomPinned;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::cancel::CancelCause;
use crate::carried::Carried;
use crate::error::{AsDynError, GroupError};
use crate::group::body::{Body, GroupBody};
use crate::group::clock::Clock;
use crate::group::core::Core;
use crate::group::driven::{Driven, Ended};
use crate::group::end::{Fault, Role};
use crate::group::handle::GroupHandle;
use crate::group::info::{GroupId, GroupInfo};
use crate::group::leftover::leave_cleanups;
use crate::group::move_on::OrMoveOn;
use crate::group::setup::{FindRuntime, Opened, Setup};
use crate::group::state::node::Node;
use crate::group::state::time::report_overdue;
use crate::guarded::GuardedWaker;
use crate::panics::drop_contained;
use crate::protect::CleanupRun;
use crate::runtime::Runtime;
use crate::stack::{is_about_to_be_dropped, is_native};
use crate::sync::{drop_waker, wake};
use crate::withheld::Withheld;

pin_project! {
    /// A group that is about to run, or runs: the future of [`Group::group`](crate::Group::group).
    ///
    /// The options must be set before it is first polled, which their signatures see to: once it is pinned it
    /// cannot be taken back out.
    #[must_use = "a group does nothing unless awaited"]
    pub struct GroupFuture<R, E, B>
    where
        R: Runtime,
        E: AsDynError,
        B: GroupBody<GroupHandle<E, R>, Error = E>,
    {
        // Until the first poll.
        pub(super) setup: Option<(Setup<R, E>, B)>,
        pub(super) name: Option<Arc<str>>,
        pub(super) location: &'static Location<'static>,
        // From the first poll until the result is returned.
        node: Option<Arc<Node>>,
        // Until the body has ended.
        #[pin]
        body: Option<DrivenBody<R, E, B>>,
        #[pin]
        clock: Clock<R>,
        // Stands before a waker that is not the executor's own.
        guard: Option<Arc<GuardedWaker>>,
        value: Option<B::Value>,
        withheld: Withheld,
        // Not `Unpin`, whatever its body is.
        #[pin]
        pinned: PhantomPinned,
    }

    impl<R, E, B> PinnedDrop for GroupFuture<R, E, B>
    where
        R: Runtime,
        E: AsDynError,
        B: GroupBody<GroupHandle<E, R>, Error = E>,
    {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let value = this.value.take();
            if let Some(node) = this.node.take() {
                leave::<R, E>(&node, &mut || cut_body::<R, E, B>(&node, this.body.as_mut()));
            }
            drop_contained(value);
        }
    }
}

impl<R, E, B> GroupFuture<R, E, B>
where
    R: Runtime,
    E: AsDynError,
    B: GroupBody<GroupHandle<E, R>, Error = E>,
{
    #[track_caller]
    pub(crate) fn new(runtime: Result<R, FindRuntime<R>>, body: B) -> Self {
        Self {
            setup: Some((Setup::new(runtime), body)),
            name: None,
            location: Location::caller(),
            node: None,
            body: None,
            clock: Clock::new(),
            guard: None,
            value: None,
            withheld: Withheld::default(),
            pinned: PhantomPinned,
        }
    }

    /// A group whose runtime is looked for at the first poll; with the place where it was called, for the
    /// panic if there is none.
    #[doc(hidden)]
    #[track_caller]
    pub fn with_late_runtime(find: FindRuntime<R>, body: B) -> Self {
        Self::new(Err(find), body)
    }

    /// `Ok(None)` instead of an error where the group's own deadline cut it and nothing failed: for
    /// those who only want to move on. As `move_on_after` of Trio.
    ///
    /// # Errors
    ///
    /// The group's error in every other case.
    ///
    /// # Cancel safety
    ///
    /// As that of the group.
    pub fn or_move_on(self) -> impl Future<Output = Result<Option<B::Value>, GroupError<E>>> {
        OrMoveOn { group: self }
    }

    /// Opens it, if it was not polled yet.
    pub(super) fn begin_once(mut self: Pin<&mut Self>) {
        if let Some((setup, body)) = self.as_mut().project().setup.take() {
            self.begin(setup, body);
        }
    }

    /// While it runs.
    pub(super) fn id(&self) -> Option<GroupId> {
        self.node.as_ref().map(|node| node.id())
    }

    fn begin(self: Pin<&mut Self>, setup: Setup<R, E>, body: B) {
        let mut this = self.project();
        let Opened { unit, handle, on_open } = setup.open(this.name.clone(), this.location);
        *this.node = Some(unit.node().clone());
        this.body.set(Some(Driven::new(Body::new(body, handle.clone()), unit)));
        if let Some(on_open) = on_open {
            on_open(&handle);
        }
    }

    /// Opens it below none and before it is polled. Its body carries `inherited`, unless it was given
    /// something.
    pub(super) fn opened(mut self, inherited: Carried) -> (Self, GroupHandle<E, R>) {
        let (setup, body) = self.setup.take().expect("a group that was polled is pinned");
        let opened = setup.open_apart(self.name.clone(), self.location, inherited);
        let Opened { unit, handle, on_open } = opened;
        self.node = Some(unit.node().clone());
        self.body = Some(Driven::new(Body::new(body, handle.clone()), unit));
        if let Some(on_open) = on_open {
            on_open(&handle);
        }
        (self, handle)
    }

    fn poll_opened(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<B::Value, GroupError<E>>> {
        let node = self.node.clone().expect("a group is not polled after it has returned");
        if node.is_given_up() {
            return Poll::Ready(self.end_abandoned(&node));
        }
        ready!(self.as_mut().poll_body(&node, cx));
        let this = self.as_mut().project();
        let whose = || info_of(&node, this.name, this.location);
        if !ready!(poll_closed::<R, E>(&node, this.clock, &whose, this.withheld, cx)) {
            return Poll::Ready(self.end_abandoned(&node));
        }
        *this.node = None;
        Poll::Ready(close::<R, E, _>(&node, this.value.take()))
    }

    /// Polls the body to its end, and sees to the time meanwhile.
    fn poll_body(mut self: Pin<&mut Self>, node: &Node, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut this = self.as_mut().project();
            let Some(mut body) = this.body.as_mut().as_pin_mut() else {
                return Poll::Ready(());
            };
            let runtime = &Core::<R, E>::of(node).runtime;
            if let Poll::Ready(ended) = runtime.within(|| body.as_mut().poll(cx, Ended::new)) {
                *this.value = end_body::<R, E, B::Value>(ended, None);
                this.body.set(None);
                return Poll::Ready(());
            }
            let whose = || info_of(node, this.name, this.location);
            if !this.clock.rang(node, runtime, &whose, cx) {
                return Poll::Pending;
            }
        }
    }

    /// The unit that opened this group has ended: the result is nobody's any more (G2).
    fn end_abandoned(self: Pin<&mut Self>, node: &Arc<Node>) -> Result<B::Value, GroupError<E>> {
        let this = self.project();
        cut_body::<R, E, B>(node, this.body);
        // What the body's destructor did: nobody comes to ask for it any more (C9).
        drop_waker(node.give_up());
        *this.node = None;
        Err(GroupError::cancelled(cause_or_dropped(node)))
    }
}

impl<R, E, B> Future for GroupFuture<R, E, B>
where
    R: Runtime,
    E: AsDynError,
    B: GroupBody<GroupHandle<E, R>, Error = E>,
{
    type Output = Result<B::Value, GroupError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.as_mut().begin_once();
        // Neither the body nor the timer nor who closes the group gets a stranger's waker (P3).
        if is_native(cx.waker()) {
            return self.poll_opened(cx);
        }
        let waker = GuardedWaker::around(cx.waker(), self.as_mut().project().guard);
        self.poll_opened(&mut Context::from_waker(&waker))
    }
}

fn info_of(
    node: &Node,
    name: &Option<Arc<str>>,
    location: &'static Location<'static>,
) -> GroupInfo {
    GroupInfo { id: node.id(), name: name.clone(), location }
}

/// Waits until all have ended (G1), and sees to the time meanwhile. Whether the group closed, and was not
/// given up.
fn poll_closed<R: Runtime, E: AsDynError>(
    node: &Arc<Node>,
    mut clock: Pin<&mut Clock<R>>,
    whose: &dyn Fn() -> GroupInfo,
    withheld: &mut Withheld,
    cx: &mut Context<'_>,
) -> Poll<bool> {
    let Core { runtime, ledger } = Core::<R, E>::of(node);
    // The waker comes first: whoever moves the deadline takes it, or is seen by the look at it.
    while node.poll_closed(cx).is_pending() {
        if !clock.as_mut().rang(node, runtime, whose, cx) {
            return Poll::Pending;
        }
    }
    let is_closed = node.is_closed();
    // What the caller would make of a mere cancellation must not depend on whether the caller's
    // own comes a moment earlier or later (T1): it is dropped right after this poll.
    if is_closed
        && ledger.is_clean()
        && node.cause_in_time().is_some()
        && withheld.again(is_about_to_be_dropped)
    {
        // Unless a shield begins before that poll is over.
        wake(cx.waker().clone());
        return Poll::Pending;
    }
    Poll::Ready(is_closed)
}

/// The result, now that all have ended.
fn close<R: Runtime, E: AsDynError, T>(node: &Node, value: Option<T>) -> Result<T, GroupError<E>> {
    let ledger = &Core::<R, E>::of(node).ledger;
    let late = node.take_overdue();
    if !late.is_empty() && ledger.will_raise() {
        report_overdue(&late);
    }
    match ledger.close(value, node.cause_in_time().cloned()) {
        Ok(value) => {
            report_overdue(&late);
            Ok(value)
        }
        Err(error) => Err(error.with_overdue(late)),
    }
}

/// The future is dropped before its end: cancels, does not wait (G2).
fn leave<R: Runtime, E: AsDynError>(node: &Arc<Node>, cut_body: &mut dyn FnMut()) {
    node.cancel(node.cause_of_drop());
    node.leave_to(Core::<R, E>::of(node).runtime.root().node());
    node.core().watch_grace(node);
    node.core().within(cut_body);
    drop_waker(node.give_up());
}

fn cause_or_dropped(node: &Node) -> CancelCause {
    node.cause().cloned().unwrap_or_else(CancelCause::dropped)
}

/// Enters the body's end, carries out what follows from it, and counts the body as ended.
fn end_body<R: Runtime, E: AsDynError, T>(
    Ended { unit, end }: Ended<Result<T, Fault<E>>>,
    cleanups: Option<CleanupRun>,
) -> Option<T> {
    let node = unit.node();
    let core = Core::<R, E>::of(node);
    let outcome = core.settle(&unit, Role::Body, end);
    match cleanups {
        None => unit.end_body(),
        Some(run) => {
            let runtime = core.runtime.clone();
            leave_cleanups(&runtime, unit, run);
        }
    }
    outcome.ok()
}

/// The body of a group, as it is driven.
type DrivenBody<R, E, B> = Driven<
    Body<GroupHandle<E, R>, B>,
    Result<<B as GroupBody<GroupHandle<E, R>>>::Value, Fault<E>>,
>;

/// Where a group keeps its body until that has ended.
type BodySlot<'a, R, E, B> = Pin<&'a mut Option<DrivenBody<R, E, B>>>;

/// Drops a body that is still there, because its group's future is dropped or nobody's.
fn cut_body<R, E, B>(node: &Arc<Node>, body: BodySlot<'_, R, E, B>)
where
    R: Runtime,
    E: AsDynError,
    B: GroupBody<GroupHandle<E, R>, Error = E>,
{
    let cause = cause_or_dropped(node);
    let cut = body.as_pin_mut().and_then(|body| body.cut(cause));
    if let Some((ended, cleanups)) = cut {
        end_body::<R, E, B::Value>(ended, cleanups);
    }
}

impl<R, E, B> fmt::Debug for GroupFuture<R, E, B>
where
    R: Runtime,
    E: AsDynError,
    B: GroupBody<GroupHandle<E, R>, Error = E>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupFuture").field("begun", &self.setup.is_none()).finish_non_exhaustive()
    }
}
