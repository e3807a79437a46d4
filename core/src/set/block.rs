//! Up to 32 futures of a set, side by side, with what is known of each.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::places::{Places, Slot, SlotProjected, WIDTH};
use super::wakers::{OwnedWaker, ReadyQueue, Woken};

/// One bit for each place in all that is a number.
pub(super) struct Block<F, O> {
    /// `None` while it is empty.
    pub(super) places: Option<Places<F, O>>,
    /// Those that are not vacant.
    pub(super) taken: u32,
    /// Those whose futures run.
    pub(super) running: u32,
    /// Those that were never polled.
    pub(super) fresh: u32,
    /// Those that the shared waker may wake: as long as they run, because some keep the first that they
    /// get.
    shared: u32,
    /// Those that were polled once with the shared waker, and twice.
    polled: [u32; 2],
    /// Whether it is in the batch because of its fresh ones.
    pub(super) is_listed: bool,
    shared_waker: Option<OwnedWaker>,
    /// Empty until one needs its own.
    own_wakers: Vec<Option<OwnedWaker>>,
}

/// Where the wakers of a block's futures are made.
pub(super) struct Wakers<'a> {
    pub(super) queue: &'a Arc<ReadyQueue>,
    /// The block's position.
    pub(super) block: usize,
    /// So many polls of each are made with the shared one.
    pub(super) shared_polls: u8,
}

/// What came of polling some of a block, up to the first that gave something to return.
pub(super) struct Polled<T> {
    pub(super) those: u32,
    /// Those of them that have ended.
    pub(super) ended: u32,
    pub(super) found: Option<(usize, T)>,
}

impl<T> Polled<T> {
    #[inline]
    pub(super) fn new() -> Self {
        Self { those: 0, ended: 0, found: None }
    }

    /// Enters what came of one; whether to go on.
    #[inline]
    fn enter(&mut self, at: u32, result: Poll<Option<T>>) -> bool {
        self.those |= 1 << at;
        let Poll::Ready(ended) = result else { return true };
        self.ended |= 1 << at;
        self.found = ended.map(|value| (at as usize, value));
        self.found.is_none()
    }
}

impl<F, O> Block<F, O> {
    pub(super) fn new() -> Self {
        Self {
            places: None,
            taken: 0,
            running: 0,
            fresh: 0,
            shared: 0,
            polled: [0; 2],
            is_listed: false,
            shared_waker: None,
            own_wakers: Vec::new(),
        }
    }

    /// Takes futures from `more` until it is full, and says how many; made anew it is for about `many`.
    #[inline]
    pub(super) fn fill(&mut self, many: usize, more: &mut impl Iterator<Item = F>) -> usize {
        if self.places.is_none() {
            let (places, filled) = Places::filled(many, more);
            self.places = Some(places);
            self.enter(u32::MAX.checked_shr(WIDTH as u32 - filled).unwrap_or(0));
            return filled as usize;
        }
        self.fill_up(more)
    }

    fn fill_up(&mut self, more: &mut impl Iterator<Item = F>) -> usize {
        let mut added = 0;
        while !self.is_full() {
            let Some(future) = more.next() else { break };
            self.push(0, future);
            added += 1;
        }
        added
    }

    /// Puts it into a vacant place; it has room, or is empty.
    #[inline]
    pub(super) fn push(&mut self, many: usize, future: F) -> usize {
        let Some(places) = &mut self.places else {
            self.fill(many, &mut Some(future).into_iter());
            return 0;
        };
        let at = (places.mask() & !self.taken).trailing_zeros() as usize;
        places.slot(at).set(Slot::Running { future });
        self.enter(1 << at);
        at
    }

    fn enter(&mut self, added: u32) {
        self.taken |= added;
        self.running |= added;
        self.fresh |= added;
        self.polled = self.polled.map(|polled| polled & !added);
    }

    /// From now on this one is polled with a waker of its own.
    pub(super) fn set_own(&mut self, at: usize) {
        self.polled = self.polled.map(|polled| polled | 1 << at);
    }

    /// Gives back what it has for futures; there are none.
    pub(super) fn free(&mut self) {
        (self.places, self.own_wakers) = (None, Vec::new());
    }

    pub(super) fn is_full(&self) -> bool {
        self.places.as_ref().is_some_and(|places| places.mask() == self.taken)
    }

    /// Lists the fresh ones, unless they are.
    pub(super) fn lists(&mut self) -> bool {
        self.fresh != 0 && !std::mem::replace(&mut self.is_listed, true)
    }

    /// Those that are to be polled.
    pub(super) fn woken(&mut self, woken: Woken) -> u32 {
        if let Woken::Fresh(_) = woken {
            self.is_listed = false;
            return self.fresh;
        }
        self.shared_waker.as_ref().map_or(0, |waker| {
            waker.unqueue();
            self.shared & !self.fresh
        })
    }

    /// The same of one that was woken alone.
    pub(super) fn woken_alone(&mut self, at: usize) -> u32 {
        let waker = self.own_wakers.get(at).and_then(Option::as_ref);
        waker.map_or(0, |waker| {
            waker.unqueue();
            1 << at
        })
    }

