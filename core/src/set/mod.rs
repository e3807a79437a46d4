//! A set of futures that are polled in place: what combinators and local scopes are made of.
//!
//! `block` is some of them side by side, `places` what they are pinned in, `call` how they are woken.

mod block;
mod call;
mod places;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use block::{Block, Wakers};
pub(crate) use call::is_of_a_set;
use call::{Queue, Woken};
use places::{Slot, SlotProjected, SlotTaken, WIDTH};

use crate::sync::wake;

/// Futures, each with an index that it keeps, and the outcomes of those that have ended, where these
/// are kept.
///
/// A future is polled when it was woken. It needs a waker of its own for that, which is an allocation:
/// so the first polls are made with one that up to 32 share, and all of these are polled when that is
/// called. Whoever ends by then needs none.
///
/// After [`poll_all`](Self::poll_all) all are polled at each turn, in order, with the caller's waker.
pub(crate) struct Set<F, O = ()> {
    blocks: Blocks<F, O>,
    /// The blocks that have room, what is filled next last.
    open: Vec<usize>,
    running: usize,
    /// So many polls of each, at most two, are made with the waker that its block shares.
    shared_polls: u8,
    by_turn: bool,
    /// Made when the first is polled.
    queue: Option<Arc<Queue>>,
    /// Those that were woken and have not been polled yet.
    batch: VecDeque<Woken>,
    /// Of the block that is being gone through, those that come next.
    block: usize,
    left: u32,
}

/// One needs no list.
enum Blocks<F, O> {
    One(Block<F, O>),
    Many(Vec<Block<F, O>>),
}

impl<F, O> Set<F, O> {
    pub(crate) fn new(shared_polls: u8) -> Self {
        Self {
            blocks: Blocks::One(Block::new()),
            open: vec![],
            running: 0,
            shared_polls,
            by_turn: false,
            queue: None,
            batch: VecDeque::new(),
            block: 0,
            left: 0,
        }
    }

    /// With these, whose indexes are in their order.
    pub(crate) fn of(shared_polls: u8, futures: impl IntoIterator<Item = F>) -> Self {
        let (mut set, mut futures) = (Self::new(shared_polls), futures.into_iter());
        let mut at = 0;
        while futures.size_hint().1 != Some(0) {
            let many = futures.size_hint().0.max(set.running);
            let block = set.blocks.get_or_add(at);
            block.fill(many, &mut futures);
            set.running += block.running.count_ones() as usize;
            if !block.is_full() {
                set.open.push(at);
                break;
            }
            at += 1;
        }
        set.list();
        set
    }

    /// How many run.
    pub(crate) fn len(&self) -> usize {
        self.running
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.running == 0
    }

    /// Puts it into a vacant place, and gives its index, which may have been another's.
    pub(crate) fn push(&mut self, future: F) -> usize {
        let at_block = self.open_block();
        let block = self.blocks.get_or_add(at_block);
        let at = block.push(self.running, future);
        if block.is_full() {
            self.open.pop();
        }
        if block.lists() {
            self.batch.push_back(Woken::Fresh(at_block));
        }
        self.running += 1;
        at_block * WIDTH + at
    }

    /// The same for one that will surely be pending: it gets a waker of its own.
    pub(crate) fn push_pending(&mut self, future: F) {
        let index = self.push(future);
        self.blocks.get_or_add(index / WIDTH).set_own(index % WIDTH);
    }

    fn open_block(&mut self) -> usize {
        if let Some(block) = self.open.last() {
            return *block;
        }
        let blocks = self.blocks.all();
        let new = if blocks[0].places.is_none() { 0 } else { blocks.len() };
        self.open.push(new);
        new
    }

    /// From now on all are polled at each turn.
    pub(crate) fn poll_all(&mut self) {
        self.by_turn = true;
        self.batch = VecDeque::new();
    }

    /// All are to be polled again.
    pub(crate) fn restart(&mut self) {
        self.by_turn &= self.running <= WIDTH;
        self.left = 0;
        if !self.by_turn {
            self.list();
        }
    }

    /// All are polled as if they never were.
    fn list(&mut self) {
        for (at, block) in self.blocks.all().iter_mut().enumerate() {
            block.fresh = block.running;
            if block.lists() {
                self.batch.push_back(Woken::Fresh(at));
            }
        }
    }

    /// A turn begins.
    pub(crate) fn begin(&mut self) {
        if self.by_turn {
            self.block = 0;
            self.left = self.blocks.all()[0].running;
        }
    }

