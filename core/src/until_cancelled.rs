//! `cancelled` and `until_cancelled`: waiting to be told to stop, and what is given up then.

use std::fmt;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::cancel::CancelCause;
use crate::context::{TaskContext, WaitCancelled};
use crate::error::AsDynError;
use crate::group::GroupHandle;
use crate::panics::Contained;
use crate::protect::Cover;
use crate::runtime::Runtime;
use crate::stack::poll_below;

/// Waits until the current task, body or job is cancelled, alone or with its group (C2): how one that has a
/// [grace period](crate::GroupFuture::grace) learns that it should end by itself. Without one it is dropped
/// where it awaits this. Outside any task it never ends.
///
/// It finds its task at the first poll. Of another task there is [`TaskContext::cancelled`], of a group
/// [`GroupHandle::cancelled`].
///
/// # Cancel safety
///
/// Nothing is lost if it is dropped.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use anyscope_core::{Group, GroupError, Runtime, cancelled};
///
/// async fn serve<R: Runtime>(rt: &R) -> Result<(), GroupError> {
///     let server = rt.group(async |g| {
///         g.spawn(async {
///             let why = cancelled().await;
///             println!("saving, because {why}");
///             Ok(())
///         });
///         g.shut_down();
///         Ok(())
///     });
///     server.grace(Duration::from_secs(5)).await
/// }
/// ```
pub async fn cancelled() -> CancelCause {
    match TaskContext::current() {
        Some(task) => task.cancelled().await,
        None => pending().await,
    }
}

/// The value of `future`, or `None` as soon as the current task or body is cancelled: how one that has a
/// [grace period](crate::GroupFuture::grace) leaves what it waits for, and goes on to its end (C3). As
/// `CancellationToken::run_until_cancelled` of `tokio-util`.
///
/// It finds its task at the first poll. Where that is cancelled already, `future` is not polled at all, so
/// that a loop ends also if it never has to wait. Without a grace period a task is dropped where it awaits,
/// and needs none of this. Outside any task it is `future`.
///
/// When the task is told, `future` is dropped before this returns; what is [shielded](crate::shield()) in it
/// is waited for first (C4).
///
/// # Cancel safety
///
/// Dropping it drops `future`.
///
/// # Examples
///
/// A server that takes no new connections once its program stops, and ends those that there are:
///
/// ```
/// use std::time::Duration;
/// use anyscope_core::{BoxError, Group, GroupError, Queue, Runtime, until_cancelled};
///
/// # struct Connection;
/// async fn handle(connection: Connection) -> Result<(), BoxError> {
///     Ok(())
/// }
///
/// async fn serve<R: Runtime>(rt: &R, listener: Queue<Connection>) -> Result<(), GroupError> {
///     let server = rt.group(async |g| {
///         while let Some(Some(connection)) = until_cancelled(listener.get()).await {
///             g.spawn(handle(connection.into_inner()));
///         }
///         Ok(())
///     });
///     server.grace(Duration::from_secs(10)).await
/// }
/// ```
pub fn until_cancelled<F: Future>(future: F) -> UntilCancelled<F> {
    UntilCancelled { future: Some(future), told: None, cover: None }
}

impl<E: AsDynError, R: Runtime> GroupHandle<E, R> {
    /// The value of `future`, or `None` as soon as this group is cancelled: for those who are not its tasks,
    /// and wait for something of it. As [`until_cancelled`], which asks about the current task.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops `future`.
    ///
    /// # Examples
    ///
    /// Whoever waits for a connection learns that the pool is closed:
    ///
    /// ```
    /// use anyscope_core::{GroupHandle, Permit, Runtime, Semaphore};
    ///
    /// struct Pool<R: Runtime> {
    ///     tasks: GroupHandle<anyscope_core::BoxError, R>,
    ///     connections: Semaphore,
    /// }
    ///
    /// impl<R: Runtime> Pool<R> {
    ///     async fn acquire(&self) -> Result<Permit, &'static str> {
    ///         let permit = self.tasks.until_cancelled(self.connections.acquire()).await;
    ///         permit.ok_or("the pool is closed")
    ///     }
    /// }
    /// ```
    pub fn until_cancelled<F: Future>(&self, future: F) -> UntilCancelled<F> {
        UntilCancelled { future: Some(future), told: Some(Some(self.cancelled())), cover: None }
    }
}

pin_project! {
    /// The future of [`until_cancelled`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct UntilCancelled<F> {
        // Gone once it is done, so that its destructor has run before the value is seen.
        #[pin]
        future: Option<F>,
        // From the first poll on; nobody tells where there is no task.
        told: Option<Option<WaitCancelled>>,
        cover: Option<Arc<Cover>>,
    }
}

impl<F: Future> Future for UntilCancelled<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let own = || TaskContext::current().map(|task| task.cancelled());
        let told = this.told.get_or_insert_with(own).as_mut();
        let is_told = told.is_some_and(|told| Pin::new(told).poll(cx).is_ready());
        // The future's destructor may panic, and then the value's (P3).
        let mut value = None;
        if !is_told || Cover::is_held_up(this.cover.as_ref(), cx.waker()) {
            match poll_below(this.cover, this.future.as_mut(), cx) {
                Some(Poll::Ready(ready)) => value = Some(Contained::new(ready)),
                // A shield that has ended in this poll wakes nobody.
                Some(Poll::Pending)
                    if !is_told || Cover::is_held_up(this.cover.as_ref(), cx.waker()) =>
                {
                    return Poll::Pending;
                }
                _ => {}
            }
        }
        this.future.set(None);
        *this.told = Some(None);
        Poll::Ready(value.map(Contained::into_inner))
    }
}

impl<F> fmt::Debug for UntilCancelled<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UntilCancelled").finish_non_exhaustive()
    }
}
