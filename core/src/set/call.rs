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
pub(super) struct Queue {
    /// Locked to push, to take and to park. No waker is called or dropped under it.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    woken: VecDeque<Woken>,
    /// Of the one who polls the set, while nobody is woken.
    parent: Option<Waker>,
}

impl Queue {
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
struct Signal {
    queue: Arc<Queue>,
    whom: Woken,
    /// Whether it is in the queue, or counts no more. A wake swaps it in, which releases what was done
    /// before; a poll swaps it out and acquires that, also from wakes that found it raised.
    raised: AtomicBool,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Who is polled on this thread is polled again after this one, by whoever lowers it.
        if self.raised.load(Ordering::Relaxed) && is_polled_here(self.address()) {
            return;
        }
        if !self.raised.swap(true, Ordering::AcqRel) {
            self.queue.push(self.whom);
        }
    }
}

impl Signal {
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

crate::sync::thread_local! {
    /// The signal with which somebody is polled on this thread, innermost; zero if nobody is.
    static POLLED: Cell<usize> = const { Cell::new(0) };
}

#[inline]
fn is_polled_here(signal: usize) -> bool {
    signal != 0 && POLLED.try_with(|polled| polled.get() == signal).unwrap_or(false)
}

#[inline]
fn replace_polled(signal: usize) -> usize {
    POLLED.try_with(|polled| polled.replace(signal)).unwrap_or(0)
}

/// A signal as the set keeps it. Dropped, it wakes nobody any more.
pub(super) struct Call {
    signal: Arc<Signal>,
    waker: Waker,
}

impl Call {
    pub(super) fn new(queue: &Arc<Queue>, whom: Woken) -> Self {
        let (queue, raised) = (queue.clone(), AtomicBool::new(false));
        let signal = Arc::new(Signal { queue, whom, raised });
        Self { waker: signal.clone().into(), signal }
    }

    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Comes before a poll with its waker, after which it is dropped.
    #[inline]
    pub(super) fn watch(&self) -> Watch<'_> {
        let outer = replace_polled(self.signal.address());
        Watch { call: self, was_raised: self.is_raised(), outer }
    }

    /// Whether somebody was woken by it, who has not been polled since. A hint.
    fn is_raised(&self) -> bool {
        self.signal.raised.load(Ordering::Relaxed)
    }

    /// Whether nobody else has a waker of it.
    pub(super) fn is_unshared(&self) -> bool {
        Arc::strong_count(&self.signal) == 2
    }

    /// Comes before the poll of those whom it has woken.
    pub(super) fn lower(&self) {
        self.signal.raised.swap(false, Ordering::AcqRel);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.signal.raised.store(true, Ordering::Relaxed);
    }
}

/// A poll with a call's waker; the thread's record of it is as before after it, also after a panic.
pub(super) struct Watch<'a> {
    call: &'a Call,
    was_raised: bool,
    outer: usize,
}

impl Watch<'_> {
    /// Whether the waker was called since the poll began.
    #[inline]
    pub(super) fn has_called(self) -> bool {
        !self.was_raised && self.call.is_raised()
    }
}

impl Drop for Watch<'_> {
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
