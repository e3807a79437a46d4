//! `CpuPool`: jobs on the shared CPU pool, in tokio's context (X3).

use anyscope_core::{CpuPool, Job};

use crate::Tokio;

impl CpuPool for Tokio {
    fn run_cpu(&self, job: Job) {
        let handle = self.handle.clone();
        anyscope_pools::cpu::spawn(move || {
            let _context = handle.enter();
            job.run();
        });
    }
}
