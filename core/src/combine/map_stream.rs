//! The streams that `map_concurrent` can be made into: in the order of the input, or as completed.

use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use pin_project_lite::pin_project;

use crate::combine::{Branch, ItemError, MapConcurrent};
use crate::panics::{DropEach, drop_contained};

pin_project! {
    /// The stream of [`MapConcurrent::ordered`].
    #[must_use = "streams do nothing unless polled"]
    pub struct MapOrdered<S, F, B: Branch, T> {
        #[pin]
        map: MapConcurrent<S, F, B>,
        // Values that came before their turn.
        early: DropEach<BTreeMap<usize, T>>,
        next: usize,
    }
}

impl<S, F, B: Branch, T> MapOrdered<S, F, B, T> {
    pub(super) fn new(map: MapConcurrent<S, F, B>) -> Self {
        Self { map, early: DropEach::default(), next: 0 }
    }
}

impl<S, F, B, T, X> Stream for MapOrdered<S, F, B, T>
where
    S: Stream,
    F: FnMut(S::Item) -> B,
    B: Branch<Output = Result<T, X>>,
{
    type Item = Result<T, ItemError<X>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        loop {
            if let Some(value) = this.early.remove(this.next) {
                *this.next += 1;
                return Poll::Ready(Some(Ok(value)));
            }
            let kept = this.early.len();
            match ready!(this.map.as_mut().poll_completed(kept, cx)) {
                Some(Ok((index, value))) => {
                    this.early.insert(index, value);
                }
                Some(Err(error)) => {
                    drop_contained(mem::take(this.early));
                    return Poll::Ready(Some(Err(error)));
                }
                None => return Poll::Ready(None),
            }
        }
    }
}

impl<S, F, B: Branch, T> fmt::Debug for MapOrdered<S, F, B, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MapOrdered").field(&self.map).finish()
    }
}

pin_project! {
    /// The stream of [`MapConcurrent::as_completed`].
    #[must_use = "streams do nothing unless polled"]
    pub struct MapAsCompleted<S, F, B: Branch> {
        #[pin]
        map: MapConcurrent<S, F, B>,
    }
}

impl<S, F, B: Branch> MapAsCompleted<S, F, B> {
    pub(super) fn new(map: MapConcurrent<S, F, B>) -> Self {
        Self { map }
    }
}

impl<S, F, B, T, X> Stream for MapAsCompleted<S, F, B>
where
    S: Stream,
    F: FnMut(S::Item) -> B,
    B: Branch<Output = Result<T, X>>,
{
    type Item = Result<T, ItemError<X>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let completed = ready!(self.project().map.poll_completed(0, cx));
        Poll::Ready(completed.map(|outcome| outcome.map(|(_, value)| value)))
    }
}

impl<S, F, B: Branch> fmt::Debug for MapAsCompleted<S, F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MapAsCompleted").field(&self.map).finish()
    }
}
