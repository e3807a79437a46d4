//! A set of futures that are polled in place: what combinators and local scopes are made of.
//!
//! `block` is some of them side by side, `places` what they are pinned in, `wakers` how they are woken,
//! `poll` how it goes through them.

mod block;
mod places;
mod poll;
mod wakers;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use block::Block;
use places::{Slot, SlotTaken, WIDTH};
pub(crate) use wakers::is_of_a_set;
use wakers::{ReadyQueue, Woken};

use crate::panics::CatchEach;

/// Futures, each with an index that it keeps, and the outcomes of those that have ended, where these
/// are kept.
///
/// A future is polled when it was woken. It needs a waker of its own for that, which is an allocation:
/// so the first polls are made with one that up to 32 share, and all of these are polled when that is
/// called. Whoever ends by then needs none.
///
/// After [`poll_all`](Self::poll_all) all are polled at each turn, in order, with the caller's waker.
pub(crate) struct Set<F, O = Infallible> {
    blocks: Blocks<F, O>,
    /// The blocks before the last that have room, what is filled next last.
    open: Vec<usize>,
    running: usize,
    /// So many polls of each, at most two, are made with the waker that its block shares.
    shared_polls: u8,
    by_turn: bool,
    /// Made when the first is polled.
    queue: Option<Arc<ReadyQueue>>,
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
    #[inline]
    pub(crate) fn of(shared_polls: u8, futures: impl IntoIterator<Item = F>) -> Self {
        let mut set = Self::new(shared_polls);
        set.extend(futures);
        set
    }

    /// Puts them into vacant places.
    #[inline]
    pub(crate) fn extend(&mut self, futures: impl IntoIterator<Item = F>) {
        // A row asks for as many as it has places, also after there was none.
        let mut futures = futures.into_iter().fuse();
        while futures.size_hint().1 != Some(0) {
            let (at, many) = (self.open_block(), futures.size_hint().0.max(self.running));
            let block = self.blocks.get_or_add(at);
            self.running += block.fill(many, &mut futures);
            let has_room = !block.is_full();
            self.filled(at);
            if has_room {
                break;
            }
        }
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
        let many = self.running;
        let block = self.blocks.get_or_add(at_block);
        let at = block.push(many, future);
        self.running += 1;
        self.filled(at_block);
        at_block * WIDTH + at
    }

    /// Some were put into this block, the one that was to be filled next.
    fn filled(&mut self, at_block: usize) {
        let block = &mut self.blocks.all()[at_block];
        if self.queue.is_some() && block.lists() {
            self.batch.push_back(Woken::Fresh(at_block));
        }
        if block.is_full() && self.open.last() == Some(&at_block) {
            self.open.pop();
        }
    }

    /// The same for one that will surely be pending: it gets a waker of its own.
    pub(crate) fn push_pending(&mut self, future: F) {
        let index = self.push(future);
        self.blocks.get_or_add(index / WIDTH).set_own(index % WIDTH);
    }

    /// The one that is filled next, which may be the one after the last.
    #[inline]
    fn open_block(&mut self) -> usize {
        if let Some(block) = self.open.last() {
            return *block;
        }
        let blocks = self.blocks.all();
        blocks.len() - usize::from(blocks.last().is_some_and(|last| !last.is_full()))
    }

    /// From now on all are polled at each turn.
    pub(crate) fn poll_all(&mut self) {
        self.by_turn = true;
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

    /// Takes one that has ended out of its place.
    pub(crate) fn take(&mut self, index: usize) -> Option<F>
    where
        F: Unpin,
    {
        let (at_block, at) = (index / WIDTH, index % WIDTH);
        let slot = self.blocks.all().get_mut(at_block)?.slot(at)?;
        let slot = std::mem::take(slot.get_mut());
        self.vacated(at_block, 1 << at);
        match slot {
            Slot::Running { future } => Some(future),
            _ => None,
        }
    }

    /// These places are vacant now; nobody there runs.
    #[inline]
    fn vacated(&mut self, at_block: usize, places: u32) {
        let blocks = self.blocks.all();
        let is_last = at_block + 1 == blocks.len();
        let Some(block) = blocks.get_mut(at_block) else { return };
        let was_full = block.is_full();
        block.taken &= !places;
        let is_empty = block.taken == 0;
        if was_full && !is_last {
            self.open.push(at_block);
        }
        if is_empty {
            self.shrink(at_block);
        }
    }

    /// Frees an empty block, unless it is to be filled next: then the one that would be after it, if that
    /// is empty.
    #[cold]
    fn shrink(&mut self, empty: usize) {
        if self.running == 0 {
            self.left = 0;
            self.open.clear();
            if let Blocks::Many(blocks) = &mut self.blocks {
                blocks.truncate(1);
            }
        } else if self.open_block() != empty {
            self.blocks.all()[empty].free();
        } else if let [.., below, _] = self.open[..] {
            let block = &mut self.blocks.all()[below];
            if block.taken == 0 {
                block.free();
            }
        }
    }

    /// Does something with each that runs, in order.
    pub(crate) fn for_each(&mut self, mut f: impl FnMut(Pin<&mut F>)) {
        for block in self.blocks.all() {
            block.for_each(&mut f);
        }
    }

    /// Takes out all that run, in order, with their indexes. Nothing else is in it.
    pub(crate) fn drain(&mut self) -> Vec<(usize, F)>
    where
        F: Unpin,
    {
        let mut all = Vec::with_capacity(self.running);
        for (at_block, block) in self.blocks.all().iter_mut().enumerate() {
            block.drain(|at, future| all.push((at_block * WIDTH + at, future)));
        }
        self.running = 0;
        self.shrink(0);
        all
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
            block.taken = 0;
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
        let mut each = CatchEach::default();
        for block in self.blocks.all() {
            while each.panics(|| block.clear()) {}
        }
        each.finish();
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Future, Ready, ready};
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// One that is ready, and one that never is.
    type Either = futures_util::future::Either<Ready<()>, std::future::Pending<()>>;

    #[test]
    fn blocks_that_have_become_empty_are_freed() {
        let ready = |_| Either::Left(ready(()));
        let waits = Either::Right(std::future::pending());
        let mut set: Set<Either> = Set::of(1, (0..100 * WIDTH).map(ready).chain([waits]));
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(_)) = set.poll_next(&mut cx, Future::poll) {}
        assert_eq!(set.len(), 1);
        let kept = set.blocks.all().iter().filter(|block| block.places.is_some()).count();
        assert!(kept <= 2, "{kept} blocks are kept");
    }
}
