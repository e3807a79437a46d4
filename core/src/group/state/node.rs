//! The state of one group: its count, its cause, its table, and its place in the tree.
//!
//! | state | set by | excluded by |
//! |---|---|---|
//! | open: the table's count > 0 | `Node::new` for the body | |
//! | cancelled: cause set | the first `cancel`, from any thread | a second cause |
//! | to be cut: cause hard | `cancel` without a grace period, else the end of that | |
//! | closed | whoever takes the count to zero | any later `enter` |
//! | gone: owner is `Gone` | drop of the group's future, or the end of the unit that opened it | |

use std::any::Any;
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::Duration;

use crate::cancel::{CancelCause, InEffect};
use crate::carried::Carried;
use crate::group::info::GroupId;
use crate::group::state::table::{Table, UnitKey};
use crate::group::state::time::Time;
use crate::group::state::tree::Link;
use crate::job::{Job, Pool, RunJob};
use crate::protect::Cover;
use crate::runtime::AnyRuntime;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::{Apart, Mutex, OnceLock, drop_waker, lock, wake};
use crate::task::{TaskId, TaskInfo};

pub(crate) struct Node {
    pub(super) id: GroupId,
    /// That the count of the table has fallen to zero. Set under its lock, from then on it lets nobody
    /// in. Release, with Acquire where it is read: who sees it sees what all others wrote.
    pub(super) closed: AtomicBool,
    /// Set once, before the wakers are taken from the table. Whoever parks looks here after it has
    /// put its waker into the table, so one of the two always sees the other.
    pub(super) cancelled: OnceLock<Cancellation>,
    /// Live units that were cancelled one by one: keeps the table's lock out of each poll. Raised
    /// under the table's lock; Acquire/Release for those who read it without.
    pub(super) singled_out: AtomicUsize,
    /// Live units that have a cover. Raised in a poll of the unit and read in later ones, which the
    /// executor orders: Relaxed.
    pub(super) covered: AtomicUsize,
    /// Whether a unit was ever given values to carry. Set before that unit starts, and looked at by who
    /// runs as one or has its context, which comes after that: Relaxed.
    carries: AtomicBool,
    pub(super) table: Apart<Mutex<Table>>,
    pub(super) owner: Mutex<Owner>,
    /// That the owner is `Gone`: keeps its lock out of each poll. Set right after that; Release, with
    /// Acquire where it is read.
    pub(super) gone: AtomicBool,
    /// Whether the body's count was given back: by the group's future, or by the end of the unit
    /// that opened it, whichever comes first.
    pub(super) body_released: AtomicBool,
    /// Set at the first poll, or as an open group is made; taken by whoever closes the group, so that
    /// dropping a deep tree does not recurse (G15). An open group that is dropped is moved to another
    /// parent: it is held meanwhile, and cannot close.
    pub(super) parent: Mutex<Option<Link>>,
    pub(super) time: Time,
    pub(super) has_limit: bool,
    /// Failures are values at handles: there is no group that anyone awaits.
    pub(super) is_lone: bool,
    asks_policy: bool,
    pub(super) drives: bool,
    pub(super) core: Box<dyn AnyCore>,
}

/// That a group was cancelled.
pub(super) struct Cancellation {
    pub(super) cause: CancelCause,
    /// Whether tasks are dropped, and not only told (C3). Set before the wakers are taken, as the
    /// cause is; the table's lock orders it.
    pub(super) hard: AtomicBool,
    /// Whether a grace period that it was in has ended (`harden`). Set before the watchers are taken, which
    /// the table's lock orders. Relaxed.
    pub(super) over: AtomicBool,
    /// Whether it began with a grace period.
    was_told: bool,
    /// Whether all had ended before it came: then it is nothing to what the group returns (C6).
    came_late: bool,
    _in_effect: InEffect,
}

