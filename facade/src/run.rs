//! `run`: the main future of a program, on the default runtime or the one enabled backend.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use anyscope_core::{AnyRuntime, root_future};

use crate::default_runtime::{BACKENDS, ENABLED, current_tokio, default_runtime};

/// Runs a future and gives its value, after all that was opened in it has ended (G2): on the runtime
/// that was [set as default](crate::set_default_runtime), else by the `run` of the one enabled
/// backend.
///
/// With several backends enabled and no default there is no telling which is meant: call the one
/// that is, as `anyscope::tokio::run`.
///
/// The future itself runs on this thread; a default runtime must be driven by others meanwhile.
///
/// # Panics
///
/// Inside a running task or a tokio runtime, where it would block a thread that others need; if there
/// is neither a default nor exactly one backend; and with the panic of `main`.
///
/// # Examples
///
/// ```no_run
/// use anyscope::prelude::*;
///
/// fn main() -> Result<(), GroupError> {
///     anyscope::run(group(async |g| {
///         let size = g.try_spawn_blocking(|| std::fs::read("Cargo.toml").map(|bytes| bytes.len()));
///         println!("{}", size.await?);
///         Ok(())
///     }))
/// }
/// ```
#[track_caller]
pub fn run<F: Future>(main: F) -> F::Output {
    match default_runtime() {
        Some(runtime) => run_on(&runtime, main),
        None => run_on_only_backend(main),
    }
}

#[track_caller]
fn run_on<F: Future>(runtime: &AnyRuntime, main: F) -> F::Output {
    assert!(
        current_tokio().is_none(),
        "`run` was called inside a tokio runtime and would block its thread: await the future instead"
    );
    block_on(root_future(runtime, main))
}

/// Needs no runtime: timers and tasks wake this thread from theirs.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let unpark = Arc::new(Unpark { thread: thread::current(), woken: AtomicBool::new(false) });
    let waker = Waker::from(unpark.clone());
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut cx) {
            return value;
        }
        while !unpark.woken.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }
}

struct Unpark {
    thread: Thread,
    /// Beside the thread's own token, which the future itself may use up when it blocks. Release by
    /// the waker, Acquire by the thread: it sees what it was woken for.
    woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

#[allow(unreachable_code, reason = "where there is one backend, it comes first")]
#[track_caller]
fn run_on_only_backend<F: Future>(main: F) -> F::Output {
    #[cfg(all(feature = "tokio", not(any(feature = "smol", feature = "async-std"))))]
    return anyscope_tokio::run(main);
    #[cfg(all(feature = "smol", not(any(feature = "tokio", feature = "async-std"))))]
    return anyscope_smol::run(main);
    #[cfg(all(feature = "async-std", not(any(feature = "tokio", feature = "smol"))))]
    return anyscope_async_std::run(main);
    drop(main);
    match BACKENDS {
        0 => panic!("{NOT_ONE}"),
        _ => panic!("{NOT_ONE}; enabled are {}", ENABLED.join(", ")),
    }
}

const NOT_ONE: &str = match BACKENDS {
    0 => {
        "anyscope has no backend: enable one of its features `tokio`, `smol` and `async-std`, or call \
         `anyscope::set_default_runtime` first"
    }
    _ => {
        "anyscope has several backends enabled and `run` cannot choose: call the one that is meant, as \
         `anyscope::tokio::run`, or `anyscope::set_default_runtime` first"
    }
};
