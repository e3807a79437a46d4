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
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::cancel::{CancelCause, CauseKind};
use crate::group::table::{Park, ScopeKey, Table, UnitKey, WatchKey};
use crate::runtime::{AnyRuntime, RunJob};
use crate::sync::{drop_waker, lock, wake};
use crate::task::{Output, TaskId, TaskInfo, next_id};

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
    id: GroupId,
    /// Live units and open inner groups. Once it falls to zero `CLOSED` is set, and from then on
    /// `enter` refuses; an `enter` that comes between the two makes the closing fail, so a spawn is
    /// either refused or waited for (G10). AcqRel: the last to leave sees what all others wrote.
    count: AtomicUsize,
    /// Set once, before the wakers are taken from the table. Whoever parks looks here after it has
    /// put its waker into the table, so one of the two always sees the other.
    cause: OnceLock<CancelCause>,
    /// Live units that were cancelled one by one: keeps the table's lock out of each poll. Raised
    /// under the table's lock; Acquire/Release for those who read it without.
    singled_out: AtomicUsize,
    table: Mutex<Table>,
    owner: Mutex<Owner>,
    /// Whether the body's count was given back: by the group's future, or by the end of the unit
    /// that opened it, whichever comes first.
    body_released: AtomicBool,
    /// Set at the first poll, taken by whoever closes the group: so that dropping a deep tree does
    /// not recurse (G15).
    parent: Mutex<Option<Link>>,
    /// The earliest deadline in force here, set at the first poll.
    deadline: OnceLock<Instant>,
    core: Box<dyn AnyCore>,
}

/// What holds the group's future.
enum Owner {
    /// Somebody polls it; with the waker to call when the group closes.
    Awaited(Option<Waker>),
    /// Nobody will take the result: leftovers go to the hook (C9).
    Gone,
}

/// The enclosing group, which counts this one until it closes.
pub(crate) struct Link {
    parent: Arc<Node>,
    key: ScopeKey,
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

const CLOSED: usize = 1 << (usize::BITS - 1);

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

    // ---- units -------------------------------------------------------------------------------

    /// Takes over the count that `new` made.
    pub(crate) fn enter_first(self: &Arc<Self>, info: TaskInfo) -> Unit {
        let key = lock(&self.table).insert(info);
        Unit { node: self.clone(), key }
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
    fn remove(&self, key: UnitKey) -> bool {
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
            removed.abandoned.iter().filter_map(Weak::upgrade).for_each(|scope| scope.abandon());
        }
        handle_gone
    }

    // ---- the tree ----------------------------------------------------------------------------

    /// Puts this group under `parent`, which counts it until it closes (G2). Inherits the deadline
    /// and, if there is one, the cancellation.
    pub(crate) fn attach(
        self: &Arc<Self>,
        parent: &Arc<Node>,
        opener: UnitKey,
        own_deadline: Option<Instant>,
    ) {
        if parent.count.fetch_add(1, Ordering::AcqRel) >= CLOSED {
            self.cancel(CauseKind::Dropped.into());
            return;
        }
        self.set_deadline(own_deadline.into_iter().chain(parent.deadline()).min());
        let key = lock(&parent.table).add_scope(Arc::downgrade(self), opener);
        *lock(&self.parent) = Some(Link { parent: parent.clone(), key });
        if let Some(cause) = parent.cause_for(opener) {
            self.cancel(cause.inherited_from(parent.id));
        }
    }

    pub(crate) fn set_deadline(&self, earliest: Option<Instant>) {
        if let Some(at) = earliest {
            let _ = self.deadline.set(at);
        }
    }

    /// Leaves a group that nothing encloses to the runtime's root, because its future is dropped
    /// (R6). As long as that is awaited, the root need not count it.
    pub(crate) fn leave_to(self: &Arc<Self>, root: &Arc<Node>) {
        if self.is_closed() || lock(&self.parent).is_some() {
            return;
        }
        root.count.fetch_add(1, Ordering::AcqRel);
        let key = lock(&root.table).add_scope(Arc::downgrade(self), UnitKey::NOBODY);
        *lock(&self.parent) = Some(Link { parent: root.clone(), key });
        // Closing takes the link after it has set CLOSED; whoever takes it gives the count back.
        if self.is_closed() {
            let link = lock(&self.parent).take();
            release_links(link);
        }
    }

    /// The unit that opened this group has ended while the group's future is kept elsewhere: nobody
    /// must wait for a body that nobody polls. Its table entry stays with the future.
    fn abandon(&self) {
        self.cancel(CauseKind::Dropped.into());
        self.give_up();
        self.release_body();
    }

    fn release_body(&self) {
        // Relaxed: only who comes first matters; `release` orders the rest.
        if !self.body_released.swap(true, Ordering::Relaxed) {
            self.release();
        }
    }

