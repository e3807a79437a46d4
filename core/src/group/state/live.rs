//! What is alive: the tree of groups at one moment, for runtimes and programs that show it.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Weak};

use crate::cancel::CancelCause;
use crate::group::info::GroupId;
use crate::group::state::node::{Node, Owner};
use crate::group::state::table::UnitKey;
use crate::runtime::Root;
use crate::sync::atomic::Ordering;
use crate::sync::{Mutex, WakerId, lock, thread_local};
use crate::task::{TaskId, TaskInfo};

/// Notes the outermost groups that are opened on its thread as long as it lives: nothing encloses
/// them, so that no other group could name them.
///
/// Made for a runtime that has one thread and shows what hangs on it, as the simulated one does.
/// Where none is alive, opening a group costs one look at a thread-local.
///
/// # Examples
///
/// ```
/// use anyscope_core::{LiveWatch, Root};
///
/// let watch = LiveWatch::start();
/// assert!(watch.groups(&Root::new()).is_empty()); // nothing is open yet
/// ```
pub struct LiveWatch {
    opened: Arc<Opened>,
    /// What was there before on this thread.
    outer: Option<Arc<Opened>>,
}

/// Outermost groups, in the order of opening; those that are gone are swept out when it grows.
type Opened = Mutex<Vec<Weak<Node>>>;

thread_local! {
    static WATCH: RefCell<Option<Arc<Opened>>> = const { RefCell::new(None) };
}

impl LiveWatch {
    /// Begins to note what is opened on this thread.
    pub fn start() -> Self {
        let opened = Arc::<Opened>::default();
        let outer = WATCH.with(|watch| watch.borrow_mut().replace(opened.clone()));
        Self { opened, outer }
    }

    /// The groups that are open now: those that were noted and what was left to `root` (R6), each
    /// followed by its inner groups. A snapshot, that says of each group only what was true of it at
    /// one moment.
    pub fn groups(&self, root: &Root) -> Vec<LiveGroup> {
        let noted: Vec<_> = lock(&self.opened).iter().filter_map(Weak::upgrade).collect();
        let mut stack: Vec<_> = noted.into_iter().rev().map(|node| (node, None)).collect();
        stack.insert(0, (root.node().clone(), None));
        let (mut seen, mut groups) = (HashSet::new(), Vec::new());
        while let Some((node, opener)) = stack.pop() {
            if node.is_idle() || !seen.insert(node.id()) {
                continue;
            }
            let (group, inner) = node.look(opener);
            groups.push(group);
            stack.extend(inner.into_iter().rev());
        }
        groups
    }
}

impl Drop for LiveWatch {
    fn drop(&mut self) {
        let outer = self.outer.take();
        let _ = WATCH.try_with(|watch| *watch.borrow_mut() = outer);
    }
}

impl fmt::Debug for LiveWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveWatch").finish_non_exhaustive()
    }
}

/// Notes a group that nothing encloses, if somebody watches this thread.
pub(crate) fn opened(node: &Arc<Node>) {
    let watch = WATCH.try_with(|watch| watch.borrow().clone()).ok().flatten();
    if let Some(watch) = watch {
        let mut opened = lock(&watch);
        if opened.len() == opened.capacity() {
            opened.retain(|node| node.strong_count() > 0);
        }
        opened.push(Arc::downgrade(node));
    }
}

impl Node {
    /// Whether nothing is alive in it. A root has one count for itself.
    fn is_idle(&self) -> bool {
        self.is_closed() || (self.core.is_root() && self.live() == 1)
    }

    /// The group as it is now, and its inner groups with their openers.
    fn look(&self, opener: Option<Opener>) -> (LiveGroup, Vec<Inner>) {
        let (units, inner) = {
            let table = lock(&self.table);
            (table.live(), table.inner())
        };
        let (awaiter, has_owner) = match &*lock(&self.owner) {
            Owner::Awaited(waker) => (waker.as_ref().map(WakerId::of), !self.core.is_root()),
            Owner::Gone => (None, false),
        };
        let has_body = has_owner && !self.body_released.load(Ordering::Relaxed);
        let id_of = |key| units.iter().find(|(k, _)| *k == key).map(|(_, task)| task.info.id);
        let inner = inner
            .into_iter()
            .filter_map(|(node, opener)| Some((node.upgrade()?, Some((self.id, id_of(opener))))));
        let inner = inner.collect();
        let mut tasks: Vec<_> = units
            .into_iter()
            .map(|(key, task)| LiveTask { is_body: has_body && key == UnitKey::FIRST, ..task })
            .collect();
        tasks.sort_by_key(|task| task.info.id);
        let (id, cause, is_root) = (self.id, self.cause().cloned(), self.core.is_root());
        (LiveGroup { id, opener, cause, awaiter, is_root, tasks }, inner)
    }
}

/// The enclosing group, and the unit of it that opened another.
type Opener = (GroupId, Option<TaskId>);

/// An inner group on its way into the list.
type Inner = (Arc<Node>, Option<Opener>);

/// An open group, as [`LiveWatch::groups`] found it.
#[derive(Clone, Debug)]
pub struct LiveGroup {
    pub(crate) id: GroupId,
    pub(crate) opener: Option<Opener>,
    pub(crate) cause: Option<CancelCause>,
    pub(crate) awaiter: Option<WakerId>,
    pub(crate) is_root: bool,
    pub(crate) tasks: Vec<LiveTask>,
}

impl LiveGroup {
    /// Its id.
    pub fn id(&self) -> GroupId {
        self.id
    }

    /// The enclosing group, and the task or body of it that opened this one. That is `None` for
    /// what outlives its opener: jobs that were started by the runtime's `spawn_blocking`, groups
    /// left to the root, and groups whose futures are kept elsewhere.
    pub fn opener(&self) -> Option<(GroupId, Option<TaskId>)> {
        self.opener
    }

    /// Why it was cancelled, if it was (C2).
    pub fn cause(&self) -> Option<&CancelCause> {
        self.cause.as_ref()
    }

    /// The waker that its last task will call, where the body has ended and somebody awaits the group.
    pub fn awaiter(&self) -> Option<WakerId> {
        self.awaiter
    }

    /// Whether it is what counts the groups that were left to the runtime (R6), and no real group.
    pub fn is_root(&self) -> bool {
        self.is_root
    }

    /// Its body, tasks and jobs, in the order of spawning.
    pub fn tasks(&self) -> &[LiveTask] {
        &self.tasks
    }
}

/// A body, task or job that is alive, as [`LiveWatch::groups`] found it.
#[derive(Clone, Debug)]
pub struct LiveTask {
    pub(crate) info: TaskInfo,
    pub(crate) is_body: bool,
    pub(crate) is_queued: bool,
    pub(crate) is_shielded: bool,
    pub(crate) waker: WakerId,
}

impl LiveTask {
    /// Its id, name and spawn location (G17).
    pub fn info(&self) -> &TaskInfo {
        &self.info
    }

    /// Whether it is the body of its group.
    pub fn is_body(&self) -> bool {
        self.is_body
    }

    /// Whether it waits for a place in a group with a limit (G18).
    pub fn is_queued(&self) -> bool {
        self.is_queued
    }

    /// Whether a shield protects it from cancellation (C4).
    pub fn is_shielded(&self) -> bool {
        self.is_shielded
    }

    /// The waker that it was suspended with, one that does nothing if it was not. By that a runtime can
    /// tell which of its own tasks it is. What is polled by a future outside any group has a waker of ours
    /// around that of the runtime, the same for all that such a future polls.
    pub fn waker(&self) -> WakerId {
        self.waker
    }
}
