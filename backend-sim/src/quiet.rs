//! Runs that are repeated only to learn from them do not print their panics.

use std::cell::Cell;
use std::panic;
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f`; panics on this thread are not printed meanwhile. The process's panic hook is wrapped once,
/// and does as before for all others.
pub(crate) fn quietly<T>(f: impl FnOnce() -> T) -> T {
    static WRAP: Once = Once::new();
    WRAP.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !is_quiet() {
                loud(info);
            }
        }));
    });
    let _restore = Restore(QUIET.replace(true));
    f()
}

/// Whether panics on this thread are not printed.
pub(crate) fn is_quiet() -> bool {
    QUIET.try_with(Cell::get).unwrap_or(false)
}

/// For a thread that works for one that is quiet.
pub(crate) fn set_quiet(quiet: bool) {
    QUIET.set(quiet);
}

struct Restore(bool);

impl Drop for Restore {
    fn drop(&mut self) {
        QUIET.set(self.0);
    }
}
