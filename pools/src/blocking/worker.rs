//! A worker: the right to one thread of the pool, and how it is handed over.

use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyscope_core::Job;

use crate::blocking::queue::Shared;

/// One thread's worth of a pool, on its way to a thread. Dropping it unrun says that the native
/// runtime is shut down: the jobs in the queue are dropped.
#[must_use = "dropping a worker drops the jobs in the queue"]
pub struct Worker {
    /// Shared with whoever asks for the thread, until he knows that it comes. Whoever takes it runs it, or
    /// gives it up; locked for that alone.
    place: Arc<Mutex<Option<Place>>>,
}

impl Worker {
    pub(crate) fn new(place: Place) -> Self {
        Self { place: Arc::new(Mutex::new(Some(place))) }
    }

    /// The same worker, for whoever sees whether a thread comes for it.
    pub(crate) fn share(&self) -> Self {
        Self { place: self.place.clone() }
    }

    /// Runs jobs on this thread until there are none. After one that took long the thread is given
    /// back and another asked for: so others who use the runtime's threads have their turn, and a
    /// runtime that is being shut down can refuse the rest.
    pub fn run(self) {
        self.take().into_iter().for_each(Place::run);
    }

    /// Runs jobs on this thread until there have been none for so long.
    pub(crate) fn run_until_idle_for(self, keep_alive: Duration) {
        self.take().into_iter().for_each(|place| place.run_until_idle_for(keep_alive));
    }

    /// There was no thread for it.
    pub(crate) fn give_up(self) {
        self.take().into_iter().for_each(Place::give_up);
    }

    fn take(&self) -> Option<Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}

/// A worker's place among those that the bound allows.
pub(crate) struct Place {
    /// `None` once it has been given back.
    shared: Option<Arc<Shared>>,
    /// Its worker was called and has not come yet.
    called: bool,
}

impl Place {
    pub(crate) fn called(shared: Arc<Shared>) -> Self {
        Self { shared: Some(shared), called: true }
    }

    fn run(mut self) {
        while let Some(job) = self.next(None) {
            let begun = Instant::now();
            job.run();
            if begun.elapsed() >= LONG {
                return self.start_again();
            }
        }
    }

    fn run_until_idle_for(mut self, keep_alive: Duration) {
        while let Some(job) = self.next(Some(keep_alive)) {
            job.run();
        }
    }

    fn start_again(self) {
        if let Some(shared) = self.shared.clone() {
            shared.start(self);
        }
    }

    /// The next job. `None` if there is none, and then the place has been given back.
    fn next(&mut self, keep_alive: Option<Duration>) -> Option<Job> {
        let job = self.shared.as_ref()?.next(&mut self.called, keep_alive);
        if job.is_none() {
            self.shared = None;
        }
        job
    }

    /// The others go on; without any, nobody would ever run the jobs.
    fn give_up(mut self) {
        self.leave(|workers| workers == 0);
    }

    /// Gives it back, and drops the jobs if `is_over`, told how many workers are left.
    fn leave(&mut self, is_over: impl FnOnce(usize) -> bool) {
        let Some(shared) = self.shared.take() else {
            return;
        };
        let (jobs, call) = {
            let mut state = shared.lock();
            state.workers -= 1;
            if self.called {
                state.called = false;
            }
            let is_over = is_over(state.workers);
            let jobs = if is_over { mem::take(&mut state.jobs) } else { Default::default() };
            (jobs, state.call_idle())
        };
        drop(jobs);
        shared.carry_out(call);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave(|_| true);
    }
}

/// After a job of this length the way back through the native pool costs nothing to speak of.
const LONG: Duration = Duration::from_millis(1);
