//! Panics that are not printed: cases that expect one would print it once for each of many seeds.

use std::cell::RefCell;
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};

/// Relaxed: set before the first case runs.
static HUSHED: AtomicBool = AtomicBool::new(false);

thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// From now on the process prints no panics. The last one of each thread is kept.
pub(crate) fn hush() {
    HUSHED.store(true, Ordering::Relaxed);
    panic::set_hook(Box::new(|info| {
        let _ = LAST.try_with(|last| *last.borrow_mut() = Some(info.to_string()));
    }));
}

pub(crate) fn is_hushed() -> bool {
    HUSHED.load(Ordering::Relaxed)
}

/// The last panic of this thread, with its place, if panics are not printed.
pub(crate) fn last() -> Option<String> {
    LAST.with_borrow(Clone::clone)
}
