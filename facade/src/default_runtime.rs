//! Which runtime the ambient functions use: one rule, stated and implemented here.

use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::sync::OnceLock;

use anyscope_core::{AnyRuntime, Runtime, TaskContext};

/// Set at most once, so that what a running program relies on cannot move.
static DEFAULT: OnceLock<AnyRuntime> = OnceLock::new();

/// The runtime that the ambient functions use. The first of these that there is:
///
/// 1. the runtime of the current task,
/// 2. the one that was [set as default](set_default_runtime),
/// 3. with the feature `tokio`, the tokio runtime that this code runs in,
/// 4. with exactly one backend enabled, its global runtime, which smol and async-std have,
/// 5. none: a panic that names the fix.
///
/// Features add up over all crates of a program, so a dependency may enable a second backend. Then 4
/// no longer applies, and a program that relied on it is told so instead of being moved to another
/// runtime (R2). Only code that ran inside a tokio runtime without the feature `tokio`, and therefore
/// on another one, finds tokio's by 3 once somebody enables it. Whoever wants none of this takes a
/// runtime as a value.
///
/// # Panics
///
/// If there is none of these, with the text of [`NoRuntime`].
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "smol")]
/// anyscope::smol::run(async {
///     // Whatever else is enabled: inside a task of smol it is smol.
///     let rt = anyscope::current_runtime();
///     assert!(format!("{rt:?}").contains("Smol"));
/// });
/// ```
#[track_caller]
pub fn current_runtime() -> AnyRuntime {
    match try_current_runtime() {
        Ok(runtime) => runtime,
        Err(none) => panic!("{none}"),
    }
}

/// The same for a future that is polled later, which knows where it was made.
pub(crate) fn runtime_for(caller: &'static Location<'static>) -> AnyRuntime {
    try_current_runtime().unwrap_or_else(|none| panic!("{caller}: {none}"))
}

/// Like [`current_runtime`], for those who can do without.
///
/// # Errors
///
/// [`NoRuntime`], whose text names the fix.
pub fn try_current_runtime() -> Result<AnyRuntime, NoRuntime> {
    TaskContext::current()
        .and_then(|current| current.runtime())
        .or_else(default_runtime)
        .or_else(current_tokio)
        .or_else(only_backend)
        .ok_or(NoRuntime(()))
}

/// Sets the default runtime of the process, for ambient calls outside any task. A tokio runtime is
/// not kept running by this, and an executor of your own is not either.
///
/// # Errors
///
/// [`DefaultAlreadySet`]: it can be set once, and the first stays.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "smol")] {
/// use anyscope::smol::Smol;
///
/// anyscope::set_default_runtime(Smol::global()).expect("nobody has set one before main");
/// assert_eq!(anyscope::run(async { 7 }), 7);
/// # }
/// ```
pub fn set_default_runtime<R: Runtime>(runtime: R) -> Result<(), DefaultAlreadySet> {
    DEFAULT.set(AnyRuntime::new(runtime)).map_err(|_| DefaultAlreadySet(()))
}

/// The one that was set.
pub(crate) fn default_runtime() -> Option<AnyRuntime> {
    DEFAULT.get().cloned()
}

/// The tokio runtime that this code runs in.
#[cfg(feature = "tokio")]
pub(crate) fn current_tokio() -> Option<AnyRuntime> {
    anyscope_tokio::Tokio::current().ok().map(AnyRuntime::new)
}

#[cfg(not(feature = "tokio"))]
pub(crate) fn current_tokio() -> Option<AnyRuntime> {
    None
}

/// The backends that are enabled, by whatever crate of the program.
pub(crate) const ENABLED: &[&str] = &[
    #[cfg(feature = "tokio")]
    "`tokio`",
    #[cfg(feature = "smol")]
    "`smol`",
    #[cfg(feature = "async-std")]
    "`async-std`",
];

/// How many they are.
pub(crate) const BACKENDS: usize = ENABLED.len();

/// tokio has no global runtime, so there is nothing to choose where it is the only one.
#[allow(unreachable_code, reason = "where there is one to choose, it comes first")]
fn only_backend() -> Option<AnyRuntime> {
    #[cfg(all(feature = "smol", not(any(feature = "tokio", feature = "async-std"))))]
    return Some(AnyRuntime::new(anyscope_smol::Smol::global()));
    #[cfg(all(feature = "async-std", not(any(feature = "tokio", feature = "smol"))))]
    return Some(AnyRuntime::new(anyscope_async_std::AsyncStd::global()));
    None
}

/// There is no [current runtime](current_runtime).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRuntime(());

impl NoRuntime {
    /// With one backend it is tokio's: the others have global runtimes.
    const TEXT: &'static str = match BACKENDS {
        0 => {
            "anyscope has no backend: enable one of its features `tokio`, `smol` and `async-std`, or \
             call `anyscope::set_default_runtime`"
        }
        1 => {
            "anyscope was called outside a tokio runtime: call it inside one, as in \
             `anyscope::run`, or call `anyscope::set_default_runtime` first"
        }
        _ => {
            "anyscope has several backends enabled and cannot choose: call it inside a task, as in \
             the `run` of one of them, or on a runtime value, as `rt.group`, or call \
             `anyscope::set_default_runtime` first"
        }
    };
}

impl fmt::Display for NoRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::TEXT)?;
        match BACKENDS {
            0 | 1 => Ok(()),
            _ => write!(f, "; enabled are {}", ENABLED.join(", ")),
        }
    }
}

impl Error for NoRuntime {}

/// The default runtime was already set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefaultAlreadySet(());

impl fmt::Display for DefaultAlreadySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the default runtime was already set; set it once, where the program begins")
    }
}

impl Error for DefaultAlreadySet {}
