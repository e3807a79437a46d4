//! Cancellation (rules C).

use anyscope_core::Runtime;

use super::Case;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    Vec::new()
}
