//! `Blocking`: jobs on smol's blocking threads.

use anyscope_core::{Blocking, Job};

use crate::Smol;

impl Blocking for Smol {
    fn run_blocking(&self, job: Job) {
        smol::unblock(move || job.run()).detach();
    }
}