    /// Polls those that were woken, up to the first that has ended, which stays in its place. `None` if
    /// nobody runs.
    ///
    /// Those that are woken meanwhile are polled as well, unless one has woken itself: then the executor
    /// has its turn (C1).
    pub(crate) fn poll_ended<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(Pin<&mut F>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<Option<(usize, T)>> {
        self.poll_slots(cx, |slot, cx| match slot.project() {
            SlotProjected::Running { future } => poll(future, cx).map(Some),
            _ => Poll::Pending,
        })
    }

    /// The same for all, whose outcomes are kept, up to the first of which `stops` is true.
    pub(crate) fn poll_kept(
        &mut self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(Pin<&mut F>, &mut Context<'_>) -> Poll<O>,
        stops: impl Fn(&O) -> bool,
    ) -> Poll<Option<(usize, O)>> {
        self.poll_slots(cx, |mut slot, cx| {
            let SlotProjected::Running { future } = slot.as_mut().project() else {
                return Poll::Pending;
            };
            poll(future, cx).map(|outcome| {
                if stops(&outcome) {
                    return Some(outcome);
                }
                slot.set(Slot::Kept { outcome });
                None
            })
        })
    }

    #[inline]
    fn poll_slots<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(Pin<&mut Slot<F, O>>, &mut Context<'_>) -> Poll<Option<T>>,
    ) -> Poll<Option<(usize, T)>> {
        let (most, mut polled, mut yields) = (self.running, 0, false);
        loop {
            while self.left != 0 || self.next_block() {
                let (at_block, mask) = (self.block, self.left);
                polled += mask.count_ones() as usize;
                let ended = self.poll_block(mask, cx, &mut yields, &mut poll);
                if let Some((at, value)) = ended {
                    // Those after it.
                    self.left = mask & !(u32::MAX >> (WIDTH - 1 - at));
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

    #[inline]
    fn poll_block<T>(
        &mut self,
        mask: u32,
        cx: &mut Context<'_>,
        yields: &mut bool,
        poll: &mut impl FnMut(Pin<&mut Slot<F, O>>, &mut Context<'_>) -> Poll<Option<T>>,
    ) -> Option<(usize, T)> {
        let (at, shared_polls) = (self.block, self.shared_polls);
        let wakers = match self.by_turn {
            true => Wakers::Callers,
            false => {
                let queue = self.queue.get_or_insert_default();
                Wakers::Own { queue, block: at, shared_polls }
            }
        };
        let block = self.blocks.all().get_mut(at)?;
        let before = block.running.count_ones();
        let found = block.poll(mask, cx, &wakers, yields, poll);
        self.running -= (before - block.running.count_ones()) as usize;
        found
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

    /// Drops what is in the place.
    pub(crate) fn vacate(&mut self, index: usize) {
        self.release(index, |mut slot| slot.set(Slot::Vacant));
    }

    /// Takes it out of its place.
    pub(crate) fn take(&mut self, index: usize) -> Option<F>
    where
        F: Unpin,
    {
        self.release(index, |slot| match std::mem::take(slot.get_mut()) {
            Slot::Running { future } => Some(future),
            _ => None,
        })?
    }

    fn release<T>(
        &mut self,
        index: usize,
        take: impl FnOnce(Pin<&mut Slot<F, O>>) -> T,
    ) -> Option<T> {
        let at_block = index / WIDTH;
        let block = self.blocks.all().get_mut(at_block)?;
        let was_full = block.is_full();
        self.running -= 1;
        let taken = block.release(index % WIDTH, take);
        let is_empty = block.taken == 0;
        if was_full {
            self.open.push(at_block);
        }
        if is_empty {
            self.shrink(at_block);
        }
        taken
    }

    /// Frees an empty block, but for one.
    fn shrink(&mut self, empty: usize) {
        if self.running == 0 {
            self.left = 0;
            self.open.retain(|block| *block == 0);
            if let Blocks::Many(blocks) = &mut self.blocks {
                blocks.truncate(1);
            }
        } else if self.open.last() != Some(&empty) {
            self.blocks.all()[empty].places = None;
        }
    }

    /// Does something with each that runs, in order.
    pub(crate) fn for_each(&mut self, mut f: impl FnMut(usize, Pin<&mut F>)) {
        for (at_block, block) in self.blocks.all().iter_mut().enumerate() {
            block.for_each(|at, future| f(at_block * WIDTH + at, future));
        }
    }

    /// Takes out all that run, in order, with their indexes.
    pub(crate) fn drain(&mut self) -> Vec<(usize, F)>
    where
        F: Unpin,
    {
        let mut indexes = Vec::with_capacity(self.running);
        self.for_each(|index, _| indexes.push(index));
        indexes.into_iter().filter_map(|index| Some((index, self.take(index)?))).collect()
    }

    /// Takes out the outcomes that were kept, in order. Nobody runs.
    #[inline]
    pub(crate) fn take_kept(&mut self, mut f: impl FnMut(O)) {
        for block in self.blocks.all() {
            let Some(places) = &mut block.places else { continue };
            places.visit(block.taken, |_, slot| {
                if let SlotTaken::Kept { outcome } = slot.project_replace(Slot::Vacant) {
                    f(outcome);
                }
                true
            });
        }
    }
}

impl<F, O> Blocks<F, O> {
    #[inline]
    fn all(&mut self) -> &mut [Block<F, O>] {
        match self {
            Self::One(block) => std::slice::from_mut(block),
            Self::Many(blocks) => blocks,
        }
    }

    /// `at` is at most the one after the last.
    fn get_or_add(&mut self, at: usize) -> &mut Block<F, O> {
        if at >= self.all().len() {
            self.add();
        }
        &mut self.all()[at]
    }

    fn add(&mut self) {
        if let Self::One(block) = self {
            let first = std::mem::replace(block, Block::new());
            *self = Self::Many(vec![first]);
        }
        if let Self::Many(blocks) = self {
            blocks.push(Block::new());
        }
    }
}

impl<F, O> Drop for Set<F, O> {
    fn drop(&mut self) {
        if let Some(queue) = &self.queue {
            queue.close();
        }
    }
}
