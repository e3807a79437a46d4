//! The group as its owner awaits it: opens it, polls the body, waits for the last child.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::cancel::CauseKind;
use crate::error::{AsDynError, GroupError};
use crate::group::body::{Body, GroupBody};
use crate::group::core::Core;
use crate::group::driven::{Driven, Ended};
use crate::group::handle::GroupHandle;
use crate::group::info::{GroupId, GroupInfo};
use crate::group::ledger::{Ending, Fault, Ledger, Role, Settled};
use crate::group::leftover::leave_cleanups;
use crate::group::live;
use crate::group::move_on::OrMoveOn;
use crate::group::node::Node;
use crate::group::setup::{FindRuntime, Setup};
use crate::group::time::{Alarm, report_overdue};
use crate::guarded::GuardedWaker;
use crate::panics::{catch, contain, drop_payload};
use crate::protect::CleanupRun;
use crate::runtime::Runtime;
use crate::stack::{enclosing, is_about_to_be_dropped, is_native, shielded_by};
use crate::sync::{drop_waker, wake};
use crate::task::{TaskId, TaskInfo, next_id};
use crate::unhandled::UnhandledKind;

pin_project! {
    /// A group that is about to run, or runs: the future of [`Group::group`](crate::Group::group).
    ///
    /// The options must be set before it is first polled, which their signatures see to.
    #[must_use = "a group does nothing unless awaited"]
    pub struct GroupFuture<R, E, B>
    where
        R: Runtime,
        E: AsDynError,
        B: GroupBody<GroupHandle<E, R>, Error = E>,
    {
        // Until the first poll.
        pub(super) setup: Option<Setup<R, E, B>>,
        pub(super) name: Option<Arc<str>>,
        pub(super) location: &'static Location<'static>,
        // From the first poll until the result is returned.
        node: Option<Arc<Node>>,
        // Until the body has ended.
        #[pin]
        body: Option<DrivenBody<R, E, B>>,
        // Set for `alarm`.
        #[pin]
        timer: Option<R::Sleep>,
        alarm: Option<Alarm>,
        // Stands before a waker that is not the executor's own.
        guard: Option<Arc<GuardedWaker>>,
        value: Option<B::Value>,
    }

    impl<R, E, B> PinnedDrop for GroupFuture<R, E, B>
    where
        R: Runtime,
        E: AsDynError,
        B: GroupBody<GroupHandle<E, R>, Error = E>,
    {
        // Dropped before its end: cancels, does not wait (G2).
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let value = this.value.take();
            if let Some(node) = this.node.take() {
                node.cancel(node.cause_of_drop());
                let runtime = &Core::<R, E>::of(&node).runtime;
                node.leave_to(runtime.root().node());
                node.core().watch_grace(&node);
                node.core().within(&mut || cut_body::<R, E, B>(&node, this.body.as_mut()));
                drop_waker(node.give_up());
            }
            contain(UnhandledKind::Destructor, || drop(value));
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
            setup: Some(Setup::new(runtime, body)),
            name: None,
            location: Location::caller(),
            node: None,
            body: None,
            timer: None,
            alarm: None,
            guard: None,
            value: None,
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
        OrMoveOn { group: self, own: None }
    }

    /// While it runs.
    pub(super) fn id(&self) -> Option<GroupId> {
        self.node.as_ref().map(|node| node.id())
    }

    /// Opens the group under the one that encloses it (G2).
    fn open(self: Pin<&mut Self>, setup: Setup<R, E, B>) {
        let mut this = self.project();
        let runtime = setup.runtime.unwrap_or_else(|find| find(this.location));
        let deadline = setup.deadline.map(|deadline| deadline.instant(&runtime));
        let ledger = Ledger::new(setup.policy, setup.panics, runtime.now());
        let node = Core::open(runtime, ledger, setup.options);
        if deadline.is_some() {
            node.set_deadline(deadline);
        }
        let (id, name, location) = (TaskId(next_id()), this.name.clone(), *this.location);
        let unit = node.enter_first(TaskInfo { id, name, location });
        let enclosing = enclosing();
        let inherited = enclosing.as_ref().map(|(parent, opener)| parent.carried_by(*opener, None));
        unit.carry(setup.carried.or(inherited).unwrap_or_default());
        match enclosing {
            Some((parent, opener)) => node.attach(&parent, opener, shielded_by()),
            None => live::opened(&node),
        }
        let handle = GroupHandle::new(node.clone());
        this.body.set(Some(Driven::new(Body::new(setup.body, handle.clone()), unit)));
        *this.node = Some(node);
        if let Some(on_open) = setup.on_open {
            on_open(&handle);
        }
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
        // The waker comes first: whoever moves the deadline takes it, or is seen by the look at it.
        while node.poll_closed(cx).is_pending() {
            if !self.as_mut().alarm_rang(&node, cx) {
                return Poll::Pending;
            }
        }
        if !node.is_closed() {
            return Poll::Ready(self.end_abandoned(&node));
        }
        // What the caller would make of a mere cancellation must not depend on whether the caller's
        // own comes a moment earlier or later (T1): it is dropped right after this poll.
        if Core::<R, E>::of(&node).ledger.is_clean()
            && node.cause_in_time().is_some()
            && is_about_to_be_dropped()
        {
            // Unless a shield begins before that poll is over.
            wake(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(self.close(&node))
    }

    /// The result, now that all have ended.
    fn close(self: Pin<&mut Self>, node: &Node) -> Result<B::Value, GroupError<E>> {
        let this = self.project();
        *this.node = None;
        let ledger = &Core::<R, E>::of(node).ledger;
        let late = node.take_overdue();
        if !late.is_empty() && ledger.will_raise() {
            report_overdue(&late);
        }
        match ledger.close(this.value.take(), node.cause_in_time().cloned()) {
            Ok(value) => {
                report_overdue(&late);
                Ok(value)
            }
            Err(error) => Err(error.with_overdue(late)),
        }
    }

    /// Polls the body to its end, and sees to the time meanwhile.
    fn poll_body(mut self: Pin<&mut Self>, node: &Arc<Node>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let this = self.as_mut().project();
            let mut slot = this.body;
            let Some(mut body) = slot.as_mut().as_pin_mut() else {
                return Poll::Ready(());
            };
            let runtime = &Core::<R, E>::of(node).runtime;
            let then = |unit, end| Ended { unit, end };
            match runtime.within(|| body.as_mut().poll(cx, then)) {
                Poll::Ready(ended) => {
                    *this.value = end_body::<R, E, B::Value>(ended, None);
                    slot.set(None);
                    return Poll::Ready(());
                }
                Poll::Pending if self.as_mut().alarm_rang(node, cx) => continue,
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Acts when the deadline passes or the grace period is over. Whether it did so now. A timer that
    /// panics belongs to a runtime that is gone (R1).
    fn alarm_rang(self: Pin<&mut Self>, node: &Node, cx: &mut Context<'_>) -> bool {
        let mut this = self.project();
        let runtime = &Core::<R, E>::of(node).runtime;
        let wanted = node.next_alarm(|grace| runtime.after(grace));
        if *this.alarm != wanted {
            *this.alarm = wanted;
            this.timer.set(wanted.map(|alarm| runtime.sleep_until(alarm.at())));
        }
        let (Some(alarm), Some(timer)) = (wanted, this.timer.as_mut().as_pin_mut()) else {
            return false;
        };
        match catch(|| timer.poll(cx)) {
            Ok(Poll::Pending) => return false,
            Ok(Poll::Ready(())) => {
                let (id, name, location) = (node.id(), this.name.clone(), *this.location);
                node.ring(alarm, GroupInfo { id, name, location });
            }
            Err(payload) => {
                drop_payload(payload);
                this.timer.set(None);
                node.cancel(CauseKind::Shutdown.into());
                node.harden();
            }
        }
        true
    }

    /// The unit that opened this group has ended: the result is nobody's any more (G2).
    fn end_abandoned(self: Pin<&mut Self>, node: &Arc<Node>) -> Result<B::Value, GroupError<E>> {
        let this = self.project();
        cut_body::<R, E, B>(node, this.body);
        // What the body's destructor did: nobody comes to ask for it any more (C9).
        drop_waker(node.give_up());
        *this.node = None;
        let cause = node.cause().cloned().unwrap_or_else(|| CauseKind::Dropped.into());
        Err(GroupError::cancelled(cause))
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
        if let Some(setup) = self.as_mut().project().setup.take() {
            self.as_mut().open(setup);
        }
        // Neither the body nor the timer nor who closes the group gets a stranger's waker (P3).
        if is_native(cx.waker()) {
            return self.poll_opened(cx);
        }
        let waker = GuardedWaker::around(cx.waker(), self.as_mut().project().guard);
        self.poll_opened(&mut Context::from_waker(&waker))
    }
}

/// Enters the body's end, carries out what follows from it, and counts the body as ended.
fn end_body<R: Runtime, E: AsDynError, T>(
    Ended { unit, end }: Ended<Result<T, Fault<E>>>,
    cleanups: Option<CleanupRun>,
) -> Option<T> {
    let node = unit.node();
    let core = Core::<R, E>::of(node);
    let (info, now) = (|| unit.info(), || core.runtime.now());
    let ending = Ending { group: node.id(), role: Role::Body, info: &info, now: &now };
    let Settled { outcome, cancel } = core.ledger.settle(&ending, end);
    if let Some(cause) = cancel {
        node.cancel(cause);
    }
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
    let cause = node.cause().cloned().unwrap_or_else(|| CauseKind::Dropped.into());
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
