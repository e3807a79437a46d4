//! The state of a simulation: its units, who of them can run, its timers and its clock.
//!
//! It is guarded by the lock of `Shared`, under which only these lines run: futures, jobs and wakers are
//! taken out, and called or dropped by those who took them.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Waker;
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use anyscope_core::TaskId;

use crate::blocking::KnownThreads;
use crate::fault::Plan;
use crate::schedule::{Chooser, Ready};
use crate::thread::Seat;
use crate::trace::{Trace, TraceStep, UnitId, UnitKind};

pub(crate) struct State {
    pub(crate) units: BTreeMap<UnitId, Unit>,
    pub(crate) created: u32,
    pub(crate) ready: Ready,
    /// Threads whose condition did not hold; they look again when something has happened.
    pub(crate) blocked: Vec<UnitId>,
    /// By deadline, then in the order in which they were set.
    pub(crate) timers: BTreeMap<TimerKey, Waker>,
    pub(crate) timers_set: u64,
    /// Who waits until nothing else can run, by what names each.
    pub(crate) settling: BTreeMap<u64, Waker>,
    pub(crate) settles: u64,
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    /// Whose step it is.
    pub(crate) running: Option<UnitId>,
    /// The thread of the unit that runs, if that has one of its own.
    pub(crate) playing: Option<ThreadId>,
    pub(crate) chooser: Chooser,
    pub(crate) plan: Plan,
    pub(crate) trace: Trace,
    /// The tasks and jobs after which units have been named.
    pub(crate) named: BTreeSet<TaskId>,
    /// What another thread has done to the simulation, which makes the run fail.
    pub(crate) foreign: Option<String>,
    pub(crate) is_shut_down: bool,
    /// The blocking threads of all values, in the order in which they were made.
    pub(crate) threads: Vec<KnownThreads>,
    /// Set when the simulation is gone; what comes after that is nobody's concern.
    pub(crate) is_over: bool,
}

/// When a timer fires, and which.
pub(crate) type TimerKey = (Instant, u64);

pub(crate) type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A unit that is alive.
pub(crate) struct Unit {
    pub(crate) kind: UnitKind,
    pub(crate) work: Work,
    pub(crate) waker: Waker,
    /// In the line of those who can run.
    pub(crate) is_ready: bool,
    /// Who awaited its handle last.
    pub(crate) awaited_by: Option<UnitId>,
}

/// What a unit does in its steps.
pub(crate) enum Work {
    /// The future lies with the driver.
    Main,
    /// `None` while it is polled.
    Task(Option<BoxFuture>),
    Thread(Arc<Seat>),
}

/// What the driver is to do next.
pub(crate) enum Next {
    Main,
    Task(UnitId, BoxFuture, Waker),
    Thread(UnitId, Arc<Seat>),
    /// Timers that are due, or those that waited for the rest to settle.
    Wake(Vec<Waker>),
    ShutDown,
    /// Nothing can run and no timer is set.
    Stuck,
    /// The run has taken too many steps.
    Endless,
    /// Another thread has meddled.
    Foreign(String),
}

impl State {
    pub(crate) fn new(start: Instant, chooser: Chooser, plan: Plan) -> Self {
        Self {
            units: BTreeMap::new(),
            created: 0,
            ready: Ready::new(),
            blocked: Vec::new(),
            timers: BTreeMap::new(),
            timers_set: 0,
            settling: BTreeMap::new(),
            settles: 0,
            start,
            now: start,
            running: None,
            playing: None,
            chooser,
            plan,
            trace: Trace::default(),
            named: BTreeSet::new(),
            foreign: None,
            is_shut_down: false,
            threads: Vec::new(),
            is_over: false,
        }
    }

    pub(crate) fn units(&self) -> impl Iterator<Item = (UnitId, &Unit)> {
        self.units.iter().map(|(id, unit)| (*id, unit))
    }

    pub(crate) fn timers(&self) -> impl Iterator<Item = (Instant, &Waker)> {
        self.timers.iter().map(|((at, _), waker)| (*at, waker))
    }

