//! How a set goes through its futures: those that were woken, or all in turn.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::Set;
use super::block::{Polled, Wakers};
use super::places::{Slot, SlotProjected, WIDTH};
use super::wakers::Woken;
use crate::sync::wake;

/// What ended stays in its place, or has left it.
const STAYS: bool = false;
const LEAVES: bool = true;

impl<F, O> Set<F, O> {
    /// A turn begins.
    pub(crate) fn begin(&mut self) {
        if self.by_turn {
            self.block = 0;
            self.left = self.blocks.all()[0].running;
        }
    }

    /// Polls those that were woken, up to the first that has ended, which leaves its place. `None` if
    /// nobody runs.
    ///
    /// Those that are woken meanwhile are polled as well, unless one has woken itself: then the executor
    /// has its turn (C1).
    #[inline]
    pub(crate) fn poll_next<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(Pin<&mut F>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<Option<(usize, T)>> {
        self.poll_slots::<LEAVES, _>(cx, |mut slot, cx| {
            let value = ready!(poll_running(slot.as_mut(), cx, &mut poll));
            slot.set(Slot::Vacant);
            Poll::Ready(Some(value))
        })
    }

    /// The same, but what has ended stays in its place until it is [taken](Self::take).
    pub(crate) fn poll_ended<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(Pin<&mut F>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<Option<(usize, T)>> {
        self.poll_slots::<STAYS, _>(cx, |mut slot, cx| {
            poll_running(slot.as_mut(), cx, &mut poll).map(Some)
        })
    }

    /// The same for all, which leave their places, up to the first after which `stops` is true.
    #[inline]
    pub(crate) fn poll_each(
        &mut self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(Pin<&mut F>, &mut Context<'_>) -> Poll<()>,
        mut stops: impl FnMut() -> bool,
    ) -> Poll<Option<()>> {
        let stopped = ready!(self.poll_slots::<LEAVES, _>(cx, |mut slot, cx| {
            ready!(poll_running(slot.as_mut(), cx, &mut poll));
            slot.set(Slot::Vacant);
            Poll::Ready(stops().then_some(()))
        }));
        Poll::Ready(stopped.map(|(_, ())| ()))
    }

    /// The same for all, whose outcomes are kept, up to the first of which `stops` is true.
    #[inline]
    pub(crate) fn poll_kept(
        &mut self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(Pin<&mut F>, &mut Context<'_>) -> Poll<O>,
        stops: impl Fn(&O) -> bool,
    ) -> Poll<Option<O>> {
        let stopped = ready!(self.poll_slots::<STAYS, _>(cx, |mut slot, cx| {
            let outcome = ready!(poll_running(slot.as_mut(), cx, &mut poll));
            if stops(&outcome) {
                slot.set(Slot::Vacant);
                return Poll::Ready(Some(outcome));
            }
            slot.set(Slot::Kept { outcome });
            Poll::Ready(None)
        }));
        Poll::Ready(stopped.map(|(index, outcome)| {
            self.vacated(index / WIDTH, 1 << (index % WIDTH));
            outcome
        }))
    }

    #[inline]
    fn poll_slots<const LEAVE: bool, T>(
        &mut self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(Pin<&mut Slot<F, O>>, &mut Context<'_>) -> Poll<Option<T>>,
    ) -> Poll<Option<(usize, T)>> {
        if self.queue.is_none() && !self.by_turn {
            self.begin_to_wake();
        }
        let (most, mut polled, mut yields) = (self.running, 0, false);
        loop {
            while self.left != 0 || self.next_block() {
                let (at_block, mask) = (self.block, self.left);
                let came = self.poll_block(mask, cx, &mut yields, &mut poll);
                polled += came.those.count_ones() as usize;
                self.left = mask & !came.those;
                if came.ended != 0 {
                    self.running -= came.ended.count_ones() as usize;
                    if LEAVE {
                        self.vacated(at_block, came.ended);
                    }
                }
                if let Some((at, value)) = came.found {
                    return Poll::Ready(Some((at_block * WIDTH + at, value)));
                }
                self.left = 0;
            }
            if self.running == 0 {
                return Poll::Ready(None);
            }
            if !self.goes_on(yields || polled > most, cx) {
                return Poll::Pending;
            }
        }
    }

    /// From now on it knows who was woken.
    #[cold]
    fn begin_to_wake(&mut self) {
        self.queue = Some(Arc::default());
        self.list();
    }

    #[inline]
    fn poll_block<T>(
        &mut self,
        mask: u32,
        cx: &mut Context<'_>,
        yields: &mut bool,
        poll: impl FnMut(Pin<&mut Slot<F, O>>, &mut Context<'_>) -> Poll<Option<T>>,
    ) -> Polled<T> {
        // Woken was perhaps one whose block has gone.
        let Some(block) = self.blocks.all().get_mut(self.block) else {
            return Polled::new();
        };
        let wakers = self.queue.as_ref().filter(|_| !self.by_turn).map(|queue| Wakers {
            queue,
            block: self.block,
            shared_polls: self.shared_polls,
        });
        block.poll(mask, cx, wakers.as_ref(), yields, poll)
    }

    /// Goes on to the next block, or to a child that was woken alone.
    fn next_block(&mut self) -> bool {
        if self.by_turn {
            let next = self.blocks.all().get(self.block + 1).map(|block| block.running);
            self.block += usize::from(next.is_some());
            self.left = next.unwrap_or(0);
            return next.is_some();
        }
        let Some(woken) = self.batch.pop_front() else {
            return false;
        };
        let (block, at) = match woken {
            Woken::Fresh(block) | Woken::Block(block) => (block, None),
            Woken::Child(index) => (index / WIDTH, Some(index % WIDTH)),
        };
        self.block = block;
        self.left = self.blocks.all().get_mut(block).map_or(0, |block| match at {
            None => block.woken(woken),
            Some(at) => block.woken_alone(at),
        });
        true
    }

    /// Whether there are others that were woken.
    fn goes_on(&mut self, gives_way: bool, cx: &mut Context<'_>) -> bool {
        let Some(queue) = self.queue.as_ref().filter(|_| !self.by_turn) else {
            return false;
        };
        if gives_way {
            if !queue.park(cx.waker()) {
                wake(cx.waker().clone());
            }
            return false;
        }
        queue.take(&mut self.batch);
        !self.batch.is_empty() || !queue.park(cx.waker())
    }
}

#[inline]
fn poll_running<F, O, T>(
    slot: Pin<&mut Slot<F, O>>,
    cx: &mut Context<'_>,
    poll: impl FnOnce(Pin<&mut F>, &mut Context<'_>) -> Poll<T>,
) -> Poll<T> {
    match slot.project() {
        SlotProjected::Running { future } => poll(future, cx),
        _ => Poll::Pending,
    }
}
