//! `run`: a main future on a runtime of its own.

use std::future::Future;

use anyscope_core::root_future;
use tokio::runtime::{Builder, Handle};

use crate::Tokio;

/// Runs a future on a new multi-thread runtime and gives its value, after all that was opened in it
/// has ended (G2). Detached tasks are dropped then, as tokio does.
///
/// # Panics
///
/// Inside a tokio runtime or a task, where blocking the thread would stop it; if the operating
/// system gives no threads; and with the panic of `main`.
///
/// # Examples
///
/// ```
/// assert_eq!(anyscope_tokio::run(async { 7 }), 7);
/// ```
#[track_caller]
pub fn run<F: Future>(main: F) -> F::Output {
    run_on(Builder::new_multi_thread(), main)
}

/// Like [`run`], on a new current-thread runtime: the future and all tasks run on this thread.
///
/// # Panics
///
/// As [`run`].
///
/// # Examples
///
/// ```
/// assert_eq!(anyscope_tokio::run_on_current_thread(async { 7 }), 7);
/// ```
#[track_caller]
pub fn run_on_current_thread<F: Future>(main: F) -> F::Output {
    run_on(Builder::new_current_thread(), main)
}

#[track_caller]
fn run_on<F: Future>(mut runtime: Builder, main: F) -> F::Output {
    assert!(
        Handle::try_current().is_err(),
        "`run` was called inside a tokio runtime and would block its thread: await the future instead"
    );
    let runtime = runtime.enable_all().build();
    let runtime = runtime.expect("the operating system gives threads for the runtime");
    let tokio = Tokio::from_handle(runtime.handle().clone());
    runtime.block_on(root_future(&tokio, main))
}
