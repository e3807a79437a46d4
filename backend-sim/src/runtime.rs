//! `Sim`: the runtime value.

use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;

use anyscope_core::Job;

use crate::blocking::Threads;
use crate::scheduler::Shared;
use crate::state::Work;
use crate::thread::{Seat, with_watch};
use crate::trace::UnitKind;

/// The runtime of a [`Simulation`](crate::Simulation). Cheap to clone.
///
/// When the simulation is gone it is shut down: what is spawned after that is dropped, and its handle
/// says so (R1, R5).
#[derive(Clone)]
pub struct Sim {
    pub(crate) shared: Arc<Shared>,
    pub(crate) blocking: Threads,
}

impl Sim {
    /// A fault is decided here, so that it depends on the order of the jobs and not on that of their
    /// turns.
    ///
    /// `place` is dropped when the job has ended, or was refused.
    pub(crate) fn queue(&self, kind: UnitKind, job: Job, place: impl Send + 'static) {
        let panics = self.shared.lock().plan.job_panics();
        let seat = Seat::new(Box::new(move || {
            let _place = place;
            match panics {
                false => job.run(),
                true => job.run_after(|| resume_unwind(Box::new(FAULT))),
            }
        }));
        // What is refused is dropped here, where no lock is held.
        let unit = self.shared.add(kind, Work::Thread(seat)).ok();
        if let Some(unit) = unit.filter(|_| self.shared.labels) {
            with_watch(&self.shared, |watch| self.shared.label(unit, kind, watch));
        }
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim").field("elapsed", &self.elapsed()).finish_non_exhaustive()
    }
}

const FAULT: &str = "a job panics: a fault of the simulation";
