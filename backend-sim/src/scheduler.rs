//! The state of a simulation: its units, who of them can run, its timers and its clock.
//!
//! One lock guards it. Under it only the lines of this file run: futures, jobs and wakers are taken out,
//! and called or dropped by those who took them.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use anyscope_core::{LiveWatch, Root};

use crate::fault::Plan;
use crate::schedule::{Chooser, Ready};
use crate::thread::Seat;
use crate::trace::{Trace, TraceStep, UnitId, UnitKind};
use crate::waker::UnitWaker;

/// What the runtime's values, wakers and timers share.
pub(crate) struct Shared {
    /// No user code runs under it.
    state: Mutex<State>,
    /// The thread that made the simulation and drives it.
    driver: ThreadId,
    pub(crate) start: Instant,
    pub(crate) root: Root,
    /// Whether units get labels for the trace. It costs a look at all that is alive for each.
    pub(crate) labels: bool,
    /// After so many steps a run counts as one that does not end.
    pub(crate) max_steps: usize,
}

pub(crate) struct State {
    units: BTreeMap<UnitId, Unit>,
    created: u32,
    ready: Ready,
    /// Threads whose condition did not hold; they look again when something has happened.
    blocked: Vec<UnitId>,
    /// By deadline, then in the order in which they were set.
    timers: BTreeMap<TimerKey, Waker>,
    timers_set: u64,
    /// Who waits until nothing else can run, by what names each.
    settling: BTreeMap<u64, Waker>,
    settles: u64,
    start: Instant,
    pub(crate) now: Instant,
    /// Whose step it is.
    pub(crate) running: Option<UnitId>,
    /// The thread of the unit that runs, if that has one of its own.
    playing: Option<ThreadId>,
    pub(crate) chooser: Chooser,
    pub(crate) plan: Plan,
    pub(crate) trace: Trace,
    /// What another thread has done to the simulation, which makes the run fail.
    foreign: Option<String>,
    pub(crate) is_shut_down: bool,
    /// Set when the simulation is gone; what comes after that is nobody's concern.
    is_over: bool,
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
    is_ready: bool,
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

impl Shared {
    pub(crate) fn new(chooser: Chooser, plan: Plan, labels: bool, max_steps: usize) -> Arc<Self> {
        let start = Instant::now();
        let state = State {
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
            foreign: None,
            is_shut_down: false,
            is_over: false,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            driver: thread::current().id(),
            start,
            root: Root::new(),
            labels,
            max_steps,
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a unit that can run. On a runtime that was shut down tasks and jobs are given back.
    pub(crate) fn add(self: &Arc<Self>, kind: UnitKind, work: Work) -> Result<UnitId, Work> {
        let mut state = self.enter("something was started");
        let is_task = matches!(kind, UnitKind::Task);
        let outlives = matches!(kind, UnitKind::Main | UnitKind::Thread);
        let refused = (state.is_shut_down && !outlives) || (is_task && state.plan.refuses_spawn());
        if refused {
            drop(state);
            return Err(work);
        }
        let id = UnitId(state.created);
        state.created += 1;
        let waker = Waker::from(Arc::new(UnitWaker { shared: Arc::downgrade(self), id }));
        state.units.insert(id, Unit { kind, work, waker, is_ready: true, awaited_by: None });
        state.ready.push_back(id);
        Ok(id)
    }

    /// Takes a unit out of the simulation; what is left of it is dropped by the caller.
    pub(crate) fn remove(&self, id: UnitId) -> Option<Unit> {
        let mut state = self.lock();
        state.ready.retain(|unit| *unit != id);
        state.blocked.retain(|unit| *unit != id);
        state.units.remove(&id)
    }

    pub(crate) fn wake(&self, id: UnitId) {
        self.enter("woken").make_ready(id);
    }

    /// Locks for what only the simulation's own threads may do. The driver is one always: while a unit
    /// with a thread of its own runs, it waits for that.
    fn enter(&self, what: &str) -> MutexGuard<'_, State> {
        let this = THIS_THREAD.try_with(|id| *id).ok();
        let mut state = self.lock();
        let inside = this == Some(self.driver) || this == state.playing;
        if !inside && !state.is_over {
            let text = || format!("{what} from the thread {}, {WHY_NOT}", thread_name());
            state.foreign.get_or_insert_with(text);
        }
        state
    }

    pub(crate) fn set_playing(&self, thread: Option<ThreadId>) {
        self.lock().playing = thread;
    }

    /// What comes next. With `threads_only`, tasks must wait: one of them blocks the driver.
    pub(crate) fn next(&self, threads_only: bool) -> Next {
        let mut state = self.lock();
        if let Some(foreign) = state.foreign.take() {
            return Next::Foreign(foreign);
        }
        if !state.is_shut_down && state.plan.shuts_down_at(state.chooser.steps()) {
            return Next::ShutDown;
        }
        if state.chooser.steps() >= self.max_steps {
            return Next::Endless;
        }
        match state.take_ready(threads_only) {
            Some(id) => state.begin_step(id),
            None => state.let_time_pass(threads_only),
        }
    }

    /// A task has been polled and goes on later.
    pub(crate) fn put_back(&self, id: UnitId, future: BoxFuture) -> Option<BoxFuture> {
        let mut state = self.lock();
        match state.units.get_mut(&id).map(|unit| &mut unit.work) {
            Some(Work::Task(slot)) => {
                *slot = Some(future);
                None
            }
            _ => Some(future),
        }
    }

    /// A unit has run until it waited or ended.
    pub(crate) fn end_step(&self) {
        let mut state = self.lock();
        state.running = None;
        state.something_happened();
    }

    /// A thread's condition does not hold; `progressed` if it has run before it looked.
    pub(crate) fn block(&self, id: UnitId, progressed: bool) {
        let mut state = self.lock();
        if progressed {
            state.something_happened();
        }
        state.blocked.push(id);
    }

    /// Whether somebody can take a step now, without time passing.
    pub(crate) fn can_run(&self, threads_only: bool) -> bool {
        let state = self.lock();
        state.ready.iter().any(|id| !threads_only || state.is_thread(*id))
    }

    /// A thread gives way, and goes on when it is chosen again.
    pub(crate) fn requeue(&self, id: UnitId) {
        let mut state = self.lock();
        state.something_happened();
        state.make_ready(id);
    }

    pub(crate) fn something_happened(&self) {
        self.lock().something_happened();
    }

    /// Sets a timer, or moves it; gives back the waker that is no longer needed.
    pub(crate) fn set_timer(
        &self,
        key: Option<TimerKey>,
        at: Instant,
        waker: Waker,
    ) -> (TimerKey, Option<Waker>) {
        let mut state = self.enter("a timer was set");
        let key = key.filter(|key| state.timers.contains_key(key)).unwrap_or_else(|| {
            state.timers_set += 1;
            (at + state.plan.lateness(), state.timers_set)
        });
        let old = state.timers.insert(key, waker);
        (key, old)
    }

    pub(crate) fn unset_timer(&self, key: TimerKey) -> Option<Waker> {
        self.lock().timers.remove(&key)
    }

    /// Moves the clock; gives the timers that are due by that.
    pub(crate) fn advance(&self, duration: Duration) -> Vec<Waker> {
        let mut state = self.enter("the clock was moved");
        let now = state.now.checked_add(duration).unwrap_or(state.now);
        state.move_clock(now)
    }

    /// Waits until nothing else can run. Gives what names the waiter.
    pub(crate) fn settle(&self, waker: Waker) -> u64 {
        let mut state = self.lock();
        state.settles += 1;
        let name = state.settles;
        state.settling.insert(name, waker);
        name
    }

    /// Whether this one waits still; with another waker from now on. Gives back the one that is not needed.
    pub(crate) fn still_settles(&self, name: u64, waker: Waker) -> (bool, Waker) {
        match self.lock().settling.get_mut(&name) {
            Some(old) => (true, std::mem::replace(old, waker)),
            None => (false, waker),
        }
    }

    pub(crate) fn unsettle(&self, name: u64) -> Option<Waker> {
        self.lock().settling.remove(&name)
    }

    /// From now on tasks and jobs are refused. Gives one that is alive, to be dropped.
    pub(crate) fn take_one_down(&self) -> Option<Unit> {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.is_shut_down, true) {
            state.trace.steps.push(TraceStep::ShutDown);
        }
        let doomed = |unit: &Unit| match &unit.work {
            Work::Main => false,
            Work::Task(future) => future.is_some(),
            Work::Thread(seat) => unit.kind != UnitKind::Thread && !seat.has_begun(),
        };
        let id = state.units.iter().find(|(_, unit)| doomed(unit)).map(|(id, _)| *id)?;
        drop(state);
        self.remove(id)
    }

