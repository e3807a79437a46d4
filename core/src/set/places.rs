//! Places that what lies in them never leaves: what the futures of a set are pinned in.

use std::mem::size_of;
use std::pin::Pin;

use pin_project_lite::pin_project;

/// So many places have one mask.
pub(super) const WIDTH: usize = 32;

/// Larger futures get a box each, so that none has to be made of places that stay empty.
const LARGE: usize = 512;

pin_project! {
    /// One place: for a future, and then for its outcome.
    #[project = SlotProjected]
    #[project_replace = SlotTaken]
    #[derive(Default)]
    pub(super) enum Slot<F, O> {
        #[default]
        Vacant,
        Running {
            #[pin]
            future: F,
        },
        Kept {
            outcome: O,
        },
    }
}

/// Some places side by side. A slice cannot be pinned by safe code so that its items are; a field can.
pub(super) trait Row {
    type Future;
    type Slot;
    const LEN: usize;

    /// With these in it, as far as there are any; `filled` counts them.
    fn filled(more: &mut impl Iterator<Item = Self::Future>, filled: &mut u32) -> Self;

    fn slot(self: Pin<&mut Self>, at: usize) -> Pin<&mut Self::Slot>;
}

impl<F, O> Row for Slot<F, O> {
    type Future = F;
    type Slot = Self;
    const LEN: usize = 1;

    #[inline]
    fn filled(more: &mut impl Iterator<Item = F>, filled: &mut u32) -> Self {
        let Some(future) = more.next() else {
            return Self::Vacant;
        };
        *filled += 1;
        Self::Running { future }
    }

    #[inline]
    fn slot(self: Pin<&mut Self>, _: usize) -> Pin<&mut Self> {
        self
    }
}

pin_project! {
    /// Twice as many.
    pub(super) struct Twice<P> {
        #[pin]
        first: P,
        #[pin]
        second: P,
    }
}

impl<P: Row> Row for Twice<P> {
    type Future = P::Future;
    type Slot = P::Slot;
    const LEN: usize = 2 * P::LEN;

    #[inline]
    fn filled(more: &mut impl Iterator<Item = P::Future>, filled: &mut u32) -> Self {
        Self { first: P::filled(more, filled), second: P::filled(more, filled) }
    }

    #[inline]
    fn slot(self: Pin<&mut Self>, at: usize) -> Pin<&mut P::Slot> {
        let this = self.project();
        let half = if at & P::LEN == 0 { this.first } else { this.second };
        half.slot(at)
    }
}

type Four<P> = Twice<Twice<P>>;
type Sixteen<P> = Four<Four<P>>;
type ThirtyTwo<P> = Twice<Sixteen<P>>;

/// A row of the length that fits.
pub(super) enum Places<F, O> {
    One(Pin<Box<Slot<F, O>>>),
    Four(Pin<Box<Four<Slot<F, O>>>>),
    Sixteen(Pin<Box<Sixteen<Slot<F, O>>>>),
    All(Pin<Box<ThirtyTwo<Slot<F, O>>>>),
}

impl<F, O> Places<F, O> {
    /// For about so many, with these in it, as far as there are any and it has room. And how many.
    #[inline]
    pub(super) fn filled(many: usize, more: &mut impl Iterator<Item = F>) -> (Self, u32) {
        let mut filled = 0;
        let places = match many {
            _ if size_of::<Slot<F, O>>() > LARGE => {
                Self::One(Box::pin(Row::filled(more, &mut filled)))
            }
            0..=1 => Self::One(Box::pin(Row::filled(more, &mut filled))),
            2..=4 => Self::Four(Box::pin(Row::filled(more, &mut filled))),
            5..=16 => Self::Sixteen(Box::pin(Row::filled(more, &mut filled))),
            _ => Self::All(Box::pin(Row::filled(more, &mut filled))),
        };
        (places, filled)
    }

    /// A bit for each place.
    pub(super) fn mask(&self) -> u32 {
        match self {
            Self::One(_) => 1,
            Self::Four(_) => 0xF,
            Self::Sixteen(_) => 0xFFFF,
            Self::All(_) => u32::MAX,
        }
    }

    /// `at` is a place whose bit is in the mask.
    #[inline]
    pub(super) fn slot(&mut self, at: usize) -> Pin<&mut Slot<F, O>> {
        match self {
            Self::One(row) => row.as_mut().slot(at),
            Self::Four(row) => row.as_mut().slot(at),
            Self::Sixteen(row) => row.as_mut().slot(at),
            Self::All(row) => row.as_mut().slot(at),
        }
    }

    /// Goes through the places whose bits are set, in order, until one says `false`.
    #[inline]
    pub(super) fn visit(
        &mut self,
        mask: u32,
        mut f: impl FnMut(u32, Pin<&mut Slot<F, O>>) -> bool,
    ) {
        let mut rest = mask;
        while rest != 0 {
            let at = rest.trailing_zeros();
            rest &= rest - 1;
            if !f(at, self.slot(at as usize)) {
                break;
            }
        }
    }
}
