//! Spawning: from whom, until when, refused how, memory (rules G9 to G13).

use anyscope_core::Runtime;

use super::Case;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    Vec::new()
}
