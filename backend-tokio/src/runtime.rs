//! `Tokio`: the runtime value.

use anyscope_core::{Root, Roots};
use anyscope_pools::BlockingPool;
use tokio::runtime::{EnterGuard, Handle, Id, TryCurrentError};

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
///         .group::<BoxError, _>(async |g| {
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

/// tokio's context for this thread (X3), where it is not there anyway. An error where it cannot be had:
/// `Handle::enter` panics in the destructor of a thread-local that comes after tokio's own, and what drops a
/// group or cancels a job there must not (C7).
pub(crate) fn enter(handle: &Handle) -> Result<Option<EnterGuard<'_>>, TryCurrentError> {
    match Handle::try_current() {
        Ok(current) if current.id() == handle.id() => Ok(None),
        Err(error) if error.is_thread_local_destroyed() => Err(error),
        _ => Ok(Some(handle.enter())),
    }
}

impl From<Handle> for Tokio {
    fn from(handle: Handle) -> Self {
        Self::from_handle(handle)
    }
}
