//! The bookkeeping of protection: who is covered by a shield, and what is to be cleaned up.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, Weak};
use std::task::Waker;

use crate::group::{Node, Unit};
use crate::protect::Cleanup;
use crate::stack;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::{Mutex, drop_waker, lock, wake};

/// What protects one unit, or one other future that may be dropped by a cancellation. Made when
/// something below needs it first.
#[derive(Default)]
pub(crate) struct Cover {
    /// Active shields below. Raised in a poll of the covered future, which the executor orders, and
    /// lowered there or before its unit is woken, which the lock of the table orders. Relaxed.
    shields: AtomicUsize,
    /// Of what waits for the shields to end, and is no unit: that is found by its table. Locked to put
    /// it in and to take it out.
    waiting: Mutex<Option<Waker>>,
    /// Locked to push and to take out.
    cleanups: Mutex<Cleanups>,
}

/// In order of registration; taken from the end (C5).
#[derive(Default)]
struct Cleanups {
    list: BTreeMap<u64, Cleanup>,
    /// The number of the next. None is used twice.
    next: u64,
}

impl Cover {
    pub(crate) fn is_active(&self) -> bool {
        self.shields.load(Ordering::Relaxed) > 0
    }

    /// Whether a shield holds up one that is to be dropped, and is woken if it ends elsewhere. The lock
    /// orders the two: who lowers the count looks for a waker after that.
    pub(crate) fn holds_up(&self, waker: &Waker) -> bool {
        if !self.is_active() {
            return false;
        }
        let fresh = waker.clone();
        let old = lock(&self.waiting).replace(fresh);
        drop_waker(old);
        self.is_active()
    }

    /// Whether `holds_up` says so of one that may have no cover.
    pub(crate) fn is_held_up(own: Option<&Arc<Self>>, waker: &Waker) -> bool {
        own.is_some_and(|cover| cover.holds_up(waker))
    }

    /// Wakes who was held up, if no shield is active any more.
    fn free(&self) {
        if !self.is_active() {
            let waiting = lock(&self.waiting).take();
            waiting.into_iter().for_each(wake);
        }
    }

    pub(crate) fn push(self: &Arc<Self>, cleanup: Cleanup) -> Registration {
        let mut cleanups = lock(&self.cleanups);
        let number = cleanups.next;
        cleanups.next += 1;
        cleanups.list.insert(number, cleanup);
        Registration { cover: Arc::downgrade(self), number }
    }

    pub(crate) fn pop(&self) -> Option<Cleanup> {
        lock(&self.cleanups).list.pop_last().map(|(_, cleanup)| cleanup)
    }

    /// Gives all clean-ups to one that has none.
    pub(crate) fn hand_over(&self, heir: &Self) {
        let mut cleanups = lock(&self.cleanups);
        let (list, next) = (mem::take(&mut cleanups.list), cleanups.next);
        drop(cleanups);
        *lock(&heir.cleanups) = Cleanups { list, next };
    }

    pub(crate) fn has_cleanups(&self) -> bool {
        !lock(&self.cleanups).list.is_empty()
    }
}

impl Drop for Cover {
    fn drop(&mut self) {
        drop_waker(lock(&self.waiting).take());
    }
}

/// Where a clean-up is registered.
pub(crate) struct Registration {
    cover: Weak<Cover>,
    number: u64,
}

impl Registration {
    /// There is nothing left for it to do. One that has begun, or was left to others, is not found.
    pub(crate) fn withdraw(&self) {
        let Some(cover) = self.cover.upgrade() else { return };
        let cleanup = lock(&cover.cleanups).list.remove(&self.number);
        drop(cleanup);
    }
}

/// What one shield covers besides the futures above it: the groups that were opened inside it.
pub(crate) struct ShieldState {
    /// Changed under the lock of the table of `node`, so that a cancellation that does not see it
    /// set is seen by whoever sets it.
    ended: AtomicBool,
    /// Groups opened inside, at whatever shield, that have not closed: whether ending it needs a
    /// look at them. Raised in a poll inside the shield, as it is ended. Relaxed.
    open: AtomicUsize,
    /// The shield around this one.
    outer: Option<Arc<ShieldState>>,
    /// Of the unit that shields; `None` outside any.
    node: Option<Arc<Node>>,
}

impl ShieldState {
    /// It, or one around it.
    pub(crate) fn is_active(&self) -> bool {
        self.with_outer().any(|shield| !shield.ended.load(Ordering::Acquire))
    }

    pub(crate) fn opened(&self) {
        for shield in self.with_outer() {
            shield.open.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn closed(&self) {
        for shield in self.with_outer() {
            shield.open.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn has_open(&self) -> bool {
        self.open.load(Ordering::Relaxed) > 0
    }

    fn with_outer(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |shield| shield.outer.as_deref())
    }

    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }
}

/// An active shield. Dropping it ends the protection.
pub(crate) struct Hold {
    /// On the stack while the shielded future is polled.
    shield: Option<Arc<ShieldState>>,
    covers: Vec<Arc<Cover>>,
    /// Whose covers are among them.
    units: Vec<Unit>,
}

impl Hold {
    /// Registers with everything that could cut the future that is being polled (C4).
    pub(crate) fn new() -> Self {
        let (covers, units) = stack::covers();
        for cover in &covers {
            cover.shields.fetch_add(1, Ordering::Relaxed);
        }
        let shield = Arc::new(ShieldState {
            ended: AtomicBool::new(false),
            open: AtomicUsize::new(0),
            outer: stack::shielded_by(),
            node: stack::enclosing().map(|(node, _)| node),
        });
        Self { shield: Some(shield), covers, units }
    }

    /// Runs `f` inside the shield.
    #[inline]
    pub(crate) fn run<T>(&mut self, f: impl FnOnce() -> T) -> T {
        stack::run_shielded(&mut self.shield, f)
    }

    /// What is shielded goes on elsewhere, as the unit whose it is: those around that are held up no more.
    /// What was opened inside is covered as before.
    pub(crate) fn moved(&mut self) {
        let own = (self.covers.pop(), self.units.pop());
        self.lower();
        self.tell();
        self.covers = own.0.into_iter().collect();
        self.units = own.1.into_iter().collect();
    }

    fn lower(&self) {
        for cover in &self.covers {
            cover.shields.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Wakes all that were held up, unless each of them is being polled on this thread, and will look at its
    /// cover by itself: a cancelled unit, or a timeout in one, would not notice otherwise. Whether a unit is
    /// cancelled is not asked: that may not be visible here yet.
    fn tell(&self) {
        let cutters = &self.covers[..self.covers.len() - self.units.len()];
        let here =
            cutters.iter().all(stack::is_below) && self.units.iter().all(stack::is_under_way);
        if !here {
            cutters.iter().for_each(|cover| cover.free());
            self.units.iter().for_each(Unit::wake);
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.lower();
        if let Some(shield) = &self.shield {
            match &shield.node {
                Some(node) => node.uncover(shield),
                None => shield.end(),
            }
        }
        self.tell();
    }
}
