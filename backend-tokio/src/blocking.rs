//! `Blocking`: jobs on tokio's blocking threads, which have its context (X3), as many as the pool allows.

use anyscope_core::{Blocking, Job, Root};
use anyscope_pools::{BlockingPool, DEFAULT_THREADS};
use tokio::runtime::Handle;

use crate::Tokio;

impl Blocking for Tokio {
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
pub(crate) fn shared_pool(handle: &Handle, root: &Root) -> BlockingPool {
    root.shared(|| {
        let (threads, tasks) = (handle.clone(), handle.clone());
        BlockingPool::on(
            DEFAULT_THREADS,
            move |worker| drop(threads.spawn_blocking(move || worker.run())),
            // A runtime that is shut down drops it, also while none of its blocking threads is free.
            move |watch| drop(tasks.spawn(watch)),
        )
    })
}
