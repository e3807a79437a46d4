//! The state of one group: its count, its cause, its table, and its place in the tree.
//!
//! | state | set by | excluded by |
//! |---|---|---|
//! | open: count > 0 | `Node::new` for the body | |
//! | cancelled: cause set | the first `cancel`, from any thread | a second cause |
//! | to be cut: cause hard | `cancel` without a grace period, else the end of that | |
//! | closed: count == CLOSED | whoever takes the count to zero | any later `enter` |
//! | gone: owner is `Gone` | drop of the group's future, or the end of the unit that opened it | |

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Weak};
use std::task::{Context, Waker};
use std::time::Duration;

use crate::cancel::CancelCause;
use crate::group::job::Pool;
use crate::group::limit::{Granted, Ticket};
use crate::group::table::{Park, Table, UnitKey, WatchKey};
use crate::group::time::Time;
use crate::group::tree::Link;
use crate::group::unit::Unit;
use crate::panics::contain;
use crate::protect::Cover;
use crate::runtime::{AnyRuntime, Job, RunJob};
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::{Mutex, OnceLock, drop_waker, lock, wake};
use crate::task::{TaskId, TaskInfo, next_id};
use crate::unhandled::UnhandledKind;

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
    /// How many of `count` are background tasks and inner groups of such. Raised after `count` and
    /// lowered before it, so that never more seem to be in the background than there are (G19).
    pub(super) background: AtomicUsize,
    /// Set once, before the wakers are taken from the table. Whoever parks looks here after it has
    /// put its waker into the table, so one of the two always sees the other.
    pub(super) cancelled: OnceLock<Cancellation>,
    /// Live units that were cancelled one by one: keeps the table's lock out of each poll. Raised
    /// under the table's lock; Acquire/Release for those who read it without.
    singled_out: AtomicUsize,
    /// Live units that have a cover. Raised in a poll of the unit and read in later ones, which the
    /// executor orders: Relaxed.
    covered: AtomicUsize,
    pub(super) table: Mutex<Table>,
    pub(super) owner: Mutex<Owner>,
    /// Whether the body's count was given back: by the group's future, or by the end of the unit
    /// that opened it, whichever comes first.
    pub(super) body_released: AtomicBool,
    /// Set at the first poll, taken by whoever closes the group: so that dropping a deep tree does
    /// not recurse (G15).
    pub(super) parent: Mutex<Option<Link>>,
    pub(super) time: Time,
    has_limit: bool,
    pub(super) core: Box<dyn AnyCore>,
}

/// That a group was cancelled.
pub(super) struct Cancellation {
    pub(super) cause: CancelCause,
    /// Whether tasks are dropped, and not only told (C3). Set before the wakers are taken, as the
    /// cause is; the table's lock orders it.
    pub(super) hard: AtomicBool,
}

/// What is fixed when a group is opened.
#[derive(Clone, Copy, Default)]
pub(crate) struct NodeOptions {
    pub(crate) grace: Option<Duration>,
    pub(crate) limit: Option<usize>,
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

pub(super) const CLOSED: usize = 1 << (usize::BITS - 1);

impl Node {
    /// A group with nobody in it yet, except the one count that the caller must `enter_first` or
    /// hold for ever (a root).
    pub(crate) fn new(core: Box<dyn AnyCore>) -> Arc<Self> {
        Self::with(core, NodeOptions::default())
    }

