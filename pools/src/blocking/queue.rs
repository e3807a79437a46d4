//! The queue of a pool, and who is called to look into it.

use std::collections::VecDeque;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use anyscope_core::Job;

use crate::blocking::linger::{self, Bell};
use crate::blocking::watch::Watch;
use crate::blocking::worker::{Place, Worker};

/// Where the threads come from.
#[derive(Clone)]
pub(crate) struct Threads {
    /// Asks for a thread that runs the worker. Whether one comes.
    pub(crate) start: Arc<dyn Fn(Worker) -> bool + Send + Sync>,
    /// Leaves a watch with the native runtime. `None` for threads that nobody shuts down.
    pub(crate) watch: Option<Arc<dyn Fn(Watch) + Send + Sync>>,
}

pub(crate) struct Shared {
    /// The bound; at least one, because with none nothing would ever run.
    pub(crate) bound: usize,
    pub(crate) threads: Threads,
    /// No job runs, is dropped, and no thread is started under it.
    state: Mutex<State>,
    /// For those who are idle.
    work: Condvar,
    /// For the one who lingers.
    bell: Bell,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) jobs: VecDeque<Job>,
    /// Threads that run jobs, are idle, or are on their way. Never more than the bound.
    pub(crate) workers: usize,
    /// How many of them wait for a job.
    pub(crate) idle: usize,
    /// One of them has been called and has not come yet, or lingers: the *lookout*. It will look into
    /// the queue, and call the next one if there is still more to do; so nobody else has to be called
    /// until then.
    pub(crate) called: bool,
    /// The native runtime has a watch, or is about to.
    is_watched: bool,
    /// By which that watch learns that the pool is gone.
    pub(crate) watch: Option<Waker>,
    /// Whatever comes is dropped, because the native runtime is shut down.
    is_shut_down: bool,
}

/// Who is to be called, once the lock is released.
#[must_use]
pub(crate) enum Call {
    Nobody,
    Idle,
    New,
}

impl Shared {
    pub(crate) fn new(bound: usize, threads: Threads) -> Arc<Self> {
        Arc::new(Self {
            bound: bound.max(1),
            threads,
            state: Mutex::default(),
            work: Condvar::new(),
            bell: Bell::default(),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn submit(self: &Arc<Self>, job: Job) {
        let mut state = self.lock();
        if state.is_shut_down {
            drop(state);
            return drop(job);
        }
        state.jobs.push_back(job);
        self.bell.ring();
        let call = state.call(self.bound);
        let was_watched = mem::replace(&mut state.is_watched, true);
        drop(state);
        self.carry_out(call);
        if !was_watched {
            self.leave_watch();
        }
    }

    fn leave_watch(self: &Arc<Self>) {
        let watch = self.threads.watch.as_ref();
        watch.into_iter().for_each(|watch| watch(Watch::new(Arc::downgrade(self))));
    }

    /// The native runtime is: nobody may come for the jobs.
    pub(crate) fn shut_down(&self) {
        let jobs = {
            let mut state = self.lock();
            state.is_shut_down = true;
            mem::take(&mut state.jobs)
        };
        drop(jobs);
    }

    /// The next job, for a worker who has come if it was `called`. `None` if there is none for as long
    /// as it may wait; then the worker's place has been given back.
    pub(crate) fn next(
        self: &Arc<Self>,
        called: &mut bool,
        keep_alive: Option<Duration>,
    ) -> Option<Job> {
        let mut state = self.lock();
        state.answer(called);
        if state.jobs.is_empty() {
            state = self.look_out(state, called);
        }
        let mut patience = keep_alive;
        while state.jobs.is_empty() {
            let Some(limit) = patience else {
                state.workers -= 1;
                return None;
            };
            let is_over;
            (state, is_over) = self.park(state, limit);
            // Whoever of the idle comes first answers the call, whether it was the one who was woken
            // or one whose time was up.
            state.called = false;
            patience = patience.filter(|_| !is_over);
        }
        let job = state.jobs.pop_front();
        let call = state.call(self.bound);
        drop(state);
        self.carry_out(call);
        job
    }

    /// Keeps this thread awake until there is a job, for a moment at most and if nobody else does. It
    /// counts as called meanwhile: whoever submits a job need not wake anybody.
    fn look_out<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        called: &mut bool,
    ) -> MutexGuard<'a, State> {
        if state.called || !linger::helps() {
            return state;
        }
        state.called = true;
        *called = true;
        self.bell.mute();
        drop(state);
        self.bell.linger();
        state = self.lock();
        state.answer(called);
        state
    }

    /// Waits to be woken, or until the time is up. Whether it is.
    fn park<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        limit: Duration,
    ) -> (MutexGuard<'a, State>, bool) {
        state.idle += 1;
        let woken = self.work.wait_timeout(state, limit);
        let (mut state, outcome) = woken.unwrap_or_else(PoisonError::into_inner);
        state.idle -= 1;
        (state, outcome.timed_out())
    }

    pub(crate) fn carry_out(self: &Arc<Self>, call: Call) {
        match call {
            Call::Nobody => {}
            Call::Idle => self.work.notify_one(),
            Call::New => self.start(Place::called(self.clone())),
        }
    }

    /// A native runtime that gets no thread may panic, and keep what it was given in a queue that nobody
    /// looks into: so the place is taken back then. One that is shut down drops the worker, maybe under a
    /// lock of its own: the jobs are dropped only here, with the last of the two.
    pub(crate) fn start(&self, place: Place) {
        let worker = Worker::new(place);
        let own = worker.share();
        let started = catch_unwind(AssertUnwindSafe(|| (self.threads.start)(worker)));
        if !started.unwrap_or(false) {
            own.give_up();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let watch = self.lock().watch.take();
        watch.into_iter().for_each(Waker::wake);
    }
}

impl State {
    /// The one who was called has come.
    fn answer(&mut self, called: &mut bool) {
        if mem::take(called) {
            self.called = false;
        }
    }

    /// In place of one who was called and does not come.
    pub(crate) fn call_idle(&mut self) -> Call {
        if self.called || self.jobs.is_empty() || self.idle == 0 {
            return Call::Nobody;
        }
        self.called = true;
        Call::Idle
    }

    /// Decides who is called, if anybody must be.
    fn call(&mut self, bound: usize) -> Call {
        if self.called || self.jobs.is_empty() {
            return Call::Nobody;
        }
        if self.idle > 0 {
            return self.call_idle();
        }
        if self.workers >= bound {
            return Call::Nobody;
        }
        self.called = true;
        self.workers += 1;
        Call::New
    }
}