    /// The simulation is gone. Gives the threads that have begun and not ended.
    pub(crate) fn end(&self) -> Vec<(UnitId, Arc<Seat>)> {
        let mut state = self.lock();
        state.is_over = true;
        let seats = state.units.iter().filter_map(|(id, unit)| match &unit.work {
            Work::Thread(seat) => Some((*id, seat.clone())),
            _ => None,
        });
        seats.collect()
    }

    pub(crate) fn waker(&self, id: UnitId) -> Option<Waker> {
        self.lock().units.get(&id).map(|unit| unit.waker.clone())
    }

    /// Who awaits the handle of this unit: the one that runs.
    pub(crate) fn note_waiter(&self, id: UnitId) {
        let mut state = self.lock();
        let running = state.running;
        if let Some(unit) = state.units.get_mut(&id) {
            unit.awaited_by = running;
        }
    }

    /// Names a unit after the youngest task that is alive, which is the one that core is just starting.
    pub(crate) fn label(&self, id: UnitId, watch: &LiveWatch) {
        let groups = watch.groups(&self.root);
        let all = groups.iter().flat_map(|group| group.tasks());
        if let Some(youngest) = all.max_by_key(|task| task.info().id()) {
            let label = crate::report::label(youngest.info());
            self.lock().trace.labels.insert(id, label);
        }
    }
}

impl State {
    pub(crate) fn units(&self) -> impl Iterator<Item = (UnitId, &Unit)> {
        self.units.iter().map(|(id, unit)| (*id, unit))
    }

