//! `for_each_concurrent`: something done with each item, at most so many at once (W6).

use std::future::{Future, poll_fn};

use futures_core::Stream;

use crate::combine::{Branch, ItemError, MapItems, map_concurrent_stream};

/// Runs `f` for each item, at most `limit` of them at once (W6): [`map_concurrent`] without values.
///
/// [`map_concurrent`]: crate::map_concurrent
///
/// # Errors
///
/// [`ItemError`], with the position of the item that failed first; the others that were running have
/// been stopped and have ended.
///
/// # Panics
///
/// If `limit` is zero: nothing could ever run.
///
/// # Cancel safety
///
/// Dropping it pulls no further item; tasks that run go on in their groups (T2), plain futures are
/// dropped.
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
/// use anyscope_core::{for_each_concurrent, in_place};
///
/// # futures_executor::block_on(async {
/// let sum = Cell::new(0);
/// let add = async |text: &str| Ok::<(), std::num::ParseIntError>(sum.set(sum.get() + text.parse::<i32>()?));
/// for_each_concurrent(["1", "2"], 8, |text| in_place(add(text))).await.unwrap();
/// assert_eq!(sum.get(), 3);
///
/// let failed = for_each_concurrent(["1", "x", "3"], 1, |text| in_place(add(text))).await;
/// assert_eq!(failed.unwrap_err().index(), 1);
/// # });
/// ```
#[track_caller]
pub fn for_each_concurrent<I, F, B, X>(
    items: I,
    limit: usize,
    f: F,
) -> impl Future<Output = Result<(), ItemError<X>>>
where
    I: IntoIterator,
    F: FnMut(I::Item) -> B,
    B: Branch<Output = Result<(), X>>,
{
    for_each_concurrent_stream(MapItems::new(items), limit, f)
}

/// Like [`for_each_concurrent`], for the items of a stream.
///
/// # Errors
///
/// [`ItemError`], as there.
///
/// # Panics
///
/// If `limit` is zero.
///
/// # Cancel safety
///
/// As there; an item that the stream has given is not lost on the way to `f`.
#[track_caller]
pub fn for_each_concurrent_stream<S, F, B, X>(
    items: S,
    limit: usize,
    f: F,
) -> impl Future<Output = Result<(), ItemError<X>>>
where
    S: Stream,
    F: FnMut(S::Item) -> B,
    B: Branch<Output = Result<(), X>>,
{
    let done = map_concurrent_stream(items, limit, f).as_completed();
    async move {
        let mut done = std::pin::pin!(done);
        while let Some(outcome) = poll_fn(|cx| done.as_mut().poll_next(cx)).await {
            outcome?;
        }
        Ok(())
    }
}
