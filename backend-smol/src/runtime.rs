//! `Smol`: the runtime value.

use std::mem;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use anyscope_core::Root;
use anyscope_pools::BlockingPool;
use smol::Executor;

use crate::blocking::shared_pool;

/// smol: its global executor, or one of your own. Cheap to clone.
///
/// An executor of your own is held weakly: when your last `Arc` is gone it is shut down, and what is
/// spawned after that is dropped, and its handle says so (R1, R5). Tasks on it run only while you
/// run it.
///
/// # Examples
///
/// ```
/// use anyscope_core::{BoxError, Group};
/// use anyscope_smol::Smol;
///
/// let rt = Smol::global();
/// let sum = smol::block_on(rt.group::<BoxError, _>(async |g| {
///     let one = g.spawn(async { Ok(1) });
///     Ok(one.await? + 1)
/// }));
/// assert_eq!(sum.unwrap(), 2);
/// ```
#[derive(Clone, Debug)]
pub struct Smol {
    executor: Option<Weak<Executor<'static>>>,
    /// The same for all values made from one executor (R6).
    pub(crate) root: Root,
    pub(crate) blocking: BlockingPool,
}

impl Smol {
    /// smol's global executor. It has one thread unless the environment's `SMOL_THREADS` says more.
    pub fn global() -> Self {
        static ROOT: OnceLock<Root> = OnceLock::new();
        Self::new(None, ROOT.get_or_init(Root::new).clone())
    }

    /// An executor of your own.
    pub fn from_executor(executor: &Arc<Executor<'static>>) -> Self {
        static ROOTS: OwnRoots = OwnRoots(Mutex::new(Vec::new()));
        let executor = Arc::downgrade(executor);
        let root = ROOTS.of(&executor);
        Self::new(Some(executor), root)
    }

    fn new(executor: Option<Weak<Executor<'static>>>, root: Root) -> Self {
        Self { executor, blocking: shared_pool(&root), root }
    }

    /// What to spawn on; `None` if the user's executor is gone.
    pub(crate) fn executor(&self) -> Option<Spawn> {
        match &self.executor {
            None => Some(Spawn::Global),
            Some(own) => own.upgrade().map(Spawn::Own),
        }
    }
}

impl From<&Arc<Executor<'static>>> for Smol {
    fn from(executor: &Arc<Executor<'static>>) -> Self {
        Self::from_executor(executor)
    }
}

pub(crate) enum Spawn {
    Global,
    Own(Arc<Executor<'static>>),
}

/// The roots of the users' executors, each as long as its executor is there: a pool that went with the last
/// value would leave its idle threads behind, and the next value begin with none (B2).
struct OwnRoots(Mutex<Vec<(Weak<Executor<'static>>, Root)>>);

impl OwnRoots {
    /// An executor is known by its address, which is not used again while a weak reference is kept.
    fn of(&self, executor: &Weak<Executor<'static>>) -> Root {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_there = |(own, _): &(Weak<_>, _)| own.strong_count() > 0;
        let (there, gone) = mem::take(&mut *known).into_iter().partition::<Vec<_>, _>(is_there);
        *known = there;
        let found =
            known.iter().find(|(own, _)| own.ptr_eq(executor)).map(|(_, root)| root.clone());
        let root = found.unwrap_or_else(|| {
            let root = Root::new();
            known.push((executor.clone(), root.clone()));
            root
        });
        drop(known);
        // Not under the lock.
        drop(gone);
        root
    }
}