    /// From now on nobody takes the result.
    pub(crate) fn give_up(&self) {
        let old = std::mem::replace(&mut *lock(&self.owner), Owner::Gone);
        if let Owner::Awaited(waker) = old {
            drop_waker(waker);
        }
        // Closing looks at the owner after it has set CLOSED; this looks at CLOSED after it has set
        // the owner: one of them reports, and taking the failures makes it exactly one.
        if self.is_closed() {
            self.core.report_leftovers();
        }
    }

    pub(crate) fn is_given_up(&self) -> bool {
        matches!(*lock(&self.owner), Owner::Gone)
    }

    /// Ready once the group has closed.
    pub(crate) fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_closed() {
            return Poll::Ready(());
        }
        let fresh = cx.waker().clone();
        let old = match &mut *lock(&self.owner) {
            Owner::Awaited(slot) => slot.replace(fresh),
            Owner::Gone => Some(fresh),
        };
        drop_waker(old);
        if self.is_closed() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Cancels this group and all below it, without recursion (C7, C8, G15).
    pub(crate) fn cancel(&self, cause: CancelCause) {
        let mut queue = Vec::new();
        self.cancel_here(cause, &mut queue);
        while let Some((scope, cause)) = queue.pop() {
            scope.cancel_here(cause, &mut queue);
        }
    }

    fn cancel_here(&self, cause: CancelCause, queue: &mut Vec<(Arc<Node>, CancelCause)>) {
        if self.cause.set(cause.clone()).is_err() {
            return;
        }
        let signals = lock(&self.table).signals();
        let inherited = cause.inherited_from(self.id);
        let scopes = signals.scopes.iter().filter_map(Weak::upgrade);
        queue.extend(scopes.map(|scope| (scope, inherited.clone())));
        signals.wakers.into_iter().for_each(wake);
        signals.jobs.iter().filter_map(Weak::upgrade).for_each(|job| job.revoke(cause.clone()));
    }

    /// Gives one count back; closes this group, and those above it, where it was the last.
    fn release(&self) {
        release_links(self.release_here());
    }

    fn release_here(&self) -> Option<Link> {
        match self.count.fetch_sub(1, Ordering::AcqRel) {
            1 => self
                .count
                .compare_exchange(0, CLOSED, Ordering::AcqRel, Ordering::Relaxed)
                .ok()
                .and_then(|_| self.close()),
            // A root keeps one count for itself and is idle with it.
            2 => {
                self.wake_watchers_of_root();
                None
            }
            _ => None,
        }
    }

    fn close(&self) -> Option<Link> {
        let (waker, gone) = match &mut *lock(&self.owner) {
            Owner::Awaited(waker) => (waker.take(), false),
            Owner::Gone => (None, true),
        };
        if gone {
            self.core.report_leftovers();
        }
        let link = lock(&self.parent).take();
        if let Some(waker) = waker {
            wake(waker);
        }
        link
    }

    // ---- watchers ----------------------------------------------------------------------------

    fn wake_watchers_of_root(&self) {
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

/// Tells the enclosing group that one of its inner groups has closed, and so on upwards.
fn release_links(mut link: Option<Link>) {
    while let Some(Link { parent, key }) = link {
        let scope = lock(&parent.table).remove_scope(key);
        drop(scope);
        link = parent.release_here();
    }
}

/// One live unit of a group: the right and the duty to end it.
pub(crate) struct Unit {
    node: Arc<Node>,
    key: UnitKey,
}

impl Unit {
    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    pub(crate) fn key(&self) -> UnitKey {
        self.key
    }

    /// A second reference, for the context of a job; only one of the two may end it.
    pub(crate) fn share(&self) -> Self {
        Self { node: self.node.clone(), key: self.key }
    }

    pub(crate) fn cause(&self) -> Option<CancelCause> {
        self.node.cause_for(self.key)
    }

    pub(crate) fn park(&self, waker: &Waker) -> Option<CancelCause> {
        self.node.park(self.key, waker)
    }

    /// What is known of it.
    pub(crate) fn info(&self) -> TaskInfo {
        self.node.info(self.key).unwrap_or_else(|| TaskInfo {
            id: TaskId(0),
            name: None,
            location: Location::caller(),
        })
    }

    /// A task or job has ended: its future and callbacks are done with, and its output is stored
    /// elsewhere for its handle.
    pub(crate) fn end(self) {
        self.node.remove(self.key);
        self.node.release();
    }

    /// A task has ended, with its output still in hand: dropped here if its handle is gone, because
    /// the native runtime would drop it only after the group may have returned.
    pub(crate) fn end_with<T>(self, output: Output<T>) -> Output<T> {
        let output = match self.node.remove(self.key) {
            true => {
                drop(output);
                Output::nobodys()
            }
            false => output,
        };
        self.node.release();
        output
    }

    /// The body has ended. Its count may have been given back already.
    pub(crate) fn end_body(self) {
        self.node.remove(self.key);
        self.node.release_body();
    }
}
