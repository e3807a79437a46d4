//! `Semaphore`: at most so many at once, first come first served (W8).

use std::fmt;
use std::sync::Arc;

use crate::sync::{Mutex, lock};
use crate::turns::{Turns, WaitTurn, update};

/// A number of permits, shared by all clones of it. Whoever holds one may go on.
///
/// It is fair: a permit that comes back goes to the one who has waited longest, and nobody can take
/// it before. A waiter that is cancelled when it has been given one passes it on (W8).
///
/// # Examples
///
/// ```
/// use anyscope_core::{BoxError, Group, GroupError, Runtime, Semaphore};
///
/// async fn fetch_all<R: Runtime>(rt: &R, urls: Vec<String>) -> Result<(), GroupError> {
///     rt.group::<BoxError, _, _, _>(async |g| {
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
pub struct Semaphore(Arc<Mutex<Turns>>);

impl Semaphore {
    /// A semaphore with so many permits.
    pub fn new(permits: usize) -> Self {
        Self(Arc::new(Mutex::new(Turns::new(permits))))
    }

    /// Waits for a permit, after all who have asked before.
    ///
    /// # Cancel safety
    ///
    /// Dropping it gives up the place in the line, and passes on a permit that was on its way.
    pub async fn acquire(&self) -> Permit {
        // A semaphore is never closed.
        let _ = WaitTurn::new(&self.0, |turns| turns).await;
        Permit(self.clone())
    }

    /// Takes a permit if one is free, which means that nobody waits.
    pub fn try_acquire(&self) -> Option<Permit> {
        let taken = lock(&self.0).take();
        taken.then(|| Permit(self.clone()))
    }

    /// How many permits are free right now.
    pub fn available(&self) -> usize {
        lock(&self.0).free()
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore").field("available", &self.available()).finish()
    }
}

/// A permit of a [`Semaphore`]: given back when it is dropped.
#[must_use = "dropping it gives the permit back"]
#[derive(Debug)]
pub struct Permit(Semaphore);

impl Drop for Permit {
    fn drop(&mut self) {
        update(&self.0.0, Turns::give);
    }
}
