//! `Semaphore`: at most so many at once, first come first served (W8).

use std::fmt;
use std::sync::Arc;

use crate::sync::{Mutex, lock};
use crate::turns::{Turns, WaitTurn, update};

/// A number of permits, shared by all clones of it. Whoever holds one may go on: a task that has
/// [acquired](Self::acquire) it, or a job that was told to [ask for it](crate::JobBuilder::permit_of),
/// so that callers who share a semaphore share a bound. As `CapacityLimiter` of Trio and AnyIO.
///
/// It is fair: a permit that comes back goes to the one who has waited longest, and nobody can take
/// it before. A waiter that is cancelled when it has been given one passes it on (W8).
///
/// # Examples
///
/// ```
/// use anyscope_core::{Group, GroupError, Runtime, Semaphore};
///
/// async fn fetch_all<R: Runtime>(rt: &R, urls: Vec<String>) -> Result<(), GroupError> {
///     rt.group(async |g| {
///         let connections = Semaphore::new(10);
///         for url in urls {
///             let connections = connections.clone();
///             g.spawn(async move {
///                 let _permit = connections.acquire().await;
///                 println!("fetching {url}");
///                 Ok(())
///             });
///         }
///         Ok(())
///     })
///     .await
/// }
/// ```
#[derive(Clone)]
pub struct Semaphore(Arc<Mutex<State>>);

struct State {
    turns: Turns,
    permits: usize,
}

impl Semaphore {
    /// A semaphore with so many permits.
    pub fn new(permits: usize) -> Self {
        Self(Arc::new(Mutex::new(State { turns: Turns::new(permits), permits })))
    }

    /// Waits for a permit, after all who have asked before.
    ///
    /// # Cancel safety
    ///
    /// Dropping it gives up the place in the line, and passes on a permit that was on its way.
    pub async fn acquire(&self) -> Permit {
        self.acquire_many(1).await
    }

    /// Waits for so many permits at once, after all who have asked before: as long as there are not enough,
    /// nobody who asks later gets one. They are given back together. For more than there
    /// [are](Self::permits) it waits until there are more.
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// Whoever has all is alone, and all that was begun before is over:
    ///
    /// ```
    /// use anyscope_core::Semaphore;
    ///
    /// # futures_executor::block_on(async {
    /// let connections = Semaphore::new(3);
    /// let _all = connections.acquire_many(connections.permits()).await;
    /// assert!(connections.try_acquire().is_none());
    /// # });
    /// ```
    pub async fn acquire_many(&self, many: usize) -> Permit {
        // A semaphore is never closed.
        let _ = WaitTurn::of_many(&self.0, |state| &mut state.turns, many).await;
        Permit { semaphore: self.clone(), many }
    }

    /// Takes a permit if one is free, which means that nobody waits.
    #[must_use = "dropping the permit gives it back"]
    pub fn try_acquire(&self) -> Option<Permit> {
        let taken = lock(&self.0).turns.take(1);
        taken.then(|| Permit { semaphore: self.clone(), many: 1 })
    }

    /// How many permits are free right now. Some may be, and yet not enough for the one who is first in line.
    pub fn available(&self) -> usize {
        lock(&self.0).turns.free()
    }

    /// How many permits there are, held and free.
    pub fn permits(&self) -> usize {
        lock(&self.0).permits
    }

    /// How many wait for a permit right now. Jobs that are cancelled leave the line at once.
    pub fn waiting(&self) -> usize {
        lock(&self.0).turns.waiting()
    }

    /// Changes how many permits there are, also while some are held. With more, those who have waited
    /// longest go on at once; with fewer, nobody loses a permit: as many as are too many are
    /// withdrawn when they are given back.
    ///
    /// # Examples
    ///
    /// ```
    /// use anyscope_core::Semaphore;
    ///
    /// let connections = Semaphore::new(2);
    /// let (one, two) = (connections.try_acquire(), connections.try_acquire());
    /// connections.set_permits(1);
    /// drop(one);
    /// assert_eq!(connections.available(), 0, "it was one too many");
    /// drop(two);
    /// assert_eq!(connections.available(), 1);
    /// ```
    pub fn set_permits(&self, permits: usize) {
        update(&self.0, |state, wakes| {
            match permits.checked_sub(state.permits) {
                Some(more) => state.turns.add(more, wakes),
                None => state.turns.withdraw(state.permits - permits),
            }
            state.permits = permits;
        });
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (available, permits) = (self.available(), self.permits());
        f.debug_struct("Semaphore").field("available", &available).field("of", &permits).finish()
    }
}

/// A permit of a [`Semaphore`], or [several](Semaphore::acquire_many): given back when it is dropped.
#[must_use = "dropping it gives the permit back"]
#[derive(Debug)]
pub struct Permit {
    semaphore: Semaphore,
    many: usize,
}

impl Drop for Permit {
    fn drop(&mut self) {
        update(&self.semaphore.0, |state, wakes| state.turns.add(self.many, wakes));
    }
}
