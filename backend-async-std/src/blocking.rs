//! `Blocking`: jobs on threads of our own, as many as the pool allows. The crate `blocking`, which async-std
//! uses, has one pool for the process and does not end idle threads.

use anyscope_core::{Blocking, Job, Root};
use anyscope_pools::{BlockingPool, DEFAULT_THREADS};

use crate::AsyncStd;

impl Blocking for AsyncStd {
    fn run_blocking(&self, job: Job) {
        self.blocking.run(job);
    }

    fn with_blocking_threads(&self, threads: usize) -> Self {
        let mut value = self.clone();
        value.blocking = self.blocking.with_threads(threads);
        value
    }
}

/// The pool that all values of this runtime share, unless they are given another.
pub(crate) fn shared_pool(root: &Root) -> BlockingPool {
    root.shared(|| BlockingPool::new(DEFAULT_THREADS))
}
