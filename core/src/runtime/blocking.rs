//! `Blocking`: running closures that block, off the async threads.

use crate::runtime::Job;

/// Runs jobs that block: file access, DNS, locks, synchronous libraries.
///
/// # Implementing
///
/// - A job runs on a thread that polls no futures (B1), with the native runtime's context (X3).
/// - A job that will never run, because the runtime is shut down, is dropped: that says so to
///   whoever waits for it.
/// - `run_blocking` returns at once and does not panic.
pub trait Blocking {
    /// Queues a job; call [`Job::run`] on a thread of the pool.
    fn run_blocking(&self, job: Job);
}
