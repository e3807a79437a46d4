//! What a queue gives: the item, with the promise to say when it is done.

use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::queue::Queue;

/// An item taken from a [`Queue`]. It counts as unfinished until this is dropped, so that nobody can
/// forget to say that it is done ([`Queue::join`]).
///
/// It is used like the item itself; [`into_inner`](Self::into_inner) gives that, and
/// [`into_parts`](Self::into_parts) the promise with it.
#[must_use = "dropping it says that the item is done"]
pub struct QueueItem<T> {
    // Dropped before it is said to be done.
    item: T,
    done: ItemDone<T>,
}

impl<T> QueueItem<T> {
    pub(super) fn new(item: T, queue: Queue<T>) -> Self {
        Self { item, done: ItemDone(queue) }
    }

    /// The item, which counts as done from now on: for a queue that hands things over, and that nobody
    /// [joins](Queue::join).
    ///
    /// # Examples
    ///
    /// ```
    /// use anyscope_core::Queue;
    ///
    /// async fn next(requests: &Queue<String>) -> Option<String> {
    ///     Some(requests.get().await?.into_inner())
    /// }
    /// # let _ = next;
    /// ```
    pub fn into_inner(self) -> T {
        self.item
    }

    /// The item, and what says that it is done when it is dropped.
    pub fn into_parts(self) -> (T, ItemDone<T>) {
        (self.item, self.done)
    }
}

impl<T> Deref for QueueItem<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.item
    }
}

impl<T> DerefMut for QueueItem<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.item
    }
}

impl<T: fmt::Debug> fmt::Debug for QueueItem<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("QueueItem").field(&self.item).finish()
    }
}

/// Says that an item is done, when it is dropped: [`QueueItem::into_parts`].
#[must_use = "dropping it says that the item is done"]
pub struct ItemDone<T>(Queue<T>);

impl<T> Drop for ItemDone<T> {
    fn drop(&mut self) {
        self.0.finish_one();
    }
}

impl<T> fmt::Debug for ItemDone<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ItemDone").field(&self.0).finish()
    }
}
