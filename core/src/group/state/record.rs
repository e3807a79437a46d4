//! What a group's table knows of each live unit: how it is reached, and what is rare of it.

use std::collections::BTreeSet;
use std::panic::Location;
use std::sync::Arc;
use std::task::Waker;

use crate::cancel::{CancelCause, InEffect};
use crate::carried::Carried;
use crate::group::state::table::ScopeKey;
use crate::protect::Cover;
use crate::task::TaskId;

/// What each live unit costs: 32 bytes.
pub(super) struct UnitRecord {
    pub(super) slot: Slot,
    /// The id, whether the handle is gone, and whether it has ended.
    pub(super) id: MarkedId,
    pub(super) location: &'static Location<'static>,
}

impl UnitRecord {
    /// Once. With its waker, if it has one.
    pub(super) fn cancel(&mut self, cause: CancelCause) -> Option<Option<Waker>> {
        if let Slot::NoWaker(Some(_)) = self.slot {
            return None;
        }
        let single = Single { cause, waker: None, _in_effect: InEffect::begin() };
        match std::mem::replace(&mut self.slot, Slot::NoWaker(Some(Box::new(single)))) {
            Slot::Wakes(waker) => Some(Some(waker)),
            Slot::NoWaker(_) => Some(None),
        }
    }
}

/// An id and two flags in its highest bits, which no id reaches.
pub(super) struct MarkedId(u64);

impl MarkedId {
    const UNSEEN: u64 = 1 << 63;
    const ENDED: u64 = 1 << 62;

    pub(super) fn new(id: TaskId) -> Self {
        Self(id.0)
    }

    pub(super) fn get(&self) -> TaskId {
        TaskId(self.0 & !(Self::UNSEEN | Self::ENDED))
    }

    pub(super) fn mark_unseen(&mut self) {
        self.0 |= Self::UNSEEN;
    }

    pub(super) fn is_unseen(&self) -> bool {
        self.0 & Self::UNSEEN != 0
    }

    /// To all others it is gone: it is there only until its count is given back, or is none of theirs.
    pub(super) fn mark_ended(&mut self) {
        self.0 |= Self::ENDED;
    }

    pub(super) fn has_ended(&self) -> bool {
        self.0 & Self::ENDED != 0
    }
}

/// How a unit is reached.
pub(super) enum Slot {
    /// The waker to call.
    Wakes(Waker),
    /// Not suspended yet, or woken by a cancellation. Boxed if it was cancelled by itself, its siblings not
    /// (T6). One variant for both, since a third one would cost eight bytes.
    NoWaker(Option<Box<Single>>),
}

/// A unit that was cancelled by itself.
pub(super) struct Single {
    pub(super) cause: CancelCause,
    /// Of one that is shielded.
    waker: Option<Waker>,
    /// Counts as long as it is there.
    _in_effect: InEffect,
}

impl Slot {
    pub(super) fn is_cancelled(&self) -> bool {
        matches!(self, Self::NoWaker(Some(_)))
    }

    pub(super) fn waker(&self) -> Option<&Waker> {
        match self {
            Self::Wakes(waker) => Some(waker),
            Self::NoWaker(single) => single.as_ref()?.waker.as_ref(),
        }
    }

    pub(super) fn replace_waker(&mut self, fresh: Option<Waker>) -> Option<Waker> {
        if let Self::NoWaker(Some(single)) = self {
            return std::mem::replace(&mut single.waker, fresh);
        }
        let fresh = fresh.map_or(Self::NoWaker(None), Self::Wakes);
        std::mem::replace(self, fresh).into_waker()
    }

    pub(super) fn take_waker(&mut self) -> Option<Waker> {
        self.replace_waker(None)
    }

    #[inline]
    pub(super) fn into_waker(self) -> Option<Waker> {
        match self {
            Self::Wakes(waker) => Some(waker),
            Self::NoWaker(None) => None,
            Self::NoWaker(Some(single)) => single.waker,
        }
    }
}

#[derive(Default)]
pub(super) struct Extra {
    pub(super) name: Option<Arc<str>>,
    /// The inner groups that this unit opened and that are still open.
    pub(super) opened: BTreeSet<ScopeKey>,
    pub(super) cover: Option<Arc<Cover>>,
    /// What it was given at its spawn (X4). The user's: dropped outside the lock.
    pub(super) carried: Carried,
    /// Not waited for any more, though still there: a job that was given up (B3), or a body whose opener has
    /// ended (G2). Its place stays its own until it ends.
    pub(super) is_given_up: bool,
}

impl Extra {
    /// Whether there is more than a name.
    pub(super) fn is_special(&self) -> bool {
        self.cover.is_some()
            || !self.opened.is_empty()
            || self.is_given_up
            || !self.carried.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.name.is_none() && !self.is_special()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_costs_32_bytes() {
        assert_eq!(size_of::<UnitRecord>(), 32);
    }
}
