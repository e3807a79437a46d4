//! `AsyncStd`: the runtime value.

use std::sync::OnceLock;

use anyscope_core::Root;
use anyscope_pools::BlockingPool;

use crate::blocking::shared_pool;

/// async-std's one global runtime. Cheap to clone.
///
/// # Examples
///
/// ```
/// use anyscope_core::{BoxError, Group};
/// use anyscope_async_std::AsyncStd;
///
/// let rt = AsyncStd::global();
/// let sum = async_std::task::block_on(rt.group::<BoxError, _>(async |g| {
///     let one = g.spawn(async { Ok(1) });
///     Ok(one.await? + 1)
/// }));
/// assert_eq!(sum.unwrap(), 2);
/// ```
#[derive(Clone, Debug)]
pub struct AsyncStd {
    /// The same for all values (R6).
    pub(crate) root: Root,
    pub(crate) blocking: BlockingPool,
}

impl AsyncStd {
    /// The global runtime, which starts at its first use.
    pub fn global() -> Self {
        static ROOT: OnceLock<Root> = OnceLock::new();
        let root = ROOT.get_or_init(Root::new).clone();
        Self { blocking: shared_pool(&root), root }
    }
}
