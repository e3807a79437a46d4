//! Blocking threads with a bound, and a queue behind them (B2).
//!
//! A [`BlockingPool`] uses threads of its own, which go away when they are idle, or those of a native
//! runtime, which have its context. Either way it is the pool that bounds them and keeps the queue,
//! so that each runtime value may have a bound of its own.

mod linger;
mod queue;
mod threads;
mod watch;
mod worker;

use std::fmt;
use std::sync::Arc;

use anyscope_core::Job;

use crate::blocking::queue::{Shared, Threads};
use crate::blocking::threads::start_thread;
pub use crate::blocking::watch::Watch;
pub use crate::blocking::worker::Worker;

/// How many threads a pool uses unless it is told otherwise.
pub const DEFAULT_THREADS: usize = 64;

/// Runs jobs on a bounded number of threads, in the order in which they came (B2). Cheap to clone;
/// clones share threads and queue.
///
/// A thread is called when there is a job and none is free, at most one at a time: whoever arrives
/// calls the next if there is more to do. So a burst of short jobs wakes few threads, and a job that
/// blocks keeps nobody waiting while the bound allows another thread.
///
/// One thread that has no job left stays awake for some tens of microseconds, so that a caller who
/// awaits one job after the other wakes none.
#[derive(Clone)]
pub struct BlockingPool {
    shared: Arc<Shared>,
}

impl BlockingPool {
    /// A pool on threads of its own. One that has been idle for five seconds goes away.
    ///
    /// # Examples
    ///
    /// ```
    /// use anyscope_pools::{BlockingPool, DEFAULT_THREADS};
    ///
    /// let pool = BlockingPool::new(DEFAULT_THREADS);
    /// assert_eq!(pool.threads(), 64);
    /// ```
    pub fn new(threads: usize) -> Self {
        Self {
            shared: Shared::new(threads, Threads { start: Arc::new(start_thread), watch: None }),
        }
    }

    /// A pool on the threads of a native runtime: `start` has to call [`Worker::run`] on one of
    /// them, soon, or to drop the worker where the runtime is shut down; then the jobs that are in
    /// the queue are dropped too, after `start` has returned.
    ///
    /// A panic of `start` says that there is no thread for the worker, whatever became of that. The jobs
    /// are left to the other workers then, and dropped if there are none.
    ///
    /// That alone does not answer jobs that wait while all threads are busy: nobody asks for one then. So
    /// `watch` is called with the first job, and has to leave the [`Watch`] with the runtime as a task. It
    /// must not panic.
    pub fn on(
        threads: usize,
        start: impl Fn(Worker) + Send + Sync + 'static,
        watch: impl Fn(Watch) + Send + Sync + 'static,
    ) -> Self {
        let start = move |worker| {
            start(worker);
            true
        };
        let native = Threads { start: Arc::new(start), watch: Some(Arc::new(watch)) };
        Self { shared: Shared::new(threads, native) }
    }

    /// Another pool on threads of the same kind, with a bound and a queue of its own.
    pub fn with_threads(&self, threads: usize) -> Self {
        Self { shared: Shared::new(threads, self.shared.threads.clone()) }
    }

    /// How many threads it uses at most.
    pub fn threads(&self) -> usize {
        self.shared.bound
    }

    /// Queues a job. Returns at once and does not panic.
    pub fn run(&self, job: Job) {
        self.shared.submit(job);
    }
}

impl fmt::Debug for BlockingPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingPool").field("threads", &self.threads()).finish_non_exhaustive()
    }
}
