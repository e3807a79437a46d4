//! Nested groups and depth (rules G14, G15).

use anyscope_core::Runtime;

use super::Case;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    Vec::new()
}
