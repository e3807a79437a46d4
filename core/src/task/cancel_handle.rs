//! `CancelHandle`: cancelling a task or job without its value.

use std::fmt;
use std::sync::Arc;

use crate::cancel::CancelCause;
use crate::group::{Node, UnitKey};
use crate::task::TaskId;

/// Cancels one task or job: [`TaskHandle::cancel_handle`](crate::TaskHandle::cancel_handle). Cheap to
/// clone, whatever the type of the value, and may be sent anywhere; dropping it changes nothing. As
/// `AbortHandle` of tokio.
///
/// It keeps neither the task nor its group alive.
///
/// # Examples
///
/// ```
/// use anyscope_core::{Group, GroupError, Runtime, TaskError};
///
/// async fn first<R: Runtime>(rt: &R) -> Result<Option<u32>, GroupError<TaskError>> {
///     rt.group(async |g| {
///         let slow = g.spawn(std::future::pending::<Result<u32, TaskError>>());
///         let cancel = slow.cancel_handle();
///         g.spawn(async move {
///             cancel.cancel_because("nobody waits that long");
///             Ok(())
///         });
///         Ok(slow.await.ok())
///     })
///     .await
/// }
/// ```
#[derive(Clone)]
pub struct CancelHandle {
    node: Arc<Node>,
    /// `None` if there is nothing to be cancelled any more.
    key: Option<UnitKey>,
    id: TaskId,
}

impl CancelHandle {
    pub(super) fn new(node: Arc<Node>, key: Option<UnitKey>, id: TaskId) -> Self {
        Self { node, key, id }
    }

    /// The task's id.
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// Whether the task has ended, destructors included (T3).
    pub fn is_finished(&self) -> bool {
        !self.key.is_some_and(|key| self.node.is_live(key, self.id))
    }

    /// Cancels the task alone, as [`TaskHandle::cancel`](crate::TaskHandle::cancel) does (T6).
    pub fn cancel(&self) {
        self.cancel_with(CancelCause::requested());
    }

    /// Cancels the task alone, with a reason for those who read the cause.
    pub fn cancel_because(&self, reason: impl Into<String>) {
        self.cancel_with(CancelCause::because(reason));
    }

    fn cancel_with(&self, cause: CancelCause) {
        if let Some(key) = self.key {
            self.node.cancel_unit(key, self.id, cause);
        }
    }
}

impl fmt::Debug for CancelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelHandle")
            .field("id", &self.id)
            .field("finished", &self.is_finished())
            .finish()
    }
}
