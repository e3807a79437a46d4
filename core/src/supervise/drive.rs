//! Carries out what the machine decides: starts and stops instances, and tells it what happened.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Instant;

use crate::cancel::{CancelCause, CauseKind};
use crate::context::WaitCancelled;
use crate::error::{AsDynError, GroupError};
use crate::group::{GroupHandle, Started, Watch};
use crate::panics::{PanicPolicy, contain, drop_contained};
use crate::runtime::Runtime;
use crate::supervise::child::Factory;
use crate::supervise::machine::{Machine, Step};
use crate::supervise::{InstanceEnd, Supervisor, SupervisorError};
use crate::task::TaskHandle;
use crate::unhandled::UnhandledKind;

pub(super) struct Driver<E: AsDynError, R: Runtime> {
    supervisor: Supervisor<E>,
    machine: Machine,
    /// Of each child, the instance that has not ended.
    running: Vec<Option<Running<E, R>>>,
    /// Those that had ended at the last look, and have not been answered. There is no other look before that,
    /// so that a child that ends again and again hides none of the others.
    ended: VecDeque<Ended<E>>,
    /// The ends that matter to an error, in order: of a supervisor that gives up, those of its period.
    history: VecDeque<InstanceEnd<E>>,
    /// Its cancellation is the supervisor's.
    outer: GroupHandle<SupervisorError<E>, R>,
    /// Whose tasks the instances are; it is never cancelled.
    group: GroupHandle<Infallible, R>,
    /// Why the supervisor was cancelled.
    cause: Option<CancelCause>,
    /// That a grace period around it has ended, and those of the children with it.
    hurries: bool,
}

struct Running<E: AsDynError, R: Runtime> {
    /// Of the instance alone.
    group: GroupHandle<E, R>,
    /// Ends with the group's result: after all of it has ended.
    task: TaskHandle<(Instant, Outcome<E>), R>,
    stopped: bool,
}

struct Ended<E> {
    child: usize,
    at: Instant,
    /// None if the runtime is being shut down.
    outcome: Option<Outcome<E>>,
}

type Outcome<E> = Result<(), GroupError<E>>;

impl<E: AsDynError, R: Runtime> Driver<E, R> {
    pub(super) fn new(
        supervisor: Supervisor<E>,
        outer: GroupHandle<SupervisorError<E>, R>,
        group: GroupHandle<Infallible, R>,
    ) -> Self {
        let restarts = supervisor.children.iter().map(|child| child.restart);
        let machine = Machine::new(supervisor.rules, restarts, group.native().now());
        let running = supervisor.children.iter().map(|_| None).collect();
        let (ended, history) = (VecDeque::new(), VecDeque::new());
        let (cause, hurries) = (None, false);
        Self { supervisor, machine, running, ended, history, outer, group, cause, hurries }
    }

    pub(super) async fn run(mut self) -> Result<Result<(), SupervisorError<E>>, Infallible> {
        let mut cancelled = self.outer.cancelled();
        let mut over = Watch::new(self.outer.node().clone());
        loop {
            if let (None, Some(cause)) = (&self.cause, self.outer.cause()) {
                self.close(cause);
            }
            if !self.hurries && self.outer.node().is_grace_over() {
                self.hurry();
            }
            match self.machine.next(self.now()) {
                Step::Start(child) => self.start(child).await,
                Step::Stop(child) => self.stop(child),
                Step::Wait(until) => {
                    if let Some(ended) = self.event(&mut cancelled, &mut over, until).await {
                        self.ended(ended);
                    }
                }
                Step::Done => return Ok(self.result()),
            }
        }
    }

    /// Starts an instance, and returns when it has been polled once.
    async fn start(&mut self, child: usize) {
        let spec = &self.supervisor.children[child];
        let (runtime, factory) = (self.group.runtime(), spec.factory.clone());
        let (name, grace, location) = (spec.name.clone(), spec.grace, spec.location);
        let instance = move |started: Started<GroupHandle<E, R>>| {
            let body = move |group| first_polled(factory, HandOver(Some((started, group))));
            let group = runtime.group(body).name(name).panics(PanicPolicy::Capture).at(location);
            let group = match grace {
                Some(grace) => group.grace(grace),
                None => group,
            };
            async move {
                let outcome = group.await;
                Ok((runtime.now(), outcome))
            }
        };
        match self.group.start(instance).carrying(spec.carried.clone()).await {
            Ok((group, task)) => {
                self.running[child] = Some(Running { group, task, stopped: false });
            }
            Err(_) => self.lose(child),
        }
    }

    fn stop(&mut self, child: usize) {
        let outer = self.outer.node();
        let Some(running) = &mut self.running[child] else { return };
        running.stopped = true;
        let node = running.group.node();
        match self.cause.as_ref().map(|cause| cause.inherited_from(outer.id())) {
            // It has what is left of the grace period around.
            Some(cause) if outer.was_told() => node.tell(cause),
            Some(cause) => node.cancel(cause),
            None => node.cancel(CancelCause::because("stopped by its supervisor")),
        }
        if self.hurries {
            node.harden();
        }
    }

