//! `CpuPool`: jobs on the shared CPU pool.

use anyscope_core::{CpuPool, Job};

use crate::AsyncStd;

impl CpuPool for AsyncStd {
    fn run_cpu(&self, job: Job) {
        anyscope_cpu_pool::spawn(move || job.run());
    }
}
