//! The queue of a pool, and who is called to look into it.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use anyscope_core::Job;

use crate::worker::Worker;

/// Asks for a thread that runs the worker.
pub(crate) type Start = Arc<dyn Fn(Worker) + Send + Sync>;

pub(crate) struct Shared {
    /// The bound; at least one, because with none nothing would ever run.
    pub(crate) threads: usize,
    pub(crate) start: Start,
    /// No job runs, is dropped, and no thread is started under it.
    state: Mutex<State>,
    /// For those who are idle.
    pub(crate) work: Condvar,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) jobs: VecDeque<Job>,
    /// Threads that run jobs, are idle, or are on their way. Never more than the bound.
    pub(crate) workers: usize,
    /// How many of them wait for a job.
    pub(crate) idle: usize,
    /// One of them has been called and has not come yet. It will look into the queue, and call the
    /// next one if there is still more to do; so nobody else has to be called until then.
    pub(crate) called: bool,
}

/// Who is to be called, once the lock is released.
#[must_use]
pub(crate) enum Call {
    Nobody,
    Idle,
    New,
}

impl Shared {
    pub(crate) fn new(threads: usize, start: Start) -> Arc<Self> {
        Arc::new(Self {
            threads: threads.max(1),
            start,
            state: Mutex::default(),
            work: Condvar::new(),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn submit(self: &Arc<Self>, job: Job) {
        let call = {
            let mut state = self.lock();
            state.jobs.push_back(job);
            state.call(self.threads)
        };
        self.carry_out(call);
    }

    pub(crate) fn carry_out(self: &Arc<Self>, call: Call) {
        match call {
            Call::Nobody => {}
            Call::Idle => self.work.notify_one(),
            Call::New => self.start(Worker::called(self.clone())),
        }
    }

    /// A native runtime may panic if it gets no thread: the worker is dropped then, as by one that is
    /// shut down.
    pub(crate) fn start(&self, worker: Worker) {
        let _ = catch_unwind(AssertUnwindSafe(|| (self.start)(worker)));
    }
}

impl State {
    /// Decides who is called, if anybody must be.
    pub(crate) fn call(&mut self, bound: usize) -> Call {
        if self.called || self.jobs.is_empty() {
            return Call::Nobody;
        }
        if self.idle > 0 {
            self.called = true;
            return Call::Idle;
        }
        if self.workers >= bound {
            return Call::Nobody;
        }
        self.called = true;
        self.workers += 1;
        Call::New
    }
}
