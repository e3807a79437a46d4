//! Tests that run on each enabled runtime and on the simulated one: what [`test`](macro@crate::test)
//! makes of a function calls into here.

// Only what runs on a real runtime is reported.
#[cfg_attr(
    not(any(feature = "tokio", feature = "smol", feature = "async-std")),
    expect(dead_code, reason = "without a backend there is only the simulated runtime")
)]
mod bounded;
mod macros;
#[cfg(any(feature = "tokio", feature = "smol", feature = "async-std"))]
mod runtimes;
mod simulated;

use std::fmt::Debug;
use std::time::Duration;

pub use anyscope_sim as sim;
#[cfg(feature = "async-std")]
pub use runtimes::on_async_std;
#[cfg(feature = "smol")]
pub use runtimes::on_smol;
#[cfg(feature = "tokio")]
pub use runtimes::{on_tokio, on_tokio_current_thread};
pub use simulated::on_sim;

/// How a test is run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    limit: Duration,
    seeds: u64,
}

impl Options {
    /// A minute on each runtime, a hundred seeds on the simulated one.
    pub const fn new() -> Self {
        Self { limit: Duration::from_secs(60), seeds: 100 }
    }

    /// How long the test may take on one runtime, all seeds together.
    pub const fn limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Under how many seeds it runs on the simulated runtime.
    pub const fn seeds(self, seeds: u64) -> Self {
        Self { seeds, ..self }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

/// What a test may return: nothing, or a `Result` whose error makes it fail.
pub trait TestOutcome {
    /// Panics if it is a failure.
    fn assert_passed(self);
}

impl TestOutcome for () {
    fn assert_passed(self) {}
}

impl<E: Debug> TestOutcome for Result<(), E> {
    fn assert_passed(self) {
        if let Err(error) = self {
            panic!("the test failed: {error:#?}");
        }
    }
}
