//! A queue's items as a stream.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use pin_project_lite::pin_project;

pin_project! {
    /// Gives what each future gives that `next` makes, up to the first `None`.
    pub(super) struct Taking<M, F> {
        next: M,
        #[pin]
        taking: Option<F>,
    }
}

impl<M, F> Taking<M, F> {
    pub(super) fn new(next: M) -> Self {
        Self { next, taking: None }
    }
}

impl<M, F, T> Stream for Taking<M, F>
where
    M: FnMut() -> F,
    F: Future<Output = Option<T>>,
{
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut this = self.project();
        if this.taking.is_none() {
            this.taking.set(Some((this.next)()));
        }
        let taken = this.taking.as_mut().as_pin_mut().map_or(Poll::Ready(None), |it| it.poll(cx));
        let item = ready!(taken);
        this.taking.set(None);
        Poll::Ready(item)
    }
}