impl Cancellation {
    pub(super) fn new(cause: CancelCause, hard: bool, came_late: bool) -> Self {
        let (was_told, hard, over) = (!hard, AtomicBool::new(hard), AtomicBool::new(false));
        Self { cause, hard, over, was_told, came_late, _in_effect: InEffect::begin() }
    }
}

/// What is fixed when a group is opened.
#[derive(Clone, Copy, Default)]
pub(crate) struct NodeOptions {
    pub(crate) grace: Option<Duration>,
    pub(crate) limit: Option<usize>,
    /// A group for one task or job that nobody awaits as a group.
    pub(crate) is_lone: bool,
    /// Whether its policy wants to know of successes.
    pub(crate) asks_policy: bool,
    /// A lone group whose task drives an open group, and does nothing else: it is not cut before a grace
    /// period around it is over, since that group may have one of its own, and never named as overdue
    /// (G24).
    pub(crate) drives: bool,
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
    /// Sees to the grace period of the group, whose future nobody polls any more.
    fn watch_grace(&self, node: &Arc<Node>);
    /// Blocks the thread of a job.
    fn block_until(&self, condition: &mut dyn FnMut() -> bool);
    /// Puts a job into its pool's queue.
    fn launch(&self, pool: Pool, job: Job);
    fn as_any(&self) -> &dyn Any;
}

