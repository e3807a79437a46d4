//! A test on each of the real runtimes.

use std::future::Future;

use anyscope_core::{AnyRuntime, Runtime};

use crate::testing::bounded::{Report, bounded};
use crate::testing::{Options, TestOutcome};

/// The test in a backend's `run`, which waits for all groups that were opened in it; here it waits for
/// what was left to the runtime as well.
async fn with_nothing_left<R, F>(
    rt: R,
    report: Report,
    test: impl FnOnce(AnyRuntime) -> F,
) -> F::Output
where
    R: Runtime,
    F: Future,
{
    report.about(rt.root());
    let outcome = test(AnyRuntime::new(rt.clone())).await;
    rt.drained().await;
    outcome
}

/// Runs a test on a multi-thread tokio runtime of its own.
///
/// # Panics
///
/// If it fails, or is not done within the limit.
#[cfg(feature = "tokio")]
pub fn on_tokio<F>(options: Options, test: impl FnOnce(AnyRuntime) -> F + Send + 'static)
where
    F: Future<Output: TestOutcome>,
{
    bounded(options.limit, "tokio", move |report| {
        anyscope_tokio::run(async { with_nothing_left(tokio(), report, test).await })
            .assert_passed();
    });
}

/// Runs a test on a current-thread tokio runtime of its own.
///
/// # Panics
///
/// If it fails, or is not done within the limit.
#[cfg(feature = "tokio")]
pub fn on_tokio_current_thread<F>(
    options: Options,
    test: impl FnOnce(AnyRuntime) -> F + Send + 'static,
) where
    F: Future<Output: TestOutcome>,
{
    bounded(options.limit, "tokio's current-thread runtime", move |report| {
        anyscope_tokio::run_on_current_thread(async {
            with_nothing_left(tokio(), report, test).await
        })
        .assert_passed();
    });
}

#[cfg(feature = "tokio")]
fn tokio() -> anyscope_tokio::Tokio {
    anyscope_tokio::Tokio::current().expect("called inside `run`")
}

/// Runs a test on smol's global executor.
///
/// # Panics
///
/// If it fails, or is not done within the limit.
#[cfg(feature = "smol")]
pub fn on_smol<F>(options: Options, test: impl FnOnce(AnyRuntime) -> F + Send + 'static)
where
    F: Future<Output: TestOutcome>,
{
    bounded(options.limit, "smol", move |report| {
        anyscope_smol::run(with_nothing_left(anyscope_smol::Smol::global(), report, test))
            .assert_passed();
    });
}

/// Runs a test on async-std.
///
/// # Panics
///
/// If it fails, or is not done within the limit.
#[cfg(feature = "async-std")]
pub fn on_async_std<F>(options: Options, test: impl FnOnce(AnyRuntime) -> F + Send + 'static)
where
    F: Future<Output: TestOutcome>,
{
    bounded(options.limit, "async-std", move |report| {
        let rt = anyscope_async_std::AsyncStd::global();
        anyscope_async_std::run(with_nothing_left(rt, report, test)).assert_passed();
    });
}
