//! `Spawner`: starting a future.

use std::future::Future;
use std::task::{Context, Poll};

use crate::runtime::Root;

/// Starts futures.
///
/// # Using
///
/// Applications and libraries open a [group](crate::Group) and spawn into it; `start` is the
/// primitive underneath, without any of the guarantees of a group.
///
/// # Implementing
///
/// Core decides results, panics, ends and causes in its own future, and cancels by waking it; so
/// what is asked for here is little:
///
/// - A started future is polled until it is ready, or dropped when the runtime is shut down (R1).
///   Each wake-up, from whatever thread, leads to a poll, also one that comes during a poll. None
///   may be lost: cancellation is a wake-up (C1).
/// - A future started on a runtime that has been shut down is dropped, in `start` or later (R5).
/// - The handle resolves once the future is gone, to its output or to `None`. Not before.
/// - Neither `start` nor the handle may panic.
/// - Futures that core starts never panic, neither when polled nor when dropped; nor do their
///   outputs when dropped.
/// - A value of the type must not keep a user's executor alive (R1).
pub trait Spawner: Clone + Send + Sync + 'static {
    /// The runtime's own handle of a started future.
    type Handle<T: Send + 'static>: NativeHandle<T>;

    /// Starts a future and gives the native handle.
    fn start<F>(&self, future: F) -> Self::Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    /// What counts the groups that were opened where no other encloses them (R6). All values made
    /// from one native runtime must give the same.
    fn root(&self) -> &Root;

    /// Runs `f` in the native runtime's context (X3). Core calls it where a poll or drop happens
    /// outside the runtime's own threads.
    fn within<T>(&self, f: impl FnOnce() -> T) -> T {
        f()
    }
}

/// A runtime's own handle of one started future.
///
/// # Implementing
///
/// Dropping it must leave the future running (T2).
pub trait NativeHandle<T>: Unpin + Send + Sync + 'static {
    /// The output once the future is gone, `None` if it was dropped by the runtime. Not called
    /// again after it was ready.
    fn poll_join(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>>;
}
