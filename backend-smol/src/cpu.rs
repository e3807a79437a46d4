//! `CpuPool`: jobs on the shared CPU pool.

use anyscope_core::{CpuPool, Job};

use crate::Smol;

impl CpuPool for Smol {
    fn run_cpu(&self, job: Job) {
        anyscope_cpu_pool::spawn(move || job.run());
    }
}
