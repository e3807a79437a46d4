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

/// Some items side by side: places, or fours of them. A slice cannot be pinned by safe code so that its
/// items are; a field can.
pub(super) trait Row {
    type Future;
    type Item;
    const LEN: usize;

    /// With these in it, as far as there are any; `filled` counts them.
    fn filled(more: &mut impl Iterator<Item = Self::Future>, filled: &mut u32) -> Self;

    fn item(self: Pin<&mut Self>, at: usize) -> Pin<&mut Self::Item>;
}

impl<F, O> Row for Slot<F, O> {
    type Future = F;
    type Item = Self;
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
    fn item(self: Pin<&mut Self>, _: usize) -> Pin<&mut Self> {
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
    type Item = P::Item;
    const LEN: usize = 2 * P::LEN;

    #[inline]
    fn filled(more: &mut impl Iterator<Item = P::Future>, filled: &mut u32) -> Self {
        Self { first: P::filled(more, filled), second: P::filled(more, filled) }
    }

    #[inline]
    fn item(self: Pin<&mut Self>, at: usize) -> Pin<&mut P::Item> {
        let this = self.project();
        let half = if at & P::LEN == 0 { this.first } else { this.second };
        half.item(at)
    }
}

pin_project! {
    /// Four places, which are gone through at once.
    pub(super) struct Four<F, O> {
        #[pin]
        slots: Twice<Twice<Slot<F, O>>>,
    }
}

impl<F, O> Row for Four<F, O> {
    type Future = F;
    type Item = Self;
    const LEN: usize = 1;

    #[inline]
    fn filled(more: &mut impl Iterator<Item = F>, filled: &mut u32) -> Self {
        Self { slots: Row::filled(more, filled) }
    }

    #[inline]
    fn item(self: Pin<&mut Self>, _: usize) -> Pin<&mut Self> {
        self
    }
}

type Sixteen<F, O> = Twice<Twice<Four<F, O>>>;
type ThirtyTwo<F, O> = Twice<Sixteen<F, O>>;

/// A row of the length that fits.
pub(super) enum Places<F, O> {
    One(Pin<Box<Slot<F, O>>>),
    Four(Pin<Box<Four<F, O>>>),
    Sixteen(Pin<Box<Sixteen<F, O>>>),
    All(Pin<Box<ThirtyTwo<F, O>>>),
}

/// One place or four of a row.
enum Part<'a, F, O> {
    One(Pin<&'a mut Slot<F, O>>),
    Four(Pin<&'a mut Four<F, O>>),
}

impl<'a, F, O> Part<'a, F, O> {
    #[inline]
    fn slot(&mut self, at: usize) -> Pin<&mut Slot<F, O>> {
        match self {
            Self::One(slot) => slot.as_mut(),
            Self::Four(four) => four.as_mut().project().slots.item(at),
        }
    }

    #[inline]
    fn into_slot(self, at: usize) -> Pin<&'a mut Slot<F, O>> {
        match self {
            Self::One(slot) => slot,
            Self::Four(four) => four.project().slots.item(at),
        }
    }
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
        self.part(at / 4).into_slot(at % 4)
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
            let first = rest.trailing_zeros() & !3;
            let mut part = self.part(first as usize / 4);
            let mut four = rest >> first & 0xF;
            rest &= !(0xF << first);
            while four != 0 {
                let at = four.trailing_zeros();
                four &= four - 1;
                if !f(first + at, part.slot(at as usize)) {
                    return;
                }
            }
        }
    }

    #[inline]
    fn part(&mut self, at: usize) -> Part<'_, F, O> {
        match self {
            Self::One(slot) => Part::One(slot.as_mut()),
            Self::Four(row) => Part::Four(row.as_mut()),
            Self::Sixteen(row) => Part::Four(row.as_mut().item(at)),
            Self::All(row) => Part::Four(row.as_mut().item(at)),
        }
    }
}
