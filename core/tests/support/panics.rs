//! What tests of panics look at: their text, and what went to the unhandled-failure hook.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use anyscope_core::unhandled::UnhandledKind;
use anyscope_core::{panic_message, set_unhandled_hook};

/// The text of the panic of `f`.
pub(crate) fn panic_of<T>(f: impl FnOnce() -> T) -> String {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(_) => panic!("expected a panic"),
        Err(payload) => panic_message(&*payload).to_owned(),
    }
}

/// What went to the unhandled-failure hook on this thread since this was last asked, which must be
/// once before what is tested.
pub(crate) fn take_lost() -> Vec<(UnhandledKind, String)> {
    thread_local! {
        static LOST: RefCell<Vec<(UnhandledKind, String)>> = const { RefCell::new(Vec::new()) };
    }
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        set_unhandled_hook(|lost| {
            let text = lost.to_string().rsplit(": ").next().unwrap().to_owned();
            LOST.with_borrow_mut(|list| list.push((lost.kind(), text)));
        });
    });
    LOST.take()
}
