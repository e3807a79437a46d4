//! `CpuPool`: jobs on the shared CPU pool.

use anyscope_core::{CpuPool, Job};

use crate::AsyncStd;

impl CpuPool for AsyncStd {
    fn run_cpu(&self, job: Job) {
        anyscope_pools::cpu::spawn(move || job.run());
    }
}