impl Node {
    /// A group with nobody in it yet, except the one count that the caller must `enter_first` or
    /// hold for ever (a root).
    pub(crate) fn new(core: Box<dyn AnyCore>, options: NodeOptions) -> Arc<Self> {
        Arc::new(Self {
            id: GroupId::new(),
            closed: AtomicBool::new(false),
            cancelled: OnceLock::new(),
            singled_out: AtomicUsize::new(0),
            covered: AtomicUsize::new(0),
            carries: AtomicBool::new(false),
            table: Apart::new(Mutex::new(Table::with_limit(options.limit))),
            owner: Mutex::new(Owner::Awaited(None)),
            gone: AtomicBool::new(false),
            body_released: AtomicBool::new(false),
            parent: Mutex::new(None),
            time: Time::new(options.grace),
            has_limit: options.limit.is_some(),
            is_lone: options.is_lone,
            asks_policy: options.asks_policy,
            drives: options.drives,
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
        self.cancelled.get().map(|cancelled| &cancelled.cause)
    }

    /// The same for its result.
    pub(crate) fn cause_in_time(&self) -> Option<&CancelCause> {
        self.cancelled.get().filter(|cancelled| !cancelled.came_late).map(|it| &it.cause)
    }

    /// Whether its cancellation began with a grace period.
    pub(crate) fn was_told(&self) -> bool {
        self.cancelled.get().is_some_and(|cancelled| cancelled.was_told)
    }

    /// Whether it, or one of its units alone, was cancelled: what is cheap to ask.
    #[inline]
    pub(crate) fn knows_a_cause(&self) -> bool {
        self.cancelled.get().is_some() || self.singled_out.load(Ordering::Acquire) > 0
    }

    /// Live units and open inner groups.
    pub(crate) fn live(&self) -> usize {
        lock(&self.table).count
    }

    /// Whether a success has to be entered in the ledger.
    pub(crate) fn asks_policy(&self) -> bool {
        self.asks_policy
    }

    pub(crate) fn has_limit(&self) -> bool {
        self.has_limit
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
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

    /// The handle of a unit was dropped: its output is not stored for anybody. Whether it comes in time.
    pub(crate) fn mark_handle_gone(&self, key: UnitKey, id: TaskId) -> bool {
        lock(&self.table).mark_handle_gone(key, id)
    }

    pub(crate) fn add_job(&self, key: UnitKey, job: Weak<dyn RunJob>) {
        lock(&self.table).add_job(key, job);
    }

    /// Why the unit is cancelled: its own cause, else the group's.
    pub(crate) fn cause_for(&self, key: UnitKey) -> Option<CancelCause> {
        self.own_cause(key, None).or_else(|| self.cause().cloned())
    }

    /// The same as a group below the unit sees it.
    pub(crate) fn cause_below(&self, key: UnitKey) -> Option<CancelCause> {
        Some(self.cause_for(key)?.inherited_from(self.id))
    }

    /// Why the unit's future is to be dropped now; one that `has_begun` is not within a grace period
    /// (C3), and none is while a shield of it is active (C4).
    pub(super) fn due(&self, key: UnitKey, has_begun: bool) -> Option<CancelCause> {
        let cause = if has_begun { self.cutting_cause(key) } else { self.cause_for(key) }?;
        let cover = self.cover_of(key);
        (!cover.is_some_and(|cover| cover.is_active())).then_some(cause)
    }

    /// Why the unit is to be dropped: as `cause_for`, but not within a grace period.
    pub(crate) fn cutting_cause(&self, key: UnitKey) -> Option<CancelCause> {
        let hard = |cancelled: &&Cancellation| cancelled.hard.load(Ordering::Relaxed);
        let cut = || self.cancelled.get().filter(hard).map(|cancelled| cancelled.cause.clone());
        self.own_cause(key, None).or_else(cut)
    }

    /// Why it is cancelled or, once it has ended, its group. One look: its place may be another's next.
    pub(crate) fn cause_of(&self, key: UnitKey, id: TaskId) -> Option<CancelCause> {
        self.own_cause(key, Some(id)).or_else(|| self.cause().cloned())
    }

    fn own_cause(&self, key: UnitKey, id: Option<TaskId>) -> Option<CancelCause> {
        match self.singled_out.load(Ordering::Acquire) {
            0 => None,
            _ => lock(&self.table).own_cause(key, id),
        }
    }

    /// What protects the unit, if anything does.
    #[inline]
    pub(crate) fn cover_of(&self, key: UnitKey) -> Option<Arc<Cover>> {
        if self.has_covers() { lock(&self.table).cover(key) } else { None }
    }

    #[inline]
    pub(crate) fn has_covers(&self) -> bool {
        self.covered.load(Ordering::Relaxed) > 0
    }

    /// What protects the unit, made on first use.
    pub(crate) fn make_cover(&self, key: UnitKey) -> Arc<Cover> {
        let (cover, made) = lock(&self.table).make_cover(key);
        if made {
            self.covered.fetch_add(1, Ordering::Relaxed);
        }
        cover
    }

    /// Gives a unit that has not started what it carries (X4).
    pub(crate) fn carry(&self, key: UnitKey, carried: Carried) {
        self.carries.store(true, Ordering::Relaxed);
        lock(&self.table).carry(key, carried);
    }

    /// Whether it is worth asking what a unit carries.
    pub(crate) fn carries(&self) -> bool {
        self.carries.load(Ordering::Relaxed)
    }

    /// What the unit carries, if it is still the one with this id.
    pub(crate) fn carried_by(&self, key: UnitKey, id: Option<TaskId>) -> Carried {
        match self.carries() {
            true => lock(&self.table).carried_by(key, id).unwrap_or_default(),
            false => Carried::new(),
        }
    }

    /// Registers the waker of a suspended unit. Its cause must be looked at after that.
    pub(crate) fn park(&self, key: UnitKey, waker: &Waker) {
        let waker = waker.clone();
        let old = lock(&self.table).park(key, waker);
        drop_waker(old);
    }

    /// The same where it is most likely there.
    pub(crate) fn park_again(&self, key: UnitKey, waker: &Waker) {
        let is_there = lock(&self.table).is_parked_with(key, waker);
        if !is_there {
            self.park(key, waker);
        }
    }

    /// Wakes one unit, if it is suspended.
    pub(super) fn wake_unit(&self, key: UnitKey) {
        let waker = lock(&self.table).take_waker(key);
        if let Some(waker) = waker {
            wake(waker);
        }
    }
}
