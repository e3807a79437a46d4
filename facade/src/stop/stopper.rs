//! `Stopper`: what asks the groups that it watches to stop, politely and then at once.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyscope_core::{AsDynError, GroupBody, GroupFuture, GroupHandle, Runtime};

use crate::stop::{Ended, StopReason};

/// Stops programs: asks the groups that it [watches](Self::watch) to stop, first politely, then at
/// once (R7). Cheap to clone; may be used from any thread.
///
/// With the feature `signal`, `signals` gives the one that Ctrl-C and SIGTERM use. One of your own
/// is for whatever else may stop the program, and for tests, which then need no signals.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use anyscope::prelude::*;
/// use anyscope::Stopper;
///
/// async fn save_when_told() -> Result<(), BoxError> {
///     cancelled().await;
///     Ok(()) // save it here
/// }
///
/// let stopper = Stopper::new();
/// let admin = stopper.clone(); // for a signal, a request from the network, a test
/// let service = group(async move |g| {
///     g.task(save_when_told()).name("save").spawn();
///     admin.stop("maintenance");
///     Ok(())
/// });
/// # #[cfg(feature = "tokio")] {
/// let ended = anyscope::tokio::run(stopper.watch(service.grace(Duration::from_secs(10))));
/// assert_eq!(ended.to_string(), "stopped by maintenance");
/// assert_eq!(ended.code(), 0);
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Stopper {
    /// Those whose groups are watched now. No group's code runs under the lock.
    watched: Arc<Mutex<Vec<Arc<Target>>>>,
}

/// How far a request to stop has got: the furthest of all groups that were there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reached {
    /// No group was there.
    Nobody,
    /// A group was told, and has its grace period.
    Told,
    /// For a group it was the second request: its grace period is over.
    Cut,
    /// There was nothing left to do for a group but to wait for it.
    Waiting,
}

impl Stopper {
    /// One that watches nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks all groups that are watched now to stop. The first request shuts a group
    /// [down](GroupHandle::shut_down), so that its tasks are told, and dropped after its
    /// [grace period](GroupFuture::grace); the second ends that period
    /// ([`cancel_now`](GroupHandle::cancel_now)); further ones change nothing. Does not block.
    ///
    /// Tasks see the cause [`Shutdown`](crate::CauseKind::Shutdown); the reason is for whoever watches, in
    /// [`Ended::stopped_by`].
    pub fn stop(&self, reason: impl Into<StopReason>) -> Reached {
        let (reason, targets) = (reason.into(), lock(&self.watched).clone());
        let reached = targets.iter().map(|target| target.ask(&reason));
        reached.max().unwrap_or(Reached::Nobody)
    }

    /// Runs a group, and stops it when that is asked for. From the first poll to the end of the group
    /// it is watched, whatever it does meanwhile, also before it has suspended for the first time.
    ///
    /// Its [grace period](GroupFuture::grace) is what its tasks have to stop by themselves; without
    /// one they are dropped at once.
    ///
    /// # Panics
    ///
    /// As the group does.
    ///
    /// # Cancel safety
    ///
    /// As that of the group, which is watched no longer.
    pub fn watch<R, E, B>(
        &self,
        group: GroupFuture<R, E, B>,
    ) -> impl Future<Output = Ended<B::Value, E>> + use<R, E, B>
    where
        R: Runtime,
        E: AsDynError,
        B: GroupBody<GroupHandle<E, R>, Error = E>,
    {
        let (stopper, target) = (self.clone(), Arc::new(Target::default()));
        let opened = target.clone();
        let group = group.on_open(move |handle| opened.open(Arc::new(handle.clone())));
        async move {
            let watched = Watched::enter(stopper, target);
            let result = group.await;
            Ended::new(result, watched.target.first_reason())
        }
    }
}

impl fmt::Debug for Stopper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopper").field("watched", &lock(&self.watched).len()).finish()
    }
}

/// Takes a group off the list when it has ended, or its future is dropped.
struct Watched {
    stopper: Stopper,
    target: Arc<Target>,
}

impl Watched {
    fn enter(stopper: Stopper, target: Arc<Target>) -> Self {
        lock(&stopper.watched).push(target.clone());
        Self { stopper, target }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        lock(&self.stopper.watched).retain(|target| !Arc::ptr_eq(target, &self.target));
    }
}

/// One group, and what it was asked.
#[derive(Default)]
struct Target(Mutex<Asked>);

#[derive(Default)]
struct Asked {
    times: u32,
    first: Option<StopReason>,
    /// From its opening on.
    group: Option<Arc<dyn Stoppable>>,
}

impl Target {
    fn ask(&self, reason: &StopReason) -> Reached {
        self.change(|asked| {
            asked.times = asked.times.saturating_add(1);
            asked.first.get_or_insert_with(|| reason.clone());
        })
    }

    /// What was asked before is carried out now.
    fn open(&self, group: Arc<dyn Stoppable>) {
        self.change(|asked| asked.group = Some(group));
    }

    /// Carries out what was asked, in a way that two threads may do in any order.
    fn change(&self, change: impl FnOnce(&mut Asked)) -> Reached {
        let (reached, group) = {
            let mut asked = lock(&self.0);
            change(&mut asked);
            (Reached::after(asked.times), asked.group.clone())
        };
        if let Some(group) = group {
            group.stop(reached);
        }
        reached
    }

    fn first_reason(&self) -> Option<StopReason> {
        lock(&self.0).first.clone()
    }
}

impl Reached {
    fn after(times: u32) -> Self {
        match times {
            0 => Self::Nobody,
            1 => Self::Told,
            2 => Self::Cut,
            _ => Self::Waiting,
        }
    }
}

/// A group of whatever types.
trait Stoppable: Send + Sync {
    fn stop(&self, reached: Reached);
}

impl<E: AsDynError, R: Runtime> Stoppable for GroupHandle<E, R> {
    fn stop(&self, reached: Reached) {
        if reached >= Reached::Told {
            self.shut_down();
        }
        if reached >= Reached::Cut {
            self.cancel_now();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
