//! Structured concurrency for any async runtime: nothing outlives its scope, even when futures are
//! dropped.
//!
//! Libraries depend on this crate without features, take a runtime as `R: Runtime` or as an
//! [`AnyRuntime`], and open groups on it. Applications enable the feature of their runtime and may
//! use the ambient functions ([`group()`], [`spawn_blocking`], [`sleep`], ...), which find the
//! runtime by [one rule](current_runtime).
//!
//! | feature | adds |
//! |---|---|
//! | `tokio` | `anyscope::tokio`: groups on a tokio runtime |
//! | `smol` | `anyscope::smol`: groups on smol's global executor or your own |
//! | `async-std` | `anyscope::async_std`: groups on async-std, which is discontinued |
//! | `miette` | errors of groups are `miette` diagnostics, each failure a related one |
//! | `process` | `anyscope::process`: jobs in worker processes, which can be killed |
//! | `signal` | `until_signal`: a program that Ctrl-C and SIGTERM stop gracefully |
//! | `serde` | errors of groups can be serialised as trees |
//!
//! There is no default feature, and a feature only adds names. What happens to the ambient functions
//! when several are enabled is part of [the rule](current_runtime).

#![forbid(unsafe_code)]

mod ambient;
mod default_runtime;
pub mod prelude;
mod run;
mod stop;

#[cfg(feature = "tokio")]
pub use anyscope_tokio as tokio;

#[cfg(feature = "smol")]
pub use anyscope_smol as smol;

#[cfg(feature = "async-std")]
pub use anyscope_async_std as async_std;

#[cfg(feature = "process")]
pub use anyscope_process as process;

pub use ambient::{
    group, group_of, move_on_after, move_on_at, scope, scope_of, sleep, spawn_blocking, spawn_cpu,
    timeout, timeout_at,
};
/// All of core; `scope` is the facade's own, which stands above.
#[doc(inline)]
pub use anyscope_core::*;
pub use default_runtime::{
    DefaultAlreadySet, NoRuntime, current_runtime, set_default_runtime, try_current_runtime,
};
pub use run::run;
pub use stop::{Ended, Reached, StopReason, Stopper};
#[cfg(all(feature = "signal", any(unix, windows)))]
pub use stop::{signals, until_signal};

/// The examples of the README and of the guides are tests of this crate.
#[cfg(all(
    doctest,
    feature = "tokio",
    feature = "smol",
    feature = "async-std",
    feature = "process",
    feature = "signal"
))]
mod documents {
    #[doc = include_str!("../../README.md")]
    struct Readme;

    #[doc = include_str!("../../docs/from-asyncio.md")]
    struct FromAsyncio;

    #[doc = include_str!("../../docs/from-joinset.md")]
    struct FromJoinset;
}
