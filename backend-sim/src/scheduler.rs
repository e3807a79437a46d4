//! What the values, wakers and timers of a simulation share, and what the driver asks for its next step.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use anyscope_core::{Job, LiveGroup, LiveWatch, Root};

use crate::blocking::{KnownThreads, Threads};
use crate::fault::Plan;
use crate::schedule::Chooser;
use crate::state::{BoxFuture, Next, State, TimerKey, Unit, Work};
use crate::thread::Seat;
use crate::trace::{TraceStep, UnitId, UnitKind};
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

impl Shared {
    pub(crate) fn new(chooser: Chooser, plan: Plan, labels: bool, max_steps: usize) -> Arc<Self> {
        let start = Instant::now();
        Arc::new(Self {
            state: Mutex::new(State::new(start, chooser, plan)),
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

    /// Adds a unit that can run. On a runtime that was shut down tasks and jobs are given back, and threads
    /// too when the simulation is gone.
    pub(crate) fn add(self: &Arc<Self>, kind: UnitKind, work: Work) -> Result<UnitId, Work> {
        let mut state = self.enter("something was started");
        let is_task = matches!(kind, UnitKind::Task);
        let outlives = matches!(kind, UnitKind::Main | UnitKind::Thread);
        let comes_late = state.is_over || (state.is_shut_down && !outlives);
        let refused = comes_late || (is_task && state.plan.refuses_spawn());
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
        self.lock().remove(id)
    }

    pub(crate) fn wake(&self, id: UnitId) {
        self.enter("woken").make_ready(id);
    }

    /// Locks for what only the simulation's own threads may do. The driver is one always: while a unit
    /// with a thread of its own runs, it waits for that.
    pub(crate) fn enter(&self, what: &str) -> MutexGuard<'_, State> {
        let this = THIS_THREAD.try_with(|id| *id).ok();
        let mut state = self.lock();
        let is_own = |this| this == self.driver || Some(this) == state.playing;
        let inside = this.is_some_and(is_own);
        if !inside && !state.is_over {
            let text = || format!("{what} from the thread {}, {WHY_NOT}", thread_name());
            state.foreign.get_or_insert_with(text);
        }
        state
    }

    /// What another thread has done to the simulation, if one has.
    pub(crate) fn meddling(&self) -> Option<String> {
        self.lock().foreign.clone()
    }

    pub(crate) fn set_playing(&self, thread: Option<ThreadId>) {
        self.lock().playing = thread;
    }

    /// What comes next. With `threads_only`, tasks must wait: one of them blocks the driver.
    pub(crate) fn next(&self, threads_only: bool) -> Next {
        let mut state = self.lock();
        // It stays: a task that comes upon it in a step of its own may keep the panic to itself.
        if let Some(foreign) = &state.foreign {
            return Next::Foreign(foreign.clone());
        }
        if !state.is_shut_down && state.plan.shuts_down_at(state.chooser.steps()) {
            return Next::ShutDown;
        }
        if state.chooser.spent() >= self.max_steps {
            return Next::Endless;
        }
        match state.take_ready(threads_only) {
            Some(id) => state.begin_step(id),
            None => state.let_time_pass(threads_only),
        }
    }

    /// A task has been polled and goes on later; not if the runtime was shut down meanwhile.
    pub(crate) fn put_back(&self, id: UnitId, future: BoxFuture) -> Option<BoxFuture> {
        let mut state = self.lock();
        let is_shut_down = state.is_shut_down;
        match state.units.get_mut(&id).map(|unit| &mut unit.work) {
            Some(Work::Task(slot)) if !is_shut_down => {
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
        match progressed {
            true => state.something_happened(),
            false => state.take_back(id),
        }
        state.blocked.push(id);
    }

    /// The driver gives a turn away. Whether somebody can take a step now, without time passing, or the run
    /// is too long.
    pub(crate) fn give_turn(&self, threads_only: bool) -> bool {
        let mut state = self.lock();
        state.chooser.count_turn();
        state.something_happened();
        state.can_run(threads_only) || state.chooser.spent() >= self.max_steps
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
            let late = at.checked_add(state.plan.lateness());
            (late.unwrap_or(at), state.timers_set)
        });
        let old = state.timers.insert(key, waker);
        (key, old)
    }

    pub(crate) fn unset_timer(&self, key: TimerKey) -> Option<Waker> {
        self.enter("a timer was unset").timers.remove(&key)
    }

    /// Moves the clock; gives the timers that are due by that.
    pub(crate) fn advance(&self, duration: Duration) -> Vec<Waker> {
        let mut state = self.enter("the clock was moved");
        let now = state.later(duration);
        state.move_clock(now)
    }

    /// Waits until nothing else can run. Gives what names the waiter.
    pub(crate) fn settle(&self, waker: Waker) -> u64 {
        let mut state = self.enter(SETTLE);
        state.settles += 1;
        let name = state.settles;
        state.settling.insert(name, waker);
        name
    }

    /// Whether this one waits still; with another waker from now on. Gives back the one that is not needed.
    pub(crate) fn still_settles(&self, name: u64, waker: Waker) -> (bool, Waker) {
        match self.enter(SETTLE).settling.get_mut(&name) {
            Some(old) => (true, std::mem::replace(old, waker)),
            None => (false, waker),
        }
    }

    pub(crate) fn unsettle(&self, name: u64) -> Option<Waker> {
        self.enter(SETTLE).settling.remove(&name)
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

    pub(crate) fn add_threads(&self, threads: KnownThreads) {
        let all = &mut self.lock().threads;
        all.retain(KnownThreads::is_alive);
        all.push(threads);
    }

    /// Takes the jobs that wait for a thread, to be dropped.
    pub(crate) fn take_queued(&self) -> Vec<Job> {
        let all: Vec<_> = self.lock().threads.iter().filter_map(KnownThreads::upgrade).collect();
        all.iter().flat_map(Threads::take_queue).collect()
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

    /// Names a unit after the task or job that core is just starting, as far as that can be told. A task is
    /// started when it is spawned, and so the youngest. A job may have waited for a place or a permit: then
    /// it is known only if no other job has no unit yet.
    pub(crate) fn label(&self, id: UnitId, kind: UnitKind, watch: &LiveWatch) {
        let groups = watch.groups(&self.root);
        let mut state = self.lock();
        let all = groups.iter().flat_map(LiveGroup::tasks).map(|task| (task.info().id(), task));
        let unnamed = all.filter(|(id, task)| !task.is_body() && !state.named.contains(id));
        let found = match kind {
            UnitKind::Task => unnamed.max_by_key(|(id, _)| *id),
            _ => only(unnamed.filter(|(_, task)| !task.is_queued())),
        };
        if let Some((named, task)) = found {
            state.named.insert(named);
            state.trace.labels.insert(id, crate::report::label(task.info()));
        }
    }
}

fn only<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next();
    first.filter(|_| all.next().is_none())
}

thread_local! {
    static THIS_THREAD: ThreadId = thread::current().id();
}

fn thread_name() -> String {
    thread::current().name().map_or("without a name".to_owned(), |name| format!("'{name}'"))
}

const SETTLE: &str = "waiting for the rest to settle";

const WHY_NOT: &str = "outside the simulation: what other threads do comes at a time that no seed decides, and the run could not \
     be repeated. Let a job do it, or a thread started by `spawn_thread`";
