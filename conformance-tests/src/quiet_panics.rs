//! Panics that are not printed: cases that expect one would print it once for each of many seeds.

use std::cell::RefCell;
use std::panic;

thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// From now on the process prints no panics. The last one of each thread is kept.
pub(crate) fn hush() {
    panic::set_hook(Box::new(|info| {
        let _ = LAST.try_with(|last| *last.borrow_mut() = Some(info.to_string()));
    }));
}

/// Forgets the last panic of this thread.
pub(crate) fn forget() {
    LAST.set(None);
}

/// The last panic of this thread, with its place, if panics are not printed and it was this one: it may have
/// been one that was contained.
pub(crate) fn last_of(text: &str) -> Option<String> {
    LAST.with_borrow(Clone::clone).filter(|last| last.contains(text))
}
