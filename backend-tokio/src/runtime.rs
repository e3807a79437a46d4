//! `Tokio`: the runtime value.

use anyscope_core::{Root, Roots};
use anyscope_pools::BlockingPool;
use tokio::runtime::{Handle, Id, TryCurrentError};

use crate::blocking::shared_pool;

/// A tokio runtime, multi-thread or current-thread. Cheap to clone.
///
/// It holds a `Handle`, which does not keep the runtime running: what is spawned after its shutdown
/// is dropped, and its handle says so (R1, R5). Timers need a runtime with time enabled; without,
/// tokio panics and says so.
///
/// # Examples
///
/// ```
/// use anyscope_core::{BoxError, Group};
/// use anyscope_tokio::Tokio;
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() {
///     let rt = Tokio::current().expect("inside a runtime");
///     let sum = rt
///         .group::<BoxError, _, _, _>(async |g| {
///             let one = g.spawn(async { Ok(1) });
///             Ok(one.await? + 1)
///         })
///         .await;
///     assert_eq!(sum.unwrap(), 2);
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Tokio {
    pub(crate) handle: Handle,
    /// The same for all values made from one runtime (R6).
    pub(crate) root: Root,
    pub(crate) blocking: BlockingPool,
}

impl Tokio {
    /// The runtime of this handle.
    pub fn from_handle(handle: Handle) -> Self {
        static ROOTS: Roots<Id> = Roots::new();
        let root = ROOTS.of(handle.id());
        Self { blocking: shared_pool(&handle, &root), root, handle }
    }

    /// The runtime that this code runs in.
    ///
    /// # Errors
    ///
    /// tokio's error, outside a runtime.
    pub fn current() -> Result<Self, TryCurrentError> {
        Handle::try_current().map(Self::from_handle)
    }

    /// The native handle.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl From<Handle> for Tokio {
    fn from(handle: Handle) -> Self {
        Self::from_handle(handle)
    }
}
