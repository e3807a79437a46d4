//! `Smol`: the runtime value.

use std::sync::{Arc, OnceLock, Weak};

use anyscope_core::{Root, Roots};
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
/// let sum = smol::block_on(rt.group::<BoxError, _, _, _>(async |g| {
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
        static ROOTS: Roots<Identity> = Roots::new();
        let executor = Arc::downgrade(executor);
        Self::new(Some(executor.clone()), ROOTS.of(Identity(executor)))
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

/// An executor's address, which is not used again while this is kept.
struct Identity(Weak<Executor<'static>>);

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.0.ptr_eq(&other.0)
    }
}
