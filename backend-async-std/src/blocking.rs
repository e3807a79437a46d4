//! `Blocking`: jobs on async-std's blocking threads.

use anyscope_core::{Blocking, Job};

use crate::AsyncStd;

impl Blocking for AsyncStd {
    fn run_blocking(&self, job: Job) {
        drop(async_std::task::spawn_blocking(move || job.run()));
    }
}