    /// Polls those of `mask` that run, up to the first for which `poll` gives something to return. Those
    /// for which it is ready have ended. Without `wakers` they get the caller's.
    #[inline]
    pub(super) fn poll<T>(
        &mut self,
        mask: u32,
        cx: &mut Context<'_>,
        wakers: Option<&Wakers<'_>>,
        yields: &mut bool,
        mut poll: impl FnMut(Pin<&mut Slot<F, O>>, &mut Context<'_>) -> Poll<Option<T>>,
    ) -> Polled<T> {
        let mut left = mask & self.running;
        let spent = wakers.map_or(0, |wakers| self.spent(wakers.shared_polls));
        let mut polled = Polled::new();
        let Self { places: Some(places), shared_waker, own_wakers, .. } = self else {
            return polled;
        };
        while left != 0 && polled.found.is_none() {
            let (those, waker) = match wakers {
                None => (left, None),
                Some(wakers) if left & !spent != 0 => {
                    (left & !spent, Some(&*shared_waker.get_or_insert_with(|| wakers.shared())))
                }
                Some(wakers) => {
                    let at = left.trailing_zeros();
                    (1 << at, Some(&*own_waker(own_wakers, places, at as usize, wakers)))
                }
            };
            let guard = waker.map(OwnedWaker::guard_poll);
            let mut cx = Context::from_waker(waker.map_or(cx.waker(), OwnedWaker::waker));
            places.visit(those, |at, slot| polled.enter(at, poll(slot, &mut cx)));
            let is_any_pending = polled.those & those & !polled.ended != 0;
            *yields |= guard.is_some_and(|guard| guard.has_called()) && is_any_pending;
            left &= !those;
        }
        if wakers.is_some() {
            self.were_polled(polled.those, spent);
        }
        if polled.ended != 0 {
            self.ended(polled.ended);
        }
        polled
    }

    /// Those that have been polled so often with the shared waker.
    fn spent(&self, shared_polls: u8) -> u32 {
        let polled = &self.polled[..usize::from(shared_polls)];
        polled.iter().fold(u32::MAX, |spent, polled| spent & polled)
    }

    /// These were, of which those that were not `spent` had the shared waker.
    fn were_polled(&mut self, those: u32, spent: u32) {
        self.fresh &= !those;
        self.shared |= those & !spent;
        let mut again = those;
        for polled in &mut self.polled {
            (*polled, again) = (*polled | again, *polled & again);
        }
    }

    /// Their wakers wake nobody any more.
    #[inline]
    fn ended(&mut self, ended: u32) {
        self.running &= !ended;
        self.fresh &= !ended;
        self.shared &= !ended;
        if self.shared | self.fresh == 0 {
            self.shared_waker = None;
        }
        if !self.own_wakers.is_empty() {
            self.retire(ended);
        }
    }

    /// Takes back the wakers of their own.
    fn retire(&mut self, ended: u32) {
        let mut rest = ended;
        while rest != 0 {
            // Without strangers that could call it, it is good for the next.
            self.own_wakers[rest.trailing_zeros() as usize].take_if(|waker| !waker.is_unshared());
            rest &= rest - 1;
        }
    }

    pub(super) fn slot(&mut self, at: usize) -> Option<Pin<&mut Slot<F, O>>> {
        self.places.as_mut().map(|places| places.slot(at))
    }

    /// Takes out all that run, in order.
    pub(super) fn drain(&mut self, mut f: impl FnMut(usize, F))
    where
        F: Unpin,
    {
        let running = self.running;
        self.ended(running);
        self.taken &= !running;
        if let Some(places) = &mut self.places {
            places.visit(running, |at, slot| {
                if let Slot::Running { future } = std::mem::take(slot.get_mut()) {
                    f(at as usize, future);
                }
                true
            });
        }
    }

    /// Drops what is in it, in order, up to the first that panics, which is gone as well.
    pub(super) fn clear(&mut self) {
        let Self { places: Some(places), taken, .. } = self else { return };
        places.visit(*taken, |at, mut slot| {
            *taken &= !(1 << at);
            slot.set(Slot::Vacant);
            true
        });
    }

    /// Does something with each that runs, in order.
    pub(super) fn for_each(&mut self, mut f: impl FnMut(Pin<&mut F>)) {
        if let Some(places) = &mut self.places {
            places.visit(self.running, |_, slot| {
                if let SlotProjected::Running { future } = slot.project() {
                    f(future);
                }
                true
            });
        }
    }
}

impl Wakers<'_> {
    #[cold]
    fn shared(&self) -> OwnedWaker {
        OwnedWaker::new(self.queue, Woken::Block(self.block))
    }
}

/// The child's own, which it gets now if it has none.
#[inline]
fn own_waker<'a, F, O>(
    own_wakers: &'a mut Vec<Option<OwnedWaker>>,
    places: &Places<F, O>,
    at: usize,
    wakers: &Wakers<'_>,
) -> &'a mut OwnedWaker {
    if own_wakers.is_empty() {
        own_wakers.resize_with(places.mask().count_ones() as usize, || None);
    }
    let index = wakers.block * WIDTH + at;
    own_wakers[at].get_or_insert_with(|| OwnedWaker::new(wakers.queue, Woken::Child(index)))
}

#[cfg(test)]
mod tests {
    use std::future::{Future, Pending, pending};
    use std::task::Waker;

    use super::super::places::SlotProjected;
    use super::*;

    /// Large futures lie in blocks of one.
    #[test]
    fn a_block_has_room_for_as_many_wakers_as_futures() {
        for many in [1, 4, 16, 32] {
            let mut block: Block<Pending<()>, ()> = Block::new();
            block.fill(many, &mut (0..many).map(|_| pending()));
            let (queue, mut yields) = (Arc::default(), false);
            let wakers = Wakers { queue: &queue, block: 0, shared_polls: 0 };
            let mut cx = Context::from_waker(Waker::noop());
            let polled = block.poll(u32::MAX, &mut cx, Some(&wakers), &mut yields, |slot, cx| {
                let SlotProjected::Running { future } = slot.project() else { unreachable!() };
                future.poll(cx).map(Some)
            });
            assert_eq!((polled.those.count_ones() as usize, block.own_wakers.len()), (many, many));
        }
    }
}
