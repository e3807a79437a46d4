//! `Blocking`: jobs as units with threads of their own, no more of them at once than the bound (B2).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use anyscope_core::{Blocking, Job};

use crate::Sim;
use crate::scheduler::Shared;
use crate::trace::UnitKind;

impl Blocking for Sim {
    fn run_blocking(&self, job: Job) {
        if self.shared.enter("a job was queued").is_shut_down {
            return drop(job);
        }
        let admitted = self.blocking.lock().admit(job);
        admitted.into_iter().for_each(|job| self.start_blocking(job));
    }

    fn with_blocking_threads(&self, threads: usize) -> Self {
        Self { blocking: Threads::of(&self.shared, threads), ..self.clone() }
    }

    fn block_until(&self, condition: &mut dyn FnMut() -> bool) {
        crate::block_until(condition);
    }
}

impl Sim {
    fn start_blocking(&self, job: Job) {
        let thread = InUse(self.clone());
        self.queue(UnitKind::BlockingJob, job, thread);
    }
}

/// The blocking threads of a value and its clones. No job is started or dropped under the lock.
#[derive(Clone)]
pub(crate) struct Threads(Arc<Mutex<State>>);

/// The same as the simulation knows them, which does not keep them.
pub(crate) struct KnownThreads(Weak<Mutex<State>>);

struct State {
    bound: usize,
    in_use: usize,
    queue: VecDeque<Job>,
}

impl Threads {
    /// So many threads, which the simulation knows of.
    pub(crate) fn of(shared: &Shared, bound: usize) -> Self {
        let bound = bound.max(1);
        let state = State { bound, in_use: 0, queue: VecDeque::new() };
        let threads = Self(Arc::new(Mutex::new(state)));
        shared.add_threads(KnownThreads(Arc::downgrade(&threads.0)));
        threads
    }

    /// Takes the jobs that wait for a thread.
    pub(crate) fn take_queue(&self) -> VecDeque<Job> {
        std::mem::take(&mut self.lock().queue)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KnownThreads {
    pub(crate) fn is_alive(&self) -> bool {
        self.0.strong_count() > 0
    }

    pub(crate) fn upgrade(&self) -> Option<Threads> {
        self.0.upgrade().map(Threads)
    }
}

impl State {
    fn admit(&mut self, job: Job) -> Option<Job> {
        if self.in_use == self.bound {
            self.queue.push_back(job);
            return None;
        }
        self.in_use += 1;
        Some(job)
    }
}

/// A thread that is in use, until its job has ended; then it goes to the next one.
struct InUse(Sim);

impl Drop for InUse {
    fn drop(&mut self) {
        let Self(sim) = self;
        let is_shut_down = sim.shared.lock().is_shut_down;
        let mut state = sim.blocking.lock();
        if is_shut_down {
            let never = std::mem::take(&mut state.queue);
            state.in_use -= 1;
            drop(state);
            drop(never);
            return;
        }
        match state.queue.pop_front() {
            None => state.in_use -= 1,
            Some(job) => {
                drop(state);
                sim.start_blocking(job);
            }
        }
    }
}

/// How many threads a simulation has for its own value.
pub(crate) const THREADS: usize = 64;
