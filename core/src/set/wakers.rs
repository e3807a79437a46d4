//! Who of a set was woken, in order, and whom to tell of it.

use std::cell::Cell;
use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::task::{Wake, Waker};

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, drop_waker, lock, wake};

/// Whom a waker is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// Those of this block that were not polled yet.
    Fresh(usize),
    /// Those of this block that share its waker.
    Block(usize),
    /// The child with this index, which has its own waker.
    Child(usize),
}

/// Shared by a set and the wakers of its children, which may outlive it.
#[derive(Default)]
pub(super) struct ReadyQueue {
    /// Locked to push, to take and to park. No waker is called or dropped under it.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    woken: VecDeque<Woken>,
    /// Of the one who polls the set, while nobody is woken.
    parent: Option<Waker>,
}

impl ReadyQueue {
    fn push(&self, woken: Woken) {
        let parent = {
            let mut state = lock(&self.state);
            state.woken.push_back(woken);
            state.parent.take()
        };
        if let Some(parent) = parent {
            wake(parent);
        }
    }

    /// Moves those that were woken into `batch`, which is empty. From here on nobody is told.
    pub(super) fn take(&self, batch: &mut VecDeque<Woken>) {
        let parent = {
            let mut state = lock(&self.state);
            mem::swap(&mut state.woken, batch);
            state.parent.take()
        };
        drop_waker(parent);
    }

    /// From here on `parent` is told, unless somebody was woken already.
    pub(super) fn park(&self, parent: &Waker) -> bool {
        let mut parent = Some(parent.clone());
        let parks = {
            let mut state = lock(&self.state);
            let parks = state.woken.is_empty();
            if parks {
                mem::swap(&mut state.parent, &mut parent);
            }
            parks
        };
        drop_waker(parent);
        parks
    }

    /// The set is gone: nobody is told any more.
    pub(super) fn close(&self) {
        let parent = lock(&self.state).parent.take();
        drop_waker(parent);
    }
}

/// What a child's waker is made of.
struct SetWaker {
    queue: Arc<ReadyQueue>,
    whom: Woken,
    /// Whether it is in the queue, or counts no more. A wake swaps it in, which releases what was done
    /// before; a poll swaps it out and acquires that, also from wakes that found it queued.
    queued: AtomicBool,
}

impl Wake for SetWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Who is polled on this thread is polled again after this one, by whoever takes it out of the queue.
        if self.queued.load(Ordering::Relaxed) && is_polled_here(self.address()) {
            return;
        }
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.queue.push(self.whom);
        }
    }
}

impl SetWaker {
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

crate::sync::thread_local! {
    /// The waker with which somebody is polled on this thread, innermost; zero if nobody is.
    static POLLED: Cell<usize> = const { Cell::new(0) };
}

#[inline]
fn is_polled_here(address: usize) -> bool {
    address != 0 && POLLED.try_with(|polled| polled.get() == address).unwrap_or(false)
}

#[inline]
fn replace_polled(address: usize) -> usize {
    POLLED.try_with(|polled| polled.replace(address)).unwrap_or(0)
}

/// A waker as the set keeps it. Dropped, it wakes nobody any more.
pub(super) struct OwnedWaker {
    inner: Arc<SetWaker>,
    waker: Waker,
}

impl OwnedWaker {
    pub(super) fn new(queue: &Arc<ReadyQueue>, whom: Woken) -> Self {
        let (queue, queued) = (queue.clone(), AtomicBool::new(false));
        let inner = Arc::new(SetWaker { queue, whom, queued });
        Self { waker: inner.clone().into(), inner }
    }

    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Comes before a poll with its waker, after which it is dropped.
    #[inline]
    pub(super) fn guard_poll(&self) -> PollGuard<'_> {
        let outer = replace_polled(self.inner.address());
        PollGuard { waker: self, was_queued: self.is_queued(), outer }
    }

    /// Whether somebody was woken by it, who has not been polled since. A hint.
    fn is_queued(&self) -> bool {
        self.inner.queued.load(Ordering::Relaxed)
    }

    /// Whether nobody else has a waker of it.
    pub(super) fn is_unshared(&self) -> bool {
        Arc::strong_count(&self.inner) == 2
    }

    /// Comes before the poll of those whom it has woken.
    pub(super) fn unqueue(&self) {
        self.inner.queued.swap(false, Ordering::AcqRel);
    }
}

impl Drop for OwnedWaker {
    fn drop(&mut self) {
        self.inner.queued.store(true, Ordering::Relaxed);
    }
}

/// A poll with a waker of the set's; the thread's record of it is as before after it, also after a panic.
pub(super) struct PollGuard<'a> {
    waker: &'a OwnedWaker,
    was_queued: bool,
    outer: usize,
}

impl PollGuard<'_> {
    /// Whether the waker was called since the poll began.
    #[inline]
    pub(super) fn has_called(self) -> bool {
        !self.was_queued && self.waker.is_queued()
    }
}

impl Drop for PollGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        replace_polled(self.outer);
    }
}

/// Whether it is the set's waker with which somebody is polled right now: that one does not panic when
/// it is called or dropped.
pub(crate) fn is_of_a_set(waker: &Waker) -> bool {
    // A waker that is made of an `Arc` points to what lies in it.
    is_polled_here(waker.data().addr())
}
