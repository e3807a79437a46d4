//! `CpuPool`: running computations on a bounded pool of their own.

use crate::job::Job;

/// Runs computations on a pool that is bounded by the number of cores and apart from the async and
/// the blocking threads, so that timers stay on time while it is saturated (U1).
///
/// # Implementing
///
/// As for [`Blocking`](crate::Blocking); in addition data-parallel work that a job starts must run
/// on the same pool without a deadlock (U2).
pub trait CpuPool {
    /// Queues a job; call [`Job::run`] on a thread of the pool.
    fn run_cpu(&self, job: Job);
}
