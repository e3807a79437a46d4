//! `Sim`: the runtime value.

use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;

use anyscope_core::Job;

use crate::scheduler::{Shared, Work};
use crate::thread::{Seat, SimThread, with_watch};
use crate::trace::UnitKind;

/// The runtime of a [`Simulation`](crate::Simulation). Cheap to clone.
///
/// When the simulation is gone it is shut down: what is spawned after that is dropped, and its handle
/// says so (R1, R5).
#[derive(Clone)]
pub struct Sim {
    pub(crate) shared: Arc<Shared>,
}

impl Sim {
    /// Starts a thread that takes its turns with the tasks: it runs only when it is chosen, and gives the
    /// turn back where it blocks by [`block_until`](crate::block_until), and at its end. For code under test
    /// that uses threads of its own.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicBool, Ordering};
    ///
    /// let done = anyscope_sim::run(1, async |rt| {
    ///     let flag = Arc::new(AtomicBool::new(false));
    ///     let seen = flag.clone();
    ///     let thread = rt.spawn_thread(move || {
    ///         anyscope_sim::block_until(|| seen.load(Ordering::SeqCst));
    ///         7
    ///     });
    ///     flag.store(true, Ordering::SeqCst);
    ///     thread.join().unwrap()
    /// });
    /// assert_eq!(done, 7);
    /// ```
    pub fn spawn_thread<T: Send + 'static>(
        &self,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> SimThread<T> {
        let (thread, work) = SimThread::new(f);
        let seat = Seat::new(work);
        // A thread is refused by nobody.
        let _ = self.shared.add(UnitKind::Thread, Work::Thread(seat));
        thread
    }

    /// A fault is decided here, so that it depends on the order of the jobs and not on that of their
    /// turns.
    pub(crate) fn queue(&self, kind: UnitKind, job: Job) {
        let panics = self.shared.lock().plan.job_panics();
        let seat = Seat::new(Box::new(move || match panics {
            false => job.run(),
            true => job.run_after(|| resume_unwind(Box::new(FAULT))),
        }));
        // What is refused is dropped here, where no lock is held.
        let unit = self.shared.add(kind, Work::Thread(seat)).ok();
        if let Some(unit) = unit.filter(|_| self.shared.labels) {
            with_watch(&self.shared, |watch| self.shared.label(unit, watch));
        }
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim").field("elapsed", &self.elapsed()).finish_non_exhaustive()
    }
}

const FAULT: &str = "a job panics: a fault of the simulation";
