//! A test on the simulated runtime, under many seeds.

use std::future::Future;

use anyscope_core::AnyRuntime;
use anyscope_sim::Check;

use crate::testing::bounded::bounded;
use crate::testing::{Options, TestOutcome};

/// Runs a test under many seeds. With the environment variable `ANYSCOPE_SEED`, under that one alone.
///
/// # Panics
///
/// If it fails under one of them, with the seed and the schedule; or if all together are not done
/// within the limit.
pub fn on_sim<F>(options: Options, test: impl Fn(AnyRuntime) -> F + Send + 'static)
where
    F: Future<Output: TestOutcome>,
{
    bounded(options.limit, "the simulated runtime", move |_| {
        Check::new().seeds(options.seeds).run(|rt| {
            let test = test(AnyRuntime::new(rt));
            async { test.await.assert_passed() }
        });
    });
}
