//! One case on each enabled backend.

use crate::bounded::bounded;

/// Runs `case` by the `run` of each enabled backend.
pub(crate) fn on_each(case: impl AsyncFn() + Copy + Send + 'static) {
    #[cfg(feature = "tokio")]
    bounded("tokio", move || anyscope::tokio::run(case()));
    #[cfg(feature = "smol")]
    bounded("smol", move || anyscope::smol::run(case()));
    #[cfg(feature = "async-std")]
    bounded("async-std", move || anyscope::async_std::run(case()));
}
