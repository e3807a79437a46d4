//! What a panic says.

use std::panic::{AssertUnwindSafe, catch_unwind};

use anyscope::panic_message;

/// The text of the panic that `f` must end with.
pub(crate) fn panic_of<T>(f: impl FnOnce() -> T) -> String {
    let outcome = catch_unwind(AssertUnwindSafe(f));
    let payload = outcome.err().expect("it panics");
    panic_message(&*payload).to_owned()
}
