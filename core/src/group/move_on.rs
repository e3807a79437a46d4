//! A group that is only to end when its time is up: `or_move_on`.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::error::{AsDynError, GroupError};
use crate::group::state::time::report_overdue;
use crate::group::{GroupBody, GroupFuture, GroupHandle};
use crate::runtime::Runtime;

pin_project! {
    /// The future of [`GroupFuture::or_move_on`]. An async function would hold the group twice.
    pub(super) struct OrMoveOn<G> {
        #[pin]
        pub(super) group: G,
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
        this.group.as_mut().begin_once();
        // As long as it has not returned.
        let own = this.group.id();
        match ready!(this.group.poll(cx)) {
            Err(error) if error.is_cancelled() && error.is_deadline_of(own) => {
                report_overdue(error.overdue());
                Poll::Ready(Ok(None))
            }
            outcome => Poll::Ready(outcome.map(Some)),
        }
    }
}
