//! `map_concurrent`: a function over many items, at most so many at once (W6).

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use pin_project_lite::pin_project;

use crate::combine::branch::{poll_stopped, stop_all};
use crate::combine::{Branch, ItemError, MapAsCompleted, MapItems, MapOrdered};
use crate::panics::{Contained, DropEach};
use crate::set::Set;

/// Runs `f` for each item, at most `limit` of them at once (W6). What `f` gives is a task's handle
/// (`|url| g.spawn(fetch(url))`) or a plain future (`|url| in_place(fetch(url))`).
///
/// Items are pulled one by one, when there is room. The first failure ends it: no further item is
/// pulled, those that run are stopped and have ended before the failure is given, as an
/// [`ItemError`] with its item's position. In a group with an error type of your own, `?` on
/// what tasks gave needs a `From<ItemError<TaskError>>` for it; without the position,
/// `.map_err(ItemError::into_error)?` needs a `From<TaskError>`. There are three ways on:
///
/// - awaiting it gives all values in the order of the input;
/// - [`ordered`](MapConcurrent::ordered) is a stream in the order of the input: values that come
///   early are kept, and counted against `limit`;
/// - [`as_completed`](MapConcurrent::as_completed) is a stream in order of completion.
///
/// Of no items it makes an empty list or stream, at once (W7).
///
/// # Panics
///
/// If `limit` is zero: nothing could ever run.
///
/// # Cancel safety
///
/// Dropping it, or what was made of it, pulls no further item; tasks that run go on in their groups
/// (T2), plain futures are dropped.
///
/// # Examples
///
/// ```
/// use anyscope_core::{Group, GroupError, Runtime, map_concurrent};
///
/// async fn lengths<R: Runtime>(rt: &R, paths: Vec<String>) -> Result<Vec<usize>, GroupError> {
///     rt.group(async |g| {
///         let length = |path: String| g.spawn_blocking(move || path.len());
///         Ok(map_concurrent(paths, 8, length).await?)
///     })
///     .await
/// }
/// ```
#[track_caller]
pub fn map_concurrent<I, F, B>(
    items: I,
    limit: usize,
    f: F,
) -> MapConcurrent<MapItems<I::IntoIter>, F, B>
where
    I: IntoIterator,
    F: FnMut(I::Item) -> B,
    B: Branch,
{
    map_concurrent_stream(MapItems::new(items), limit, f)
}

/// Like [`map_concurrent`], for the items of a stream.
///
/// # Panics
///
/// If `limit` is zero.
#[track_caller]
pub fn map_concurrent_stream<S, F, B>(items: S, limit: usize, f: F) -> MapConcurrent<S, F, B>
where
    S: Stream,
    F: FnMut(S::Item) -> B,
    B: Branch,
{
    assert!(limit > 0, "with a limit of zero nothing could ever run");
    // Each has its own waker from the first: those that share one are not known by their order.
    let (items, running) = (Some(items), Set::new(0));
    let positions = Vec::new();
    MapConcurrent { items, f, limit, pulled: 0, running, positions, failed: None }
}

pin_project! {
    /// What [`map_concurrent`] gives: await it, or make a stream of it.
    #[must_use = "it does nothing unless awaited"]
    pub struct MapConcurrent<S, F, B: Branch> {
        // `None` once there are no more, or no more wanted.
        #[pin]
        items: Option<S>,
        f: F,
        limit: usize,
        pulled: usize,
        running: Set<B>,
        // Those of the items that run, by their index in the set.
        positions: Vec<usize>,
        // The first failure, while the others are stopped: if that panics, this is dropped meanwhile (P3).
        failed: Option<(usize, Contained<B::Output>)>,
    }
}

