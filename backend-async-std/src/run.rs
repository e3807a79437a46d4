//! `run`: a main future on the global executor.

use std::future::Future;

use anyscope_core::root_future;

use crate::AsyncStd;

/// Runs a future on this thread, its tasks on async-std's global executor, and gives its value, after
/// all that was opened in it has ended (G2).
///
/// # Panics
///
/// Inside a task, where blocking the thread would stop it; and with the panic of `main`.
///
/// # Examples
///
/// ```
/// assert_eq!(anyscope_async_std::run(async { 7 }), 7);
/// ```
#[track_caller]
pub fn run<F: Future>(main: F) -> F::Output {
    async_std::task::block_on(root_future(&AsyncStd::global(), main))
}
