//! A group that is only to end when its time is up: `or_move_on`.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::error::{AsDynError, GroupError};
use crate::group::state::time::report_overdue;
use crate::group::{GroupBody, GroupFuture, GroupHandle, GroupId};
use crate::runtime::Runtime;

pin_project! {
    /// The future of [`GroupFuture::or_move_on`]. An async function would hold the group twice.
    pub(super) struct OrMoveOn<G> {
        #[pin]
        pub(super) group: G,
        // Known once it was polled.
        pub(super) own: Option<GroupId>,
    }
}

impl<R, E, B> Future for OrMoveOn<GroupFuture<R, E, B>>
where
    R: Runtime,
    E: AsDynError,
    B: GroupBody<GroupHandle<E, R>, Error = E>,
{
    type Output = Result<Option<B::Value>, GroupError<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let polled = this.group.as_mut().poll(cx);
        *this.own = this.own.or(this.group.id());
        match ready!(polled) {
            Err(error) if error.is_cancelled() && error.is_deadline_of(*this.own) => {
                report_overdue(error.overdue());
                Poll::Ready(Ok(None))
            }
            outcome => Poll::Ready(outcome.map(Some)),
        }
    }
}