    pub(crate) fn timers(&self) -> impl Iterator<Item = (Instant, &Waker)> {
        self.timers.iter().map(|((at, _), waker)| (*at, waker))
    }

    pub(crate) fn is_blocked(&self, id: UnitId) -> bool {
        self.blocked.contains(&id)
    }

    fn make_ready(&mut self, id: UnitId) {
        if let Some(unit) = self.units.get_mut(&id) {
            if !std::mem::replace(&mut unit.is_ready, true) {
                self.ready.push_back(id);
            }
        }
    }

    fn take_ready(&mut self, threads_only: bool) -> Option<UnitId> {
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

    fn is_thread(&self, id: UnitId) -> bool {
        self.units.get(&id).is_some_and(|unit| matches!(unit.work, Work::Thread(_)))
    }

    fn begin_step(&mut self, id: UnitId) -> Next {
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

    /// Nobody can run. Those who waited for that go on, else the clock.
    fn let_time_pass(&mut self, threads_only: bool) -> Next {
        if !self.settling.is_empty() && !threads_only {
            return Next::Wake(std::mem::take(&mut self.settling).into_values().collect());
        }
        let first = self.timers.keys().next().map(|(at, _)| *at);
        match first.filter(|at| at.saturating_duration_since(self.now) < NEVER) {
            Some(at) => Next::Wake(self.move_clock(at.max(self.now))),
            None => Next::Stuck,
        }
    }

    fn move_clock(&mut self, now: Instant) -> Vec<Waker> {
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

    fn something_happened(&mut self) {
        for id in std::mem::take(&mut self.blocked) {
            self.make_ready(id);
        }
    }
}

/// A timer further away than this is one that stands for "never": a run that waits only for such is stuck.
pub(crate) const NEVER: Duration = Duration::from_secs(20 * 365 * 24 * 60 * 60);

thread_local! {
    static THIS_THREAD: ThreadId = thread::current().id();
}

fn thread_name() -> String {
    thread::current().name().map_or("without a name".to_owned(), |name| format!("'{name}'"))
}

const WHY_NOT: &str = "outside the simulation: what other threads do comes at a time that no seed decides, and the run could not \
     be repeated. Let a job do it, or a thread started by `spawn_thread`";
