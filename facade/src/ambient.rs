//! The ambient functions: groups, jobs and timers on the current runtime.

use std::future::Future;
use std::time::Duration;

use anyscope_core::{
    AnyRuntime, AsDynError, BoxError, Elapsed, Group, GroupFuture, GroupHandle, TaskHandle, Timer,
};
use cfg_if::cfg_if;

use crate::default_runtime::current_runtime;

/// Runs a future on the one enabled backend, and gives its value after all that was opened in it
/// has ended (G2).
///
/// With several backends enabled there is no telling which is meant: call the `run` of one, as
/// `anyscope::tokio::run`.
///
/// # Panics
///
/// Inside a running task or a tokio runtime; if not exactly one backend is enabled; and with the
/// panic of `main`.
pub fn run<F: Future>(main: F) -> F::Output {
    cfg_if! {
        if #[cfg(all(feature = "tokio", not(feature = "smol"), not(feature = "async-std")))] {
            anyscope_tokio::run(main)
        } else if #[cfg(all(feature = "smol", not(feature = "tokio"), not(feature = "async-std")))] {
            anyscope_smol::run(main)
        } else if #[cfg(all(feature = "async-std", not(feature = "tokio"), not(feature = "smol")))] {
            anyscope_async_std::run(main)
        } else if #[cfg(any(feature = "tokio", feature = "smol", feature = "async-std"))] {
            drop(main);
            panic!("anyscope has several backends enabled and `run` cannot choose: call the one that \
                    is meant, as `anyscope::tokio::run`")
        } else {
            drop(main);
            panic!("anyscope has no backend: enable one of its features `tokio`, `smol` and `async-std`")
        }
    }
}

/// Opens a group on the [current runtime](current_runtime), which is looked for at the first poll.
/// Its error type is [`BoxError`], so that `?` takes any error; otherwise it is
/// [`Group::group`].
///
/// # Errors
///
/// See [`Group::group`].
///
/// # Panics
///
/// If there is no current runtime; and see [`Group::group`].
///
/// # Cancel safety
///
/// See [`Group::group`].
///
/// # Examples
///
/// ```
/// use anyscope::prelude::*;
///
/// async fn both() -> Result<i32, GroupError> {
///     group(async |g| {
///         let a = g.spawn(async { Ok("1".parse::<i32>()?) });
///         let b = g.spawn_blocking(|| 2);
///         Ok(a.await? + b.await?)
///     })
///     .await
/// }
/// ```
#[track_caller]
pub fn group<B, F, T>(body: B) -> GroupFuture<AnyRuntime, BoxError, B, F, T>
where
    B: FnOnce(GroupHandle<BoxError, AnyRuntime>) -> F,
    F: Future<Output = Result<T, BoxError>>,
{
    group_of(body)
}

/// Like [`group()`], with an error type of your own.
#[track_caller]
pub fn group_of<E, B, F, T>(body: B) -> GroupFuture<AnyRuntime, E, B, F, T>
where
    E: AsDynError,
    B: FnOnce(GroupHandle<E, AnyRuntime>) -> F,
    F: Future<Output = Result<T, E>>,
{
    GroupFuture::with_late_runtime(current_runtime, body)
}

/// Runs a closure that blocks on the blocking pool of the [current runtime](current_runtime):
/// [`Group::spawn_blocking`].
///
/// # Panics
///
/// If there is no current runtime.
#[track_caller]
pub fn spawn_blocking<C, T>(job: C) -> TaskHandle<T>
where
    C: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    current_runtime().spawn_blocking(job)
}

/// Runs a computation on the CPU pool: [`Group::spawn_cpu`].
///
/// # Panics
///
/// If there is no [current runtime](current_runtime).
#[track_caller]
pub fn spawn_cpu<C, T>(job: C) -> TaskHandle<T>
where
    C: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    current_runtime().spawn_cpu(job)
}

/// Waits for `duration` on the timer of the [current runtime](current_runtime) (R4). The time begins
/// at the first poll.
///
/// # Panics
///
/// When polled, if there is no current runtime.
///
/// # Cancel safety
///
/// Nothing is lost if it is dropped.
pub async fn sleep(duration: Duration) {
    current_runtime().sleep(duration).await;
}

/// The value of `future`, or [`Elapsed`] if it is not ready in time: [`Timer::timeout`]. The time
/// begins at the first poll.
///
/// # Errors
///
/// [`Elapsed`], if the time was up.
///
/// # Panics
///
/// When polled, if there is no [current runtime](current_runtime).
///
/// # Cancel safety
///
/// Dropping it drops `future`.
pub async fn timeout<F: Future>(duration: Duration, future: F) -> Result<F::Output, Elapsed> {
    current_runtime().timeout(duration, future).await
}
