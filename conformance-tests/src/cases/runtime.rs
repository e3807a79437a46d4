//! The runtime itself: shutdown, timers, erasure (rules R).

use anyscope_core::Runtime;

use super::Case;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    Vec::new()
}
