//! `Queue`: bounded, with an account of what is unfinished (W8).

mod error;
mod item;
mod items;
mod stream;

pub use error::PutError;
pub use item::{ItemDone, QueueItem};

use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use futures_core::Stream;

use self::items::Items;
use self::stream::Taking;
use crate::sync::{Mutex, lock};
use crate::turns::{NoMore, Turns, WaitTurn, update};

/// A bounded queue between tasks, shared by all clones of it: any number put, any number get, each in
/// the order in which they asked (W8).
///
/// Which item comes next is chosen when the queue is made: the oldest ([`fifo`](Self::fifo)), the
/// newest ([`lifo`](Self::lifo)) or the smallest ([`priority`](Self::priority)). What
/// [`get`](Self::get) gives is the item in a guard, and when all guards are gone and nothing lies in
/// the queue, [`join`](Self::join) returns.
///
/// Dropping clones closes nothing: the end is said by [`close`](Self::close), and until then a
/// [`get`](Self::get) waits, also when all who put are gone. So this is for work that is counted, and whose
/// end somebody knows. Channels, which end with their senders, are in the crate `async-channel`, for any
/// runtime.
///
/// # Examples
///
/// ```
/// use anyscope_core::{Group, GroupError, Queue, Runtime};
///
/// async fn work<R: Runtime>(rt: &R) -> Result<(), GroupError> {
///     rt.group(async |g| {
///         let queue = Queue::fifo(8);
///         for _ in 0..3 {
///             let queue = queue.clone();
///             g.spawn(async move {
///                 while let Some(url) = queue.get().await {
///                     println!("fetching {}", *url);
///                 }
///                 Ok(())
///             });
///         }
///         for n in 0..100 {
///             queue.put(format!("https://example.org/{n}")).await?;
///         }
///         queue.join().await; // all have been fetched
///         queue.close(); // the workers end
///         Ok(())
///     })
///     .await
/// }
/// ```
pub struct Queue<T>(Arc<Mutex<State<T>>>);

struct State<T> {
    items: Items<T>,
    /// As many as there are items that no `get` has been given yet.
    filled: Turns,
    /// As many as there is room that no `put` has been given yet.
    room: Turns,
    closed: bool,
    /// Put, and not said to be done.
    unfinished: usize,
    /// Closed exactly while nothing is unfinished: then nobody has to wait.
    busy: Turns,
}

impl<T> Queue<T> {
    /// A queue that gives the oldest item first, and holds up to `capacity`; `usize::MAX` is no bound.
    ///
    /// # Panics
    ///
    /// If `capacity` is zero.
    #[track_caller]
    pub fn fifo(capacity: usize) -> Self {
        Self::new(Items::fifo(), capacity)
    }

    /// A queue that gives the newest item first, and holds up to `capacity`.
    ///
    /// # Panics
    ///
    /// If `capacity` is zero.
    #[track_caller]
    pub fn lifo(capacity: usize) -> Self {
        Self::new(Items::lifo(), capacity)
    }

    /// A queue that gives the smallest item first, of equal ones the oldest, and holds up to
    /// `capacity`. [`Reverse`](std::cmp::Reverse) turns the order round.
    ///
    /// Items are compared under the queue's lock: the comparison must not use the queue, nor panic.
    ///
    /// # Panics
    ///
    /// If `capacity` is zero.
    #[track_caller]
    pub fn priority(capacity: usize) -> Self
    where
        T: Ord,
    {
        Self::new(Items::priority(), capacity)
    }

    #[track_caller]
    fn new(items: Items<T>, capacity: usize) -> Self {
        assert!(capacity > 0, "a queue of no capacity could hold nothing");
        let mut busy = Turns::new(0);
        busy.close(&mut Vec::new());
        let (filled, room) = (Turns::new(0), Turns::new(capacity));
        let state = State { items, filled, room, closed: false, unfinished: 0, busy };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Puts an item in, when there is room, after all who have asked before.
    ///
    /// # Errors
    ///
    /// [`PutError`], with the item, if the queue is closed, before or meanwhile.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has put nothing in, and the item is dropped.
    pub async fn put(&self, item: T) -> Result<(), PutError<T>> {
        // The end of the turns is found out below.
        let _ = WaitTurn::new(&self.0, |state| &mut state.room).await;
        update(&self.0, |state, wakes| state.put(item, wakes))
    }

    /// Puts an item in, if there is room right now, which means that nobody waits for it.
    ///
    /// # Errors
    ///
    /// [`PutError`], with the item, if the queue is closed or full.
    pub fn try_put(&self, item: T) -> Result<(), PutError<T>> {
        update(&self.0, |state, wakes| match state.closed || state.room.take(1) {
            true => state.put(item, wakes),
            false => Err(PutError::new(item, false)),
        })
    }

    /// Takes the next item, when there is one, after all who have asked before. `None` once the queue
    /// is closed and empty.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has taken nothing.
    pub async fn get(&self) -> Option<QueueItem<T>> {
        match WaitTurn::new(&self.0, |state| &mut state.filled).await {
            Ok(()) => self.guarded(update(&self.0, State::get)),
            Err(NoMore) => None,
        }
    }

    /// Takes the next item, if there is one right now that nobody waits for.
    pub fn try_get(&self) -> Option<QueueItem<T>> {
        let item = update(&self.0, |state, wakes| match state.filled.take(1) {
            true => state.get(wakes),
            false => None,
        });
        self.guarded(item)
    }

    fn guarded(&self, item: Option<T>) -> Option<QueueItem<T>> {
        item.map(|item| QueueItem::new(item, self.clone()))
    }

    /// The items as a stream, which ends when the queue is closed and empty.
    pub fn stream(&self) -> impl Stream<Item = QueueItem<T>> + use<T> {
        let queue = self.clone();
        Taking::new(move || {
            let queue = queue.clone();
            async move { queue.get().await }
        })
    }

    /// Waits until nothing is unfinished: each item that was put in has been taken out, and its guard
    /// has been dropped.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if it is dropped.
    pub async fn join(&self) {
        // Nobody is ever given a turn: all go on at the end.
        let _ = WaitTurn::new(&self.0, |state| &mut state.busy).await;
    }

    /// Closes the queue: nothing more can be put in, what lies in it can still be taken out. Does
    /// nothing the second time.
    pub fn close(&self) {
        update(&self.0, |state, wakes| {
            state.closed = true;
            state.room.end(wakes);
            state.filled.close(wakes);
        });
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        lock(&self.0).closed
    }

    /// How many items lie in it.
    pub fn len(&self) -> usize {
        lock(&self.0).items.len()
    }

    /// Whether no item lies in it; some may be unfinished.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many items were put in and are not done.
    pub fn unfinished(&self) -> usize {
        lock(&self.0).unfinished
    }

    fn finish_one(&self) {
        update(&self.0, |state, wakes| {
            state.unfinished -= 1;
            if state.unfinished == 0 {
                state.busy.close(wakes);
            }
        });
    }
}

impl<T> State<T> {
    /// The caller has taken room, unless the queue is closed.
    fn put(&mut self, item: T, wakes: &mut Vec<Waker>) -> Result<(), PutError<T>> {
        if self.closed {
            return Err(PutError::new(item, true));
        }
        self.items.push(item);
        self.unfinished += 1;
        self.busy.reopen();
        self.filled.give(wakes);
        Ok(())
    }

    /// The caller has been given its turn, so there is an item.
    fn get(&mut self, wakes: &mut Vec<Waker>) -> Option<T> {
        let item = self.items.pop();
        self.room.give(wakes);
        item
    }
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("len", &self.len())
            .field("unfinished", &self.unfinished())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