    /// Takes a unit out, with its place in the line.
    pub(crate) fn remove(&mut self, id: UnitId) -> Option<Unit> {
        let unit = self.units.remove(&id)?;
        if unit.is_ready {
            self.ready.retain(|unit| *unit != id);
        }
        if matches!(unit.work, Work::Thread(_)) {
            self.blocked.retain(|unit| *unit != id);
        }
        Some(unit)
    }

    pub(crate) fn make_ready(&mut self, id: UnitId) {
        if let Some(unit) = self.units.get_mut(&id) {
            if !std::mem::replace(&mut unit.is_ready, true) {
                self.ready.push_back(id);
            }
        }
    }

    pub(crate) fn take_ready(&mut self, threads_only: bool) -> Option<UnitId> {
        if !threads_only {
            return self.chooser.take(&mut self.ready);
        }
        let ready = std::mem::take(&mut self.ready);
        let (mut threads, others): (Ready, Ready) =
            ready.into_iter().partition(|id| self.is_thread(*id));
        let chosen = self.chooser.take(&mut threads);
        threads.extend(others);
        self.ready = threads;
        chosen
    }

    /// Whether somebody can take a step now, without time passing.
    pub(crate) fn can_run(&self, threads_only: bool) -> bool {
        self.ready.iter().any(|id| !threads_only || self.is_thread(*id))
    }

    pub(crate) fn is_thread(&self, id: UnitId) -> bool {
        self.units.get(&id).is_some_and(|unit| matches!(unit.work, Work::Thread(_)))
    }

    pub(crate) fn begin_step(&mut self, id: UnitId) -> Next {
        let Some(unit) = self.units.get_mut(&id) else {
            return Next::Wake(Vec::new());
        };
        unit.is_ready = false;
        self.trace.steps.push(TraceStep::Ran(unit.kind, id));
        self.running = Some(id);
        match &mut unit.work {
            Work::Main => Next::Main,
            Work::Thread(seat) => Next::Thread(id, seat.clone()),
            Work::Task(future) => match future.take() {
                Some(future) => Next::Task(id, future, unit.waker.clone()),
                None => Next::Wake(Vec::new()),
            },
        }
    }

    /// The step of a thread that has only looked whether it can go on, in vain, is none.
    pub(crate) fn take_back(&mut self, id: UnitId) {
        let is_its = |step: &TraceStep| matches!(step, TraceStep::Ran(_, ran) if *ran == id);
        if self.trace.steps.last().is_some_and(is_its) {
            self.trace.steps.pop();
            self.chooser.take_back();
        }
    }

    /// Nobody can run. Those who waited for that go on, else the clock.
    pub(crate) fn let_time_pass(&mut self, threads_only: bool) -> Next {
        if !self.settling.is_empty() && !threads_only {
            return Next::Wake(std::mem::take(&mut self.settling).into_values().collect());
        }
        let first = self.timers.keys().next().map(|(at, _)| *at);
        match first.filter(|at| at.saturating_duration_since(self.now) < NEVER) {
            Some(at) => Next::Wake(self.move_clock(at.max(self.now))),
            None => Next::Stuck,
        }
    }

    /// So long from now; as far away as "never" where there is no such instant (R4).
    pub(crate) fn later(&self, duration: Duration) -> Instant {
        self.now.checked_add(duration).unwrap_or_else(|| self.now + NEVER)
    }

    /// Whether a main future is there, which only who drives it can poll.
    pub(crate) fn has_main(&self) -> bool {
        self.units.values().any(|unit| matches!(unit.work, Work::Main))
    }

    pub(crate) fn move_clock(&mut self, now: Instant) -> Vec<Waker> {
        if now > self.now {
            self.trace.steps.push(TraceStep::Clock(now - self.start));
        }
        self.now = now;
        let mut due = Vec::new();
        while let Some(timer) = self.timers.first_entry().filter(|timer| timer.key().0 <= now) {
            due.push(timer.remove());
        }
        self.something_happened();
        due
    }

    pub(crate) fn something_happened(&mut self) {
        for id in std::mem::take(&mut self.blocked) {
            self.make_ready(id);
        }
    }
}

/// A timer further away than this is one that stands for "never": a run that waits only for such is stuck.
pub(crate) const NEVER: Duration = Duration::from_secs(20 * 365 * 24 * 60 * 60);
