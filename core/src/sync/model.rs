//! What core's atomics and locks are while its models are checked: loom's, and what loom lacks.

pub(crate) use loom::sync::{Mutex, MutexGuard, atomic};

use self::atomic::{AtomicBool, Ordering};

/// As [`std::sync::OnceLock`], as far as core uses it.
pub(crate) struct OnceLock<T> {
    /// What loom sees. It switches threads before an operation and never after it, so that `value`
    /// is there for whoever sees the flag.
    is_set: AtomicBool,
    value: std::sync::OnceLock<T>,
}

impl<T> OnceLock<T> {
    pub(crate) fn new() -> Self {
        Self { is_set: AtomicBool::new(false), value: std::sync::OnceLock::new() }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        if self.is_set.load(Ordering::Acquire) { self.value.get() } else { None }
    }

    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        match self.is_set.compare_exchange(false, true, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => self.value.set(value),
            Err(_) => Err(value),
        }
    }
}

/// Each of loom's threads has its own, though all run on one.
macro_rules! local {
    ($(#[$attr:meta])* static $name:ident: $type:ty = const $init:block;) => {
        loom::thread_local! { $(#[$attr])* static $name: $type = $init; }
    };
}
pub(crate) use local as thread_local;
