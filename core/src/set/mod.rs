//! A set of futures that are polled in place: what combinators and local scopes are made of.
//!
//! `places` is what they are pinned in, `call` how they are woken.

mod call;
mod places;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

pub(crate) use call::is_of_a_set;
use call::{Call, Queue, Woken};
use places::{Places, Slot, SlotProjected, SlotTaken, WIDTH};

use crate::sync::wake;

/// Futures, each with an index that it keeps, and the outcomes of those that have ended, where these
/// are kept.
///
/// A future is polled when it was woken. It needs a waker of its own for that, which is an allocation:
/// so the first polls are made with one that up to 32 share, and all of these are polled when that is
/// called. Whoever ends by then needs none.
///
/// Where [`poll_all`](Self::poll_all) was called all are polled at each turn, in order, with the
/// caller's waker.
pub(crate) struct Set<F, O = ()> {
    blocks: Vec<Block<F, O>>,
    /// The blocks that have room, what is filled next last.
    open: Vec<usize>,
    running: usize,
    /// So many polls of each are made with the waker that its block shares.
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

struct Block<F, O> {
    /// `None` while it is empty.
    places: Option<Places<F, O>>,
    /// The bits of those places that are not vacant; of these, those whose futures run; of these, those
    /// that were never polled, and those that may be woken by the shared waker: for as long as they run,
    /// because some keep the first that they get.
    taken: u32,
    running: u32,
    fresh: u32,
    shared: u32,
    /// Whether it is in the batch because of its fresh ones.
    is_listed: bool,
    call: Option<Call>,
    /// Empty until one needs its own.
    calls: Vec<Option<Call>>,
    polls: [u8; WIDTH],
}

impl<F, O> Set<F, O> {
    pub(crate) fn new(shared_polls: u8) -> Self {
        Self {
            blocks: Vec::new(),
            open: Vec::new(),
            running: 0,
            shared_polls,
            by_turn: false,
            queue: None,
            batch: VecDeque::new(),
            block: 0,
            left: 0,
        }
    }

    /// With these, from zero on.
    pub(crate) fn of(shared_polls: u8, futures: impl IntoIterator<Item = F>) -> Self {
        let futures = futures.into_iter();
        let (least, mut set) = (futures.size_hint().0, Self::new(shared_polls));
        for future in futures {
            set.push_of(future, least.saturating_sub(set.running));
        }
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
        self.push_of(future, 1)
    }

    /// The same for one that will surely be pending: it gets a waker of its own.
    pub(crate) fn push_pending(&mut self, future: F) {
        let at = self.push_of(future, 1);
        self.blocks[at / WIDTH].polls[at % WIDTH] = u8::MAX;
    }

    fn push_of(&mut self, future: F, many: usize) -> usize {
        let at_block = self.open_block();
        let many = many.max(self.running);
        let block = &mut self.blocks[at_block];
        let places = block.places.get_or_insert_with(|| Places::new(many));
        let mask = places.mask();
        let at = (mask & !block.taken).trailing_zeros() as usize;
        places.slot(at).set(Slot::Running { future });
        let bit = 1 << at;
        block.taken |= bit;
        block.running |= bit;
        block.fresh |= bit;
        block.polls[at] = 0;
        if !std::mem::replace(&mut block.is_listed, true) {
            self.batch.push_back(Woken::Fresh(at_block));
        }
        if block.taken == mask {
            self.open.pop();
        }
        self.running += 1;
        at_block * WIDTH + at
    }

    fn open_block(&mut self) -> usize {
        if let Some(block) = self.open.last() {
            return *block;
        }
        self.blocks.push(Block::new());
        self.open.push(self.blocks.len() - 1);
        self.blocks.len() - 1
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
        if self.by_turn {
            return;
        }
        for (at, block) in self.blocks.iter_mut().enumerate() {
            block.fresh = block.running;
            if block.fresh != 0 && !std::mem::replace(&mut block.is_listed, true) {
                self.batch.push_back(Woken::Fresh(at));
            }
        }
    }

