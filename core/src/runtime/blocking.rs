//! `Blocking`: running closures that block, off the async threads.

use crate::job::{Job, park_until};

/// Runs jobs that block: file access, DNS, locks, synchronous libraries.
///
/// # Implementing
///
/// - A job runs on a thread that polls no futures (B1), with the native runtime's context (X3).
/// - No more jobs run at once than the bound says; the others queue (B2). A thread that has been idle
///   for some seconds goes away. The crate `anyscope-pools` has one that does both.
/// - A job that will never run, because the runtime is shut down, is dropped: that says so to
///   whoever waits for it.
/// - `run_blocking` returns at once and does not panic.
pub trait Blocking {
    /// Queues a job; call [`Job::run`] on a thread of the pool.
    fn run_blocking(&self, job: Job);

    /// The same runtime with blocking threads of its own, at most so many and at least one: its clones
    /// share them. Without this all values of a runtime share 64 (B2).
    ///
    /// It keeps one kind of blocking work, say of a library, from taking all threads.
    ///
    /// # Examples
    ///
    /// ```
    /// use anyscope_core::{Group, GroupError, Runtime};
    ///
    /// async fn resolve_all<R: Runtime>(rt: &R, hosts: Vec<String>) -> Result<(), GroupError> {
    ///     let few = rt.with_blocking_threads(4);
    ///     few.group(async |g| {
    ///         for host in hosts {
    ///             g.spawn_blocking(move || println!("resolving {host}"));
    ///         }
    ///         Ok(())
    ///     })
    ///     .await
    /// }
    /// ```
    #[must_use = "it gives another value"]
    fn with_blocking_threads(&self, threads: usize) -> Self
    where
        Self: Sized;

    /// Blocks the thread of a job until `condition` holds: what [`block_on`](crate::block_on()) waits with
    /// (B5). Whoever makes it hold unparks the thread afterwards.
    ///
    /// # Implementing
    ///
    /// The default parks the thread. A runtime that decides itself when threads run, as a simulated one,
    /// lets others run meanwhile; `condition` may be asked at any time and has no effects. It may return
    /// before it holds only where it never will, because the runtime is gone: the job is told so (R1).
    fn block_until(&self, condition: &mut dyn FnMut() -> bool) {
        park_until(condition);
    }
}