    pub(crate) fn with(core: Box<dyn AnyCore>, options: NodeOptions) -> Arc<Self> {
        Arc::new(Self {
            id: GroupId::new(),
            count: AtomicUsize::new(1),
            background: AtomicUsize::new(0),
            cancelled: OnceLock::new(),
            singled_out: AtomicUsize::new(0),
            covered: AtomicUsize::new(0),
            table: Mutex::new(Table::with_limit(options.limit)),
            owner: Mutex::new(Owner::Awaited(None)),
            body_released: AtomicBool::new(false),
            parent: Mutex::new(None),
            time: Time::new(options.grace),
            has_limit: options.limit.is_some(),
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

    /// Whether it, or one of its units alone, was cancelled: what is cheap to ask.
    pub(crate) fn knows_a_cause(&self) -> bool {
        self.cancelled.get().is_some() || self.singled_out.load(Ordering::Acquire) > 0
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

    /// Lets a unit in, or refuses it (G10). In a group with a limit it may have to wait (G18).
    pub(crate) fn enter(
        self: &Arc<Self>,
        info: TaskInfo,
        admission: Admission,
    ) -> Result<Unit, Refusal> {
        self.enter_as(info, admission, |_, _| {})
    }

    /// Lets a job in, under the one lock of both; a cancellation may look for it at once.
    pub(crate) fn enter_job(
        self: &Arc<Self>,
        info: TaskInfo,
        job: Weak<dyn RunJob>,
    ) -> Result<Unit, Refusal> {
        self.enter_as(info, Admission::Ordinary, |table, key| table.add_job(key, job))
    }

    fn enter_as(
        self: &Arc<Self>,
        info: TaskInfo,
        admission: Admission,
        also: impl FnOnce(&mut Table, UnitKey),
    ) -> Result<Unit, Refusal> {
        if let Some(cause) = self.cause() {
            return Err(Refusal::Closed(Some(cause.clone())));
        }
        // Above CLOSED the count means nothing any more, so there is nothing to take back.
        if self.count.fetch_add(1, Ordering::AcqRel) >= CLOSED {
            return Err(Refusal::Closed(self.cause().cloned()));
        }
        let id = info.id;
        let entered = {
            let mut table = lock(&self.table);
            let entered = table.enter(info, &admission);
            entered.inspect(|(key, _)| also(&mut table, *key))
        };
        let Some((key, queued)) = entered else {
            self.release();
            return Err(Refusal::Full);
        };
        if matches!(admission, Admission::Background) {
            self.enter_background(key, id);
        }
        Ok(Unit::entered(self.clone(), key, queued))
    }

    /// Lets a background task in, also into a group that was cancelled; not into one that has ended.
    pub(crate) fn enter_watch(self: &Arc<Self>, info: TaskInfo) -> Option<Unit> {
        if self.count.fetch_add(1, Ordering::AcqRel) >= CLOSED {
            return None;
        }
        let id = info.id;
        let unit = self.enter_first(info);
        self.enter_background(unit.key(), id);
        Some(unit)
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

    /// Why the unit is cancelled: its own cause, else the group's.
    pub(crate) fn cause_for(&self, key: UnitKey) -> Option<CancelCause> {
        self.own_cause(key).or_else(|| self.cause().cloned())
    }

    /// Why the unit is to be dropped: as `cause_for`, but not within a grace period.
    pub(crate) fn cutting_cause(&self, key: UnitKey) -> Option<CancelCause> {
        let hard = |cancelled: &&Cancellation| cancelled.hard.load(Ordering::Relaxed);
        let cut = || self.cancelled.get().filter(hard).map(|cancelled| cancelled.cause.clone());
        self.own_cause(key).or_else(cut)
    }

    fn own_cause(&self, key: UnitKey) -> Option<CancelCause> {
        match self.singled_out.load(Ordering::Acquire) {
            0 => None,
            _ => lock(&self.table).own_cause(key),
        }
    }

    /// What protects the unit, if anything does.
    pub(crate) fn cover_of(&self, key: UnitKey) -> Option<Arc<Cover>> {
        match self.covered.load(Ordering::Relaxed) {
            0 => None,
            _ => lock(&self.table).cover(key),
        }
    }

    /// What protects the unit, made on first use.
    pub(crate) fn make_cover(&self, key: UnitKey) -> Arc<Cover> {
        let (cover, made) = lock(&self.table).make_cover(key);
        if made {
            self.covered.fetch_add(1, Ordering::Relaxed);
        }
        cover
    }

    /// Registers the waker of a suspended unit. Its cause must be looked at after that.
    pub(crate) fn park(&self, key: UnitKey, waker: &Waker) {
        let found = lock(&self.table).is_parked_with(key, waker);
        if let Park::NeedsWaker = found {
            let waker = waker.clone();
            let old = lock(&self.table).park(key, waker);
            drop_waker(Some(old));
        }
    }

    /// Puts a job into its pool's queue, or keeps it until it has a place (G18).
    pub(crate) fn launch(&self, key: UnitKey, id: TaskId, pool: Pool, job: Job) {
        let job = match self.has_limit {
            true => lock(&self.table).hold(key, id, pool, job),
            false => Some(job),
        };
        if let Some(job) = job {
            self.core.launch(pool, job);
        }
    }

    pub(crate) fn is_queued(&self, key: UnitKey) -> bool {
        lock(&self.table).limiter.as_ref().is_some_and(|limiter| limiter.is_queued(key))
    }

    /// Wakes and launches those who have been given a place.
    pub(super) fn carry_out(&self, granted: Granted) {
        granted.tasks.into_iter().for_each(|key| self.wake_unit(key));
        granted.wakers.into_iter().for_each(wake);
        granted.jobs.into_iter().for_each(|(pool, job)| self.core.launch(pool, job));
    }

    /// Wakes one unit, if it is suspended.
    pub(super) fn wake_unit(&self, key: UnitKey) {
        let waker = lock(&self.table).take_waker(key);
        if let Some(waker) = waker {
            wake(waker);
        }
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

    /// Called under the table's lock, with as many as were marked there.
    pub(super) fn add_singled_out(&self, marked: usize) {
        self.singled_out.fetch_add(marked, Ordering::Release);
    }

    /// Takes the unit out of the table. Inner groups that it opened and left open are cancelled:
    /// nobody will poll them in time (G2).
    ///
    /// Whether its handle is gone, so that nobody will take its output.
    pub(super) fn remove(&self, key: UnitKey) -> bool {
        let unrun;
        let removed = {
            let mut table = lock(&self.table);
            unrun = table.unrun(key);
            let removed = table.remove(key);
            if removed.as_ref().is_some_and(|removed| removed.was_cancelled) {
                self.singled_out.fetch_sub(1, Ordering::Release);
            }
            removed
        };
        let Some(removed) = removed else {
            return false;
        };
        if removed.was_background {
            self.background.fetch_sub(1, Ordering::AcqRel);
        }
        if removed.cover.is_some() {
            self.covered.fetch_sub(1, Ordering::Relaxed);
        }
        drop_waker(Some(removed.waker));
        contain(UnhandledKind::Destructor, || drop(unrun));
        self.carry_out(removed.granted);
        let abandoned = removed.abandoned.iter().filter_map(Weak::upgrade);
        abandoned.for_each(|scope| scope.abandon(self.cause_below()));
        removed.handle_gone
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

/// How a unit enters a group.
pub(crate) enum Admission {
    Ordinary,
    /// Not unless there is a place for it now.
    IfFree,
    /// With the place that was kept for it.
    Reserved(Ticket),
    /// In the background (G19).
    Background,
}

/// Why a unit was not let in.
pub(crate) enum Refusal {
    /// The group was cancelled for this cause, or has ended.
    Closed(Option<CancelCause>),
    /// There is no place (G18).
    Full,
}

impl Refusal {
    pub(crate) fn into_cause(self) -> Option<CancelCause> {
        match self {
            Self::Closed(cause) => cause,
            Self::Full => None,
        }
    }
}