    /// Those that were told to stop have no more time, nor have those that are told later.
    fn hurry(&mut self) {
        self.hurries = true;
        for running in self.running.iter().flatten().filter(|running| running.stopped) {
            running.group.node().harden();
        }
    }

    /// The next end. None if it is time to look again.
    async fn event(
        &mut self,
        cancelled: &mut WaitCancelled,
        over: &mut Watch,
        until: Option<Instant>,
    ) -> Option<Ended<E>> {
        let mut timer = pin!(until.map(|at| self.group.native().sleep_until(at)));
        poll_fn(|cx| {
            if self.cause.is_none() && Pin::new(&mut *cancelled).poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            let waits = self.cause.is_some() && !self.hurries;
            if waits && over.poll(cx, |node| node.is_grace_over().then_some(())).is_ready() {
                return Poll::Ready(None);
            }
            if let Some(ended) = self.poll_ended(cx) {
                return Poll::Ready(Some(ended));
            }
            match timer.as_mut().as_pin_mut() {
                Some(timer) => timer.poll(cx).map(|()| None),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// In the order in which they have ended.
    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Option<Ended<E>> {
        if self.ended.is_empty() {
            self.look(cx);
        }
        self.ended.pop_front()
    }

    fn look(&mut self, cx: &mut Context<'_>) {
        let group = &self.group;
        for (child, running) in self.running.iter_mut().enumerate() {
            let Some(running) = running else { continue };
            let Poll::Ready(ended) = Pin::new(&mut running.task).poll(cx) else { continue };
            let (at, outcome) = match ended {
                Ok((at, outcome)) => (at, Some(outcome)),
                Err(_) => (group.native().now(), None),
            };
            self.ended.push_back(Ended { child, at, outcome });
        }
        self.ended.make_contiguous().sort_by_key(|ended| ended.at);
    }

    fn ended(&mut self, Ended { child, at, outcome }: Ended<E>) {
        let Some(running) = self.running[child].take() else { return };
        let Some(outcome) = outcome else { return self.lose(child) };
        let name = self.supervisor.children[child].name.clone();
        let end = InstanceEnd::new(name, at, running.stopped, outcome);
        contain(UnhandledKind::Callback, || (self.supervisor.on_end)(&end));
        self.name_overdue(&end);
        if !self.machine.is_closing() {
            let period = self.supervisor.rules.period;
            self.forget(|end| at.saturating_duration_since(end.at()) > period);
        }
        let was_closing = self.machine.is_closing();
        self.machine.ended(child, end.error().is_none(), at);
        let matters = !end.was_stopped() && !was_closing;
        let may_be_asked_for = was_closing || self.supervisor.rules.are_limited();
        if may_be_asked_for && (matters || end.failure().is_some()) {
            self.history.push_back(end);
        }
    }

    /// Who was dropped because a grace period around has ended stands in the error of the group whose that
    /// was (C3, R7).
    fn name_overdue(&self, end: &InstanceEnd<E>) {
        let Some(error) = end.error().filter(|_| self.hurries && end.was_stopped()) else { return };
        if let Some(top) = self.outer.node().late_for() {
            top.add_overdue(error.overdue().to_vec());
        }
    }

    /// What happened before was answered by restarts, and is no failure of this supervisor.
    fn close(&mut self, cause: CancelCause) {
        if !self.machine.is_closing() {
            self.forget(|_| true);
        }
        self.cause = Some(cause);
        self.machine.close();
    }

    fn lose(&mut self, child: usize) {
        self.running[child] = None;
        self.close(CauseKind::Shutdown.into());
        self.machine.ended(child, false, self.now());
    }

    /// The old come first: each end costs what it forgets, and not all that is remembered.
    fn forget(&mut self, is_old: impl Fn(&InstanceEnd<E>) -> bool) {
        while self.history.front().is_some_and(&is_old) {
            let old = self.history.pop_front();
            drop_contained(old);
        }
    }

    fn result(self) -> Result<(), SupervisorError<E>> {
        let (rules, history) = (self.supervisor.rules, self.history.into());
        if self.machine.gave_up() {
            return Err(SupervisorError::giving_up(rules.restarts, rules.period, history));
        }
        // Without failures it is taken for the mere cancellation that it is (G4).
        self.cause.map_or(Ok(()), |cause| Err(SupervisorError::cancelled(cause, history)))
    }

    fn now(&self) -> Instant {
        self.group.native().now()
    }
}

/// Runs an instance; its group is handed over after the first poll.
async fn first_polled<E, R: Runtime>(
    factory: Factory<E>,
    handover: HandOver<E, R>,
) -> Result<(), E> {
    let mut handover = Some(handover);
    let mut instance = factory();
    poll_fn(|cx| {
        let polled = instance.as_mut().poll(cx);
        handover = None;
        polled
    })
    .await
}

/// Hands the handle of an instance's group to the driver when it is dropped, also by a panic.
struct HandOver<E, R>(Option<Ready<E, R>>);

type Ready<E, R> = (Started<GroupHandle<E, R>>, GroupHandle<E, R>);

impl<E, R> Drop for HandOver<E, R> {
    fn drop(&mut self) {
        if let Some((started, group)) = self.0.take() {
            started.ready(group);
        }
    }
}
