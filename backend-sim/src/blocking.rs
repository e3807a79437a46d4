//! `Blocking`: jobs as units with threads of their own.

use anyscope_core::{Blocking, Job};

use crate::Sim;
use crate::trace::UnitKind;

impl Blocking for Sim {
    fn run_blocking(&self, job: Job) {
        self.queue(UnitKind::BlockingJob, job);
    }

    /// Each job is a step of its own, and is never waited for by others: there is no bound to change.
    fn with_blocking_threads(&self, _: usize) -> Self {
        self.clone()
    }
}
