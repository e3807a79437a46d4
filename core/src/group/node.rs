//! The state of one group: its count, its cause, its table, and its place in the tree.
//!
//! | state | set by | excluded by |
//! |---|---|---|
//! | open: count > 0 | `Node::new` for the body | |
//! | cancelled: cause set | the first `cancel`, from any thread | a second cause |
//! | closed: count == CLOSED | whoever takes the count to zero | any later `enter` |
//! | gone: owner is `Gone` | drop of the group's future, or the end of the unit that opened it | |

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::task::{Context, Waker};
use std::time::Instant;

use crate::cancel::CancelCause;
use crate::group::table::{Park, Table, UnitKey, WatchKey};
use crate::group::tree::Link;
use crate::group::unit::Unit;
use crate::runtime::{AnyRuntime, RunJob};
use crate::sync::{drop_waker, lock, wake};
use crate::task::{TaskId, TaskInfo, next_id};

/// The id of a group, unique in the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(u64);

impl GroupId {
    pub(crate) fn new() -> Self {
        Self(next_id())
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

pub(crate) struct Node {
    pub(super) id: GroupId,
    /// Live units and open inner groups. Once it falls to zero `CLOSED` is set, and from then on
    /// `enter` refuses; an `enter` that comes between the two makes the closing fail, so a spawn is
    /// either refused or waited for (G10). AcqRel: the last to leave sees what all others wrote.
    pub(super) count: AtomicUsize,
    /// Set once, before the wakers are taken from the table. Whoever parks looks here after it has
    /// put its waker into the table, so one of the two always sees the other.
    pub(super) cause: OnceLock<CancelCause>,
    /// Live units that were cancelled one by one: keeps the table's lock out of each poll. Raised
    /// under the table's lock; Acquire/Release for those who read it without.
    singled_out: AtomicUsize,
    pub(super) table: Mutex<Table>,
    pub(super) owner: Mutex<Owner>,
    /// Whether the body's count was given back: by the group's future, or by the end of the unit
    /// that opened it, whichever comes first.
    pub(super) body_released: AtomicBool,
    /// Set at the first poll, taken by whoever closes the group: so that dropping a deep tree does
    /// not recurse (G15).
    pub(super) parent: Mutex<Option<Link>>,
    /// The earliest deadline in force here, set at the first poll.
    pub(super) deadline: OnceLock<Instant>,
    pub(super) core: Box<dyn AnyCore>,
}

/// What holds the group's future.
pub(super) enum Owner {
    /// Somebody polls it; with the waker to call when the group closes.
    Awaited(Option<Waker>),
    /// Nobody will take the result: leftovers go to the hook (C9).
    Gone,
}

/// The typed part of a group, as its state needs it.
pub(crate) trait AnyCore: Send + Sync {
    /// None for a root.
    fn runtime(&self) -> Option<AnyRuntime>;
    fn is_root(&self) -> bool;
    fn within(&self, f: &mut dyn FnMut());
    fn report_leftovers(&self);
    fn as_any(&self) -> &dyn Any;
}

pub(super) const CLOSED: usize = 1 << (usize::BITS - 1);

impl Node {
    /// A group with nobody in it yet, except the one count that the caller must `enter_first` or
    /// hold for ever (a root).
    pub(crate) fn new(core: Box<dyn AnyCore>) -> Arc<Self> {
        Arc::new(Self {
            id: GroupId::new(),
            count: AtomicUsize::new(1),
            cause: OnceLock::new(),
            singled_out: AtomicUsize::new(0),
            table: Mutex::default(),
            owner: Mutex::new(Owner::Awaited(None)),
            body_released: AtomicBool::new(false),
            parent: Mutex::new(None),
            deadline: OnceLock::new(),
            core,
        })
    }

    pub(crate) fn id(&self) -> GroupId {
        self.id
    }

    pub(crate) fn core(&self) -> &dyn AnyCore {
        &*self.core
    }

    pub(crate) fn cause(&self) -> Option<&CancelCause> {
        self.cause.get()
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline.get().copied()
    }

    /// Live units and open inner groups.
    pub(crate) fn live(&self) -> usize {
        match self.count.load(Ordering::Acquire) {
            closed if closed >= CLOSED => 0,
            live => live,
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.count.load(Ordering::Acquire) >= CLOSED
    }

    /// Takes over the count that `new` made.
    pub(crate) fn enter_first(self: &Arc<Self>, info: TaskInfo) -> Unit {
        let key = lock(&self.table).insert(info);
        Unit::new(self.clone(), key)
    }

    /// Lets a unit in, or refuses it with the cause, or without one if the group has ended (G10).
    pub(crate) fn enter(self: &Arc<Self>, info: TaskInfo) -> Result<Unit, Option<CancelCause>> {
        if let Some(cause) = self.cause.get() {
            return Err(Some(cause.clone()));
        }
        // Above CLOSED the count means nothing any more, so there is nothing to take back.
        if self.count.fetch_add(1, Ordering::AcqRel) >= CLOSED {
            return Err(self.cause.get().cloned());
        }
        Ok(self.enter_first(info))
    }

    pub(crate) fn info(&self, key: UnitKey) -> Option<TaskInfo> {
        lock(&self.table).info(key)
    }

    /// All live units, in the order in which they were started.
    pub(crate) fn infos(&self) -> Vec<TaskInfo> {
        let mut infos = lock(&self.table).infos();
        infos.sort_by_key(TaskInfo::id);
        infos
    }

    pub(crate) fn is_live(&self, key: UnitKey, id: TaskId) -> bool {
        lock(&self.table).is_live(key, id)
    }

    /// The handle of a unit was dropped: its output is not stored for anybody.
    pub(crate) fn mark_handle_gone(&self, key: UnitKey, id: TaskId) {
        lock(&self.table).mark_handle_gone(key, id);
    }

    pub(crate) fn add_job(&self, key: UnitKey, job: Weak<dyn RunJob>) {
        lock(&self.table).add_job(key, job);
    }

    pub(crate) fn job_started(&self, key: UnitKey) {
        lock(&self.table).job_started(key);
    }

    /// Why the unit is cancelled: its own cause, else the group's.
    pub(crate) fn cause_for(&self, key: UnitKey) -> Option<CancelCause> {
        if self.singled_out.load(Ordering::Acquire) > 0 {
            let own = lock(&self.table).own_cause(key);
            if own.is_some() {
                return own;
            }
        }
        self.cause.get().cloned()
    }

    /// Registers the waker of a suspended unit. Gives the cause if it was cancelled meanwhile.
    pub(crate) fn park(&self, key: UnitKey, waker: &Waker) -> Option<CancelCause> {
        let found = lock(&self.table).is_parked_with(key, waker);
        match found {
            Park::Parked => {}
            Park::Cancelled(cause) => return Some(cause),
            Park::NeedsWaker => {
                let waker = waker.clone();
                let old = lock(&self.table).park(key, waker);
                drop_waker(Some(old));
            }
        }
        self.cause_for(key)
    }

    /// Cancels one unit (T6).
    pub(crate) fn cancel_unit(&self, key: UnitKey, id: TaskId, cause: CancelCause) {
        let waker = {
            let mut table = lock(&self.table);
            let waker = table.cancel_unit(key, id, cause);
            if waker.is_some() {
                self.singled_out.fetch_add(1, Ordering::Release);
            }
            waker
        };
        if let Some(waker) = waker {
            wake(waker);
        }
    }

    /// Takes the unit out of the table. Inner groups that it opened and left open are cancelled:
    /// nobody will poll them in time (G2).
    ///
    /// Whether its handle is gone, so that nobody will take its output.
    pub(super) fn remove(&self, key: UnitKey) -> bool {
        let removed = {
            let mut table = lock(&self.table);
            let removed = table.remove(key);
            if removed.as_ref().is_some_and(|removed| removed.was_cancelled) {
                self.singled_out.fetch_sub(1, Ordering::Release);
            }
            removed
        };
        let handle_gone = removed.as_ref().is_some_and(|removed| removed.handle_gone);
        if let Some(removed) = removed {
            drop_waker(removed.waker);
            let abandoned = removed.abandoned.iter().filter_map(Weak::upgrade);
            abandoned.for_each(|scope| scope.abandon(self.cause_below()));
        }
        handle_gone
    }

    pub(super) fn wake_watchers_of_root(&self) {
        if self.core.is_root() {
            let watchers = lock(&self.table).take_watchers();
            watchers.into_iter().for_each(wake);
        }
    }

    /// Registers a watcher; to be called before its condition is looked at.
    pub(crate) fn watch(&self, slot: &mut Option<WatchKey>, cx: &mut Context<'_>) {
        let fresh = cx.waker().clone();
        let old = lock(&self.table).watch(slot, fresh);
        drop_waker(old);
    }

    pub(crate) fn unwatch(&self, slot: Option<WatchKey>) {
        let old = slot.and_then(|key| lock(&self.table).unwatch(key));
        drop_waker(old);
    }
}
