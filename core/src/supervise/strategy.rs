//! `Strategy`: who is stopped and started anew with a child (V3).

use std::ops::Range;

/// Which children are stopped and started anew when one of them is (V3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// That child alone. The default.
    #[default]
    OneForOne,
    /// All of them: they cannot work without each other.
    OneForAll,
    /// That child and those registered after it: each depends on those before it.
    RestForOne,
}

impl Strategy {
    /// The children that `ended` takes with it, itself included, of `count`.
    pub(super) fn batch(self, ended: usize, count: usize) -> Range<usize> {
        match self {
            Self::OneForOne => ended..ended + 1,
            Self::OneForAll => 0..count,
            Self::RestForOne => ended..count,
        }
    }
}
