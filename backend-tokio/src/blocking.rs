//! `Blocking`: jobs on tokio's blocking threads, which have its context (X3).

use anyscope_core::{Blocking, Job};

use crate::Tokio;

impl Blocking for Tokio {
    fn run_blocking(&self, job: Job) {
        drop(self.handle.spawn_blocking(move || job.run()));
    }
}
