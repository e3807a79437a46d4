//! `MapItems`: items as a stream.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

/// The stream that [`map_concurrent`](crate::map_concurrent) makes of its items.
#[derive(Clone, Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct MapItems<I>(I);

impl<I: Iterator> MapItems<I> {
    pub(super) fn new(items: impl IntoIterator<IntoIter = I>) -> Self {
        Self(items.into_iter())
    }
}

/// Items are given away, never pinned.
impl<I> Unpin for MapItems<I> {}

impl<I: Iterator> Stream for MapItems<I> {
    type Item = I::Item;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<I::Item>> {
        Poll::Ready(self.0.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}