impl<S, F, B, T, X> MapConcurrent<S, F, B>
where
    S: Stream,
    F: FnMut(S::Item) -> B,
    B: Branch<Output = Result<T, X>>,
{
    /// A stream of the values in the order of the input. After a failure it ends, at once: values
    /// that wait for an earlier one are dropped.
    pub fn ordered(self) -> MapOrdered<S, F, B, T> {
        MapOrdered::new(self)
    }

    /// A stream of the values in order of completion. After a failure it ends.
    pub fn as_completed(self) -> MapAsCompleted<S, F, B> {
        MapAsCompleted::new(self)
    }

    /// The next value that is there, with its item's position. `kept` values are still with the
    /// caller and count as running.
    pub(super) fn poll_completed(
        mut self: Pin<&mut Self>,
        kept: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Completed<T, X>>> {
        if self.failed.is_none() {
            self.as_mut().pull(kept, cx);
            let this = self.as_mut().project();
            let Some((at, outcome)) = ready!(this.running.poll_next(cx, Future::poll)) else {
                return if this.items.is_some() { Poll::Pending } else { Poll::Ready(None) };
            };
            let index = this.positions[at];
            match outcome {
                Ok(value) => return Poll::Ready(Some(Ok((index, value)))),
                failure => self.as_mut().fail(index, failure),
            }
        }
        let this = self.project();
        ready!(poll_stopped(this.running, cx));
        let failed = this.failed.take();
        Poll::Ready(failed.and_then(|(index, failure)| {
            failure.into_inner().err().map(|error| Err(ItemError::new(index, error)))
        }))
    }

    /// Starts items while there is room.
    fn pull(self: Pin<&mut Self>, kept: usize, cx: &mut Context<'_>) {
        let mut this = self.project();
        while this.running.len() + kept < *this.limit {
            match this.items.as_mut().as_pin_mut().map(|items| items.poll_next(cx)) {
                Some(Poll::Ready(Some(item))) => {
                    let at = this.running.push((this.f)(item));
                    if this.positions.len() <= at {
                        this.positions.resize(at + 1, 0);
                    }
                    this.positions[at] = *this.pulled;
                    *this.pulled += 1;
                }
                Some(Poll::Ready(None)) => this.items.set(None),
                Some(Poll::Pending) | None => break,
            }
        }
    }

    /// Nothing more is pulled; what runs is stopped.
    fn fail(self: Pin<&mut Self>, index: usize, failure: B::Output) {
        let mut this = self.project();
        *this.failed = Some((index, Contained::new(failure)));
        stop_all(this.running);
        this.items.set(None);
    }
}

/// A value with its item's position, or the failure that ended it all.
pub(super) type Completed<T, X> = Result<(usize, T), ItemError<X>>;

impl<S, F, B, T, X> IntoFuture for MapConcurrent<S, F, B>
where
    S: Stream,
    F: FnMut(S::Item) -> B,
    B: Branch<Output = Result<T, X>>,
{
    type Output = Result<Vec<T>, ItemError<X>>;
    type IntoFuture = MapCollect<S, F, B, T>;

    fn into_future(self) -> Self::IntoFuture {
        MapCollect { map: self, values: DropEach::default() }
    }
}

impl<S, F, B: Branch> fmt::Debug for MapConcurrent<S, F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapConcurrent")
            .field("limit", &self.limit)
            .field("pulled", &self.pulled)
            .field("running", &self.running.len())
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// The values of [`map_concurrent`] in the order of the input, as a list.
    #[must_use = "futures do nothing unless awaited"]
    pub struct MapCollect<S, F, B: Branch, T> {
        #[pin]
        map: MapConcurrent<S, F, B>,
        // By position in the input.
        values: DropEach<Vec<Option<T>>>,
    }
}

impl<S, F, B, T, X> Future for MapCollect<S, F, B, T>
where
    S: Stream,
    F: FnMut(S::Item) -> B,
    B: Branch<Output = Result<T, X>>,
{
    type Output = Result<Vec<T>, ItemError<X>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        while let Some(outcome) = ready!(this.map.as_mut().poll_completed(0, cx)) {
            let (index, value) = outcome?;
            if this.values.len() <= index {
                this.values.resize_with(index + 1, || None);
            }
            this.values[index] = Some(value);
        }
        Poll::Ready(Ok(this.values.take().into_iter().flatten().collect()))
    }
}

impl<S, F, B: Branch, T> fmt::Debug for MapCollect<S, F, B, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MapCollect").field(&self.map).finish()
    }
}
