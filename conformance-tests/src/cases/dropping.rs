//! Groups whose future is dropped or kept elsewhere, roots, abandoned jobs (rules G2, R6).

use anyscope_core::Runtime;

use super::Case;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    Vec::new()
}
