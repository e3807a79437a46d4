//! `Blocking`: jobs as units with threads of their own, no more of them at once than the bound (B2).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyscope_core::{Blocking, Job};

use crate::Sim;
use crate::trace::UnitKind;

impl Blocking for Sim {
    fn run_blocking(&self, job: Job) {
        let admitted = self.blocking.lock().admit(job);
        admitted.into_iter().for_each(|job| self.start_blocking(job));
    }

    fn with_blocking_threads(&self, threads: usize) -> Self {
        Self { blocking: Threads::new(threads), ..self.clone() }
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

struct State {
    bound: usize,
    in_use: usize,
    queue: VecDeque<Job>,
}

impl Threads {
    pub(crate) fn new(bound: usize) -> Self {
        let bound = bound.max(1);
        Self(Arc::new(Mutex::new(State { bound, in_use: 0, queue: VecDeque::new() })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Threads {
    fn default() -> Self {
        Self::new(64)
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
