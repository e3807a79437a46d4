//! What a group's error holds (rules G4 to G7, G17, G20, G21, E).

use anyscope_core::Runtime;

use super::Case;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    Vec::new()
}
