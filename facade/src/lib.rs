//! Structured concurrency for any async runtime: nothing outlives its scope, even when futures are
//! dropped. At the top it is `run` that waits; under a plain `#[tokio::main]` or `smol::block_on`, await
//! [`drained`](Group::drained).
//!
//! Libraries depend on this crate without features, take a runtime as `R: Runtime` or as an
//! [`AnyRuntime`], and open groups on it. Applications enable the feature of their runtime and may
//! use the ambient functions ([`group()`], [`spawn_blocking`], [`sleep`], ...), which find the
//! runtime by [one rule](current_runtime).
//!
//! What is promised is written as numbered rules (G1, C7, ...) in `docs/contract.md` of the
//! repository; the documentation cites them in parentheses.
//!
//! ```
//! use std::time::Duration;
//! use anyscope::prelude::*;
//!
//! # #[cfg(feature = "tokio")]
//! fn main() -> Result<(), GroupError> {
//!     anyscope::tokio::run(async {
//!         group(async |g| {
//!             let text = g.try_spawn_blocking(|| std::fs::read_to_string("Cargo.toml"));
//!             let sum = g.spawn_cpu(|| (1..=1_000_000_u64).sum::<u64>());
//!             let slow = g.spawn(async {
//!                 sleep(Duration::from_millis(1)).await;
//!                 Ok("1".parse::<u64>()?) // every error type fits: the ambient group's is `BoxError`
//!             });
//!             println!("{} {}", text.await?.len(), sum.await? + slow.await?);
//!             Ok(())
//!         })
//!         .deadline(Duration::from_secs(10))
//!         .await
//!     })
//! }
//! # #[cfg(not(feature = "tokio"))]
//! # fn main() {}
//! ```
//!
//! The first failure cancels the rest, and all have ended when the group returns.
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
//! | `test` | `anyscope::test`: one test for each enabled runtime, and for the simulated one |
//!
//! Import the [`prelude`] or single names, and not `anyscope::*`: that has modules named `tokio` and `smol`,
//! which hide the crates.
//!
//! There is no default feature. A feature adds names, and changes nothing for code that is given a runtime.
//! What the ambient functions do when several are enabled is part of [the rule](current_runtime).

#![forbid(unsafe_code)]

mod ambient;
mod default_runtime;
pub mod prelude;
mod run;
mod stop;
#[cfg(feature = "test")]
pub mod testing;

#[cfg(feature = "tokio")]
pub use anyscope_tokio as tokio;

#[cfg(feature = "smol")]
pub use anyscope_smol as smol;

#[cfg(feature = "async-std")]
pub use anyscope_async_std as async_std;

#[cfg(feature = "process")]
pub use anyscope_process as process;

pub use ambient::{
    group, group_of, job, move_on_after, move_on_at, scope, scope_of, sleep, spawn_blocking,
    spawn_cpu, timeout, timeout_at,
};
/// All of core; `scope` is the facade's own, which stands above.
#[doc(inline)]
pub use anyscope_core::*;
/// Makes of one async function a test for each enabled runtime, and one under many seeds of the
/// [simulated runtime](testing::sim).
///
/// The function takes the runtime, or nothing: the ambient functions find it. It returns nothing, or a
/// `Result`. The tests stand in a module of its name: `mirror::tokio`, `mirror::tokio_current_thread`,
/// `mirror::smol`, `mirror::async_std`, `mirror::sim`; `#[ignore]` and `#[should_panic(expected = "…")]`
/// apply to each. A test of the name of a crate, `tokio` say, hides that crate from the code beside it.
///
/// - Each has a time limit, 60 seconds unless `limit` says otherwise, and says what was alive if it is
///   not done by then.
/// - When the function has returned, all that it has opened or left to the runtime must end (G2, R6): a
///   task that it leaks makes the test run into its limit, or is a deadlock on the simulated runtime. smol
///   and async-std have one runtime for the process: there other tests of it wait for that task as well.
/// - On the simulated runtime it runs under 100 seeds, or `seeds`, each another schedule. A failure
///   names its seed; with `ANYSCOPE_SEED=7` in the environment that one runs alone. There the
///   function must not use threads, sockets or timers of its own.
/// - Where the facade has another name, or is exported by a crate of one's own, `crate` says what it is:
///   `#[anyscope::test(crate = "my_crate::anyscope")]`.
///
/// `#[should_panic]` without `expected` is refused: a test that hangs would pass, because it panics when its
/// time is up.
///
/// ```compile_fail
/// #[anyscope::test]
/// #[should_panic]
/// async fn ends_badly() {
///     std::future::pending::<()>().await
/// }
/// ```
///
/// # Examples
///
/// The tests of a library that works on any runtime:
///
/// ```
/// use anyscope::prelude::*;
///
/// /// The length of each text, counted concurrently.
/// pub async fn lengths<R: Runtime>(rt: &R, texts: Vec<String>) -> Result<Vec<usize>, GroupError> {
///     rt.group(async |g| {
///         let count = |text: String| g.spawn(async move { Ok(text.len()) });
///         Ok(map_concurrent(texts, 4, count).await?)
///     })
///     .await
/// }
///
/// #[anyscope::test(limit = 10, seeds = 500)]
/// async fn lengths_come_in_the_order_of_the_texts(rt: AnyRuntime) -> Result<(), GroupError> {
///     let texts = ["one", "three"].map(str::to_owned).to_vec();
///     assert_eq!(lengths(&rt, texts).await?, [3, 5]);
///     Ok(())
/// }
/// ```
#[cfg(feature = "test")]
pub use anyscope_macros::test;
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
    feature = "signal",
    feature = "test"
))]
mod documents {
    #[doc = include_str!("../../README.md")]
    struct Readme;

    #[doc = include_str!("../../docs/from-asyncio.md")]
    struct FromAsyncio;

    #[doc = include_str!("../../docs/from-joinset.md")]
    struct FromJoinset;

    #[doc = include_str!("../../docs/messages.md")]
    struct Messages;
}
