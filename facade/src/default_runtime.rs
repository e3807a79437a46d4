//! Which runtime the ambient functions use: one rule, stated and implemented here.

use std::error::Error;
use std::fmt;
use std::sync::OnceLock;

use anyscope_core::{AnyRuntime, Runtime, TaskContext};
use cfg_if::cfg_if;

/// Set at most once, so that what a running program relies on cannot move.
static DEFAULT: OnceLock<AnyRuntime> = OnceLock::new();

/// The runtime that the ambient functions use. The first of these that there is:
///
/// 1. the runtime of the current task,
/// 2. the one that was [set as default](set_default_runtime),
/// 3. with the feature `tokio`, the tokio runtime that this code runs in,
/// 4. with exactly one backend enabled, its global runtime (smol and async-std have one),
/// 5. none: a panic that names the fix.
///
/// Enabling a second backend therefore never moves a program to another runtime silently (R2).
///
/// # Panics
///
/// If there is none of these.
pub fn current_runtime() -> AnyRuntime {
    TaskContext::current()
        .and_then(|current| current.runtime())
        .or_else(|| DEFAULT.get().cloned())
        .or_else(current_tokio)
        .unwrap_or_else(only_backend)
}

/// Sets the default runtime of the process, for ambient calls outside any task.
///
/// # Errors
///
/// [`DefaultAlreadySet`]: it can be set once, so that nobody moves what another part relies on.
pub fn set_default_runtime<R: Runtime>(runtime: R) -> Result<(), DefaultAlreadySet> {
    DEFAULT.set(AnyRuntime::new(runtime)).map_err(|_| DefaultAlreadySet(()))
}

/// The default runtime was already set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefaultAlreadySet(());

impl fmt::Display for DefaultAlreadySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the default runtime was already set; set it once, where the program begins")
    }
}

impl Error for DefaultAlreadySet {}

fn current_tokio() -> Option<AnyRuntime> {
    cfg_if! {
        if #[cfg(feature = "tokio")] {
            anyscope_tokio::Tokio::current().ok().map(AnyRuntime::new)
        } else {
            None
        }
    }
}

fn only_backend() -> AnyRuntime {
    cfg_if! {
        if #[cfg(all(feature = "smol", not(feature = "tokio"), not(feature = "async-std")))] {
            AnyRuntime::new(anyscope_smol::Smol::global())
        } else if #[cfg(all(feature = "async-std", not(feature = "tokio"), not(feature = "smol")))] {
            AnyRuntime::new(anyscope_async_std::AsyncStd::global())
        } else if #[cfg(not(any(feature = "tokio", feature = "smol", feature = "async-std")))] {
            panic!("anyscope has no backend: enable one of its features `tokio`, `smol` and \
                    `async-std`, or call `anyscope::set_default_runtime`")
        } else if #[cfg(not(any(feature = "smol", feature = "async-std")))] {
            panic!("anyscope was called outside a tokio runtime: call it inside one, for example in \
                    `anyscope::run`, or call `anyscope::set_default_runtime` first")
        } else {
            panic!("anyscope has several backends enabled and cannot choose: call it inside a task, \
                    or call `anyscope::set_default_runtime` first")
        }
    }
}