    /// A turn begins.
    pub(crate) fn begin(&mut self) {
        if self.by_turn {
            self.block = 0;
            self.left = self.blocks.first().map_or(0, |block| block.running);
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
        let (most, mut polled, mut yields) = (self.running, 0, false);
        loop {
            while let Some(index) = self.next() {
                polled += 1;
                if let Poll::Ready(value) = self.poll_one(index, cx, &mut yields, &mut poll) {
                    return Poll::Ready(Some((index, value)));
                }
            }
            if self.running == 0 {
                return Poll::Ready(None);
            }
            if !self.goes_on(yields || polled > most, cx) {
                return Poll::Pending;
            }
        }
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

    /// The next that is to be polled.
    #[inline]
    fn next(&mut self) -> Option<usize> {
        loop {
            if self.left != 0 {
                let at = self.left.trailing_zeros() as usize;
                self.left &= self.left - 1;
                return Some(self.block * WIDTH + at);
            }
            if let Some(child) = self.next_block()? {
                return Some(child);
            }
        }
    }

    /// Goes on to the next block, or to a child that was woken alone.
    fn next_block(&mut self) -> Option<Option<usize>> {
        if self.by_turn {
            self.block += 1;
            self.left = self.blocks.get(self.block)?.running;
            return Some(None);
        }
        let woken = self.batch.pop_front()?;
        let (Woken::Fresh(at) | Woken::Block(at)) = woken else {
            return Some(self.woken_alone(woken));
        };
        let Some(block) = self.blocks.get_mut(at) else {
            return Some(None);
        };
        self.block = at;
        self.left = block.woken(woken);
        Some(None)
    }

    fn woken_alone(&mut self, woken: Woken) -> Option<usize> {
        let Woken::Child(index) = woken else { return None };
        let block = self.blocks.get(index / WIDTH)?;
        block.calls.get(index % WIDTH)?.as_ref()?.lower();
        Some(index)
    }

    #[inline]
    fn poll_one<T>(
        &mut self,
        index: usize,
        cx: &mut Context<'_>,
        yields: &mut bool,
        poll: &mut impl FnMut(Pin<&mut F>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let at = index % WIDTH;
        let Some(block) = self.blocks.get_mut(index / WIDTH) else {
            return Poll::Pending;
        };
        if self.by_turn {
            return block.future(at).map_or(Poll::Pending, |future| poll(future, cx));
        }
        let queue = self.queue.get_or_insert_default();
        block.poll(queue, index, self.shared_polls, yields, poll)
    }

    /// Drops what is in the place.
    pub(crate) fn vacate(&mut self, index: usize) {
        self.release(index, |mut slot| slot.set(Slot::Vacant));
    }

    /// Keeps the outcome in place of the future.
    #[inline]
    pub(crate) fn keep(&mut self, index: usize, outcome: O) {
        let (block, at) = (&mut self.blocks[index / WIDTH], index % WIDTH);
        block.ended(at);
        self.running -= 1;
        if let Some(places) = &mut block.places {
            places.slot(at).set(Slot::Kept { outcome });
        }
    }

    /// Takes it out of its place.
    pub(crate) fn take(&mut self, index: usize) -> Option<F>
    where
        F: Unpin,
    {
        self.release(index, |slot| match std::mem::take(slot.get_mut()) {
            Slot::Running { future } => Some(future),
            _ => None,
        })
    }

    fn release<T: Default>(
        &mut self,
        index: usize,
        take: impl FnOnce(Pin<&mut Slot<F, O>>) -> T,
    ) -> T {
        let (at_block, at) = (index / WIDTH, index % WIDTH);
        let block = &mut self.blocks[at_block];
        let was_full = block.is_full();
        block.ended(at);
        block.taken &= !(1 << at);
        self.running -= 1;
        let taken = block.places.as_mut().map(|places| take(places.slot(at)));
        if was_full {
            self.open.push(at_block);
        }
        if block.taken == 0 {
            self.shrink(at_block);
        }
        taken.unwrap_or_default()
    }

    /// Frees an empty block, but for one.
    fn shrink(&mut self, empty: usize) {
        if self.running == 0 {
            self.left = 0;
            self.blocks.truncate(1);
            self.open.retain(|block| *block == 0);
        } else if self.open.last() != Some(&empty) {
            self.blocks[empty].places = None;
        }
    }

    /// The indexes of those that run, in order.
    fn indexes(&self) -> Vec<usize> {
        let blocks = self.blocks.iter().enumerate();
        blocks
            .flat_map(|(block, Block { running, .. })| {
                let set = (0..WIDTH).filter(move |at| running & (1 << at) != 0);
                set.map(move |at| block * WIDTH + at)
            })
            .collect()
    }

    /// Does something with each that runs, in order.
    pub(crate) fn for_each(&mut self, mut f: impl FnMut(Pin<&mut F>)) {
        for index in self.indexes() {
            if let Some(future) = self.blocks[index / WIDTH].future(index % WIDTH) {
                f(future);
            }
        }
    }

    /// Takes out all that run, in order, with their indexes.
    pub(crate) fn drain(&mut self) -> Vec<(usize, F)>
    where
        F: Unpin,
    {
        let indexes = self.indexes();
        indexes.into_iter().filter_map(|index| Some((index, self.take(index)?))).collect()
    }

    /// Takes out the outcomes that were kept, in order. What runs is dropped.
    pub(crate) fn take_kept(&mut self) -> impl Iterator<Item = O> + use<F, O> {
        self.running = 0;
        let places = std::mem::take(&mut self.blocks).into_iter().filter_map(|block| block.places);
        places.flat_map(|mut places| {
            let mut left = places.mask();
            std::iter::from_fn(move || {
                while left != 0 {
                    let at = left.trailing_zeros() as usize;
                    left &= left - 1;
                    let taken = places.slot(at).project_replace(Slot::Vacant);
                    if let SlotTaken::Kept { outcome } = taken {
                        return Some(outcome);
                    }
                }
                None
            })
        })
    }
}

impl<F, O> Drop for Set<F, O> {
    fn drop(&mut self) {
        if let Some(queue) = &self.queue {
            queue.close();
        }
    }
}

impl<F, O> Block<F, O> {
    fn new() -> Self {
        Self {
            places: None,
            taken: 0,
            running: 0,
            fresh: 0,
            shared: 0,
            is_listed: false,
            call: None,
            calls: Vec::new(),
            polls: [0; WIDTH],
        }
    }

    fn is_full(&self) -> bool {
        self.places.as_ref().is_none_or(|places| places.mask() == self.taken)
    }

    /// `None` if it does not run.
    #[inline]
    fn future(&mut self, at: usize) -> Option<Pin<&mut F>> {
        match self.places.as_mut()?.slot(at).project() {
            SlotProjected::Running { future } => Some(future),
            _ => None,
        }
    }

    /// Those that are to be polled.
    fn woken(&mut self, woken: Woken) -> u32 {
        if let Woken::Fresh(_) = woken {
            self.is_listed = false;
            return self.fresh;
        }
        self.call.as_ref().map_or(0, |call| {
            call.lower();
            self.shared & !self.fresh
        })
    }

    #[inline]
    fn poll<T>(
        &mut self,
        queue: &Arc<Queue>,
        index: usize,
        shared_polls: u8,
        yields: &mut bool,
        poll: &mut impl FnMut(Pin<&mut F>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let (at, bit) = (index % WIDTH, 1 << (index % WIDTH));
        if self.running & bit == 0 {
            return Poll::Pending;
        }
        self.fresh &= !bit;
        let call = if self.polls[at] < shared_polls {
            self.polls[at] += 1;
            self.shared |= bit;
            self.call.get_or_insert_with(|| Call::new(queue, Woken::Block(index / WIDTH)))
        } else {
            own_call(&mut self.calls, queue, index)
        };
        let Some(SlotProjected::Running { future }) =
            self.places.as_mut().map(|places| places.slot(at).project())
        else {
            return Poll::Pending;
        };
        let was_raised = call.is_raised();
        let polled = poll(future, &mut Context::from_waker(call.waker()));
        *yields |= polled.is_pending() && !was_raised && call.is_raised();
        polled
    }

    /// Its wakers wake nobody any more.
    #[inline]
    fn ended(&mut self, at: usize) {
        let bit = 1 << at;
        self.running &= !bit;
        self.fresh &= !bit;
        self.shared &= !bit;
        if let Some(call) = self.calls.get_mut(at) {
            // Without strangers that could call it, it is good for the next.
            call.take_if(|call| !call.is_unshared());
        }
        if self.shared | self.fresh == 0 {
            self.call = None;
        }
    }
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
