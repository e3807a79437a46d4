//! Up to 32 futures of a set, side by side, with what is known of each.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::call::{Call, Queue, Woken};
use super::places::{Places, Slot, SlotProjected, WIDTH};

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
    call: Option<Call>,
    /// Empty until one needs its own.
    calls: Vec<Option<Call>>,
}

/// With what the futures of a block are polled.
pub(super) enum Wakers<'a> {
    Callers,
    /// Those of the set; so many polls of each with the shared one.
    Own {
        queue: &'a Arc<Queue>,
        block: usize,
        shared_polls: u8,
    },
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
            call: None,
            calls: Vec::new(),
        }
    }

    /// Is empty before. Takes futures from `more` until it is full; it is for about `many`.
    #[inline]
    pub(super) fn fill(&mut self, many: usize, more: &mut impl Iterator<Item = F>) {
        let (places, filled) = Places::filled(many, more);
        self.places = Some(places);
        self.enter(u32::MAX.checked_shr(WIDTH as u32 - filled).unwrap_or(0));
    }

    /// Puts it into a vacant place; it has room, or is empty.
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
        self.call.as_ref().map_or(0, |call| {
            call.lower();
            self.shared & !self.fresh
        })
    }

    /// The same of one that was woken alone.
    pub(super) fn woken_alone(&mut self, at: usize) -> u32 {
        let call = self.calls.get(at).and_then(Option::as_ref);
        call.map_or(0, |call| {
            call.lower();
            1 << at
        })
    }

    /// Polls those of `mask` that run, up to the first for which `poll` gives something to return. Those
    /// for which it is ready without that have ended, and their outcomes are in their places.
    #[inline]
    pub(super) fn poll<T>(
        &mut self,
        mask: u32,
        cx: &mut Context<'_>,
        wakers: &Wakers<'_>,
        yields: &mut bool,
        poll: &mut impl FnMut(Pin<&mut Slot<F, O>>, &mut Context<'_>) -> Poll<Option<T>>,
    ) -> Option<(usize, T)> {
        let Self { places, fresh, shared, polled, call, calls, .. } = self;
        let (mut ended, mut found) = (0, None);
        if let Some(places) = places {
            places.visit(mask & self.running, |at, slot| {
                let bit = 1 << at;
                let result = match wakers {
                    Wakers::Callers => poll(slot, cx),
                    Wakers::Own { queue, block, shared_polls } => {
                        *fresh &= !bit;
                        let index = block * WIDTH + at as usize;
                        let call = if is_spent(polled, bit, *shared_polls) {
                            own_call(calls, queue, index)
                        } else {
                            *shared |= bit;
                            call.get_or_insert_with(|| Call::new(queue, Woken::Block(*block)))
                        };
                        call.watch(yields, |waker| poll(slot, &mut Context::from_waker(waker)))
                    }
                };
                match result {
                    Poll::Pending => {}
                    Poll::Ready(None) => ended |= bit,
                    Poll::Ready(Some(value)) => found = Some((at as usize, value)),
                }
                found.is_none()
            });
        }
        self.ended(ended);
        found
    }

    /// Their wakers wake nobody any more.
    #[inline]
    pub(super) fn ended(&mut self, ended: u32) {
        self.running &= !ended;
        self.fresh &= !ended;
        self.shared &= !ended;
        if self.shared | self.fresh == 0 {
            self.call = None;
        }
        for (at, call) in self.calls.iter_mut().enumerate() {
            if ended & 1 << at != 0 {
                // Without strangers that could call it, it is good for the next.
                call.take_if(|call| !call.is_unshared());
            }
        }
    }

    /// Takes what is in a place out of it, which is vacant then.
    pub(super) fn release<T>(
        &mut self,
        at: usize,
        take: impl FnOnce(Pin<&mut Slot<F, O>>) -> T,
    ) -> Option<T> {
        self.ended(1 << at);
        self.taken &= !(1 << at);
        self.places.as_mut().map(|places| take(places.slot(at)))
    }

    /// Does something with each that runs, in order.
    pub(super) fn for_each(&mut self, mut f: impl FnMut(usize, Pin<&mut F>)) {
        if let Some(places) = &mut self.places {
            places.visit(self.running, |at, slot| {
                if let SlotProjected::Running { future } = slot.project() {
                    f(at as usize, future);
                }
                true
            });
        }
    }
}

/// Whether it has been polled so often with the shared waker; if not, it will be now.
#[inline]
fn is_spent(polled: &mut [u32; 2], bit: u32, shared_polls: u8) -> bool {
    for polled in &mut polled[..usize::from(shared_polls)] {
        if *polled & bit == 0 {
            *polled |= bit;
            return false;
        }
    }
    true
}

/// The child's own, which it gets now if it has none.
fn own_call<'a>(
    calls: &'a mut Vec<Option<Call>>,
    queue: &Arc<Queue>,
    index: usize,
) -> &'a mut Call {
    if calls.is_empty() {
        calls.resize_with(WIDTH, || None);
    }
    calls[index % WIDTH].get_or_insert_with(|| Call::new(queue, Woken::Child(index)))
}
