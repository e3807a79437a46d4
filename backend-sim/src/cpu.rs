//! `CpuPool`: jobs as units with threads of their own.

use anyscope_core::{CpuPool, Job};

use crate::Sim;
use crate::trace::UnitKind;

impl CpuPool for Sim {
    fn run_cpu(&self, job: Job) {
        self.queue(UnitKind::CpuJob, job, ());
    }
}
