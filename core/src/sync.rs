//! Small pieces that several modules need: atomics and locks, locking without poison, waking without
//! panics, wakers of strangers made safe.

use std::sync::{Arc, PoisonError};
use std::task::{Wake, Waker};

use crate::panics::contain;
use crate::unhandled::UnhandledKind;

/// loom's, when the models are checked (`tests/loom`).
#[cfg(anyscope_loom)]
mod model;

#[cfg(anyscope_loom)]
pub(crate) use self::model::{Mutex, MutexGuard, OnceLock, atomic, thread_local};
/// All that threads share in core is made of these, except what lies in statics. `Arc` and
/// `Weak` are the standard library's in any case: no decision here depends on their counts.
#[cfg(not(anyscope_loom))]
pub(crate) use std::{
    sync::{Mutex, MutexGuard, OnceLock, atomic},
    thread_local,
};

/// Locks. No user code runs under a lock of this crate, so that poison says nothing.
#[inline]
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wakes, and contains a panic of the waker (P3).
pub(crate) fn wake(waker: Waker) {
    contain(UnhandledKind::Waker, || waker.wake());
}

/// Wakes all in their order, also if one of them panics.
#[inline]
pub(crate) fn wake_all(wakers: Vec<Waker>) {
    if !wakers.is_empty() {
        wake_some(wakers);
    }
}

fn wake_some(wakers: Vec<Waker>) {
    let mut wakers = wakers.into_iter();
    while wakers.len() > 0 {
        contain(UnhandledKind::Waker, || wakers.by_ref().for_each(Waker::wake));
    }
}

/// Drops a waker that may be a user's.
#[inline]
pub(crate) fn drop_waker(waker: Option<Waker>) {
    if waker.as_ref().is_some_and(|waker| !waker.will_wake(Waker::noop())) {
        contain(UnhandledKind::Waker, || drop(waker));
    }
}

/// Which waker it is, without owning it: equal for two wakers exactly if `will_wake` holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WakerId(usize, usize);

impl WakerId {
    /// That of this waker.
    pub fn of(waker: &Waker) -> Self {
        Self(waker.data() as usize, std::ptr::from_ref(waker.vtable()) as usize)
    }
}

/// Stands for a user's waker where native code would call it: async-task aborts the process if a
/// waker panics (P3).
#[derive(Debug)]
pub(crate) struct GuardedWaker {
    /// Replaced when the user polls with another waker. The inner `Arc` is what is cloned under the
    /// lock, so that the user's own clone, wake and drop run outside it.
    inner: Mutex<Arc<Waker>>,
}

impl GuardedWaker {
    /// A guard around `waker`, reusing the one in `cached`.
    pub(crate) fn around(waker: &Waker, cached: &mut Option<Arc<Self>>) -> Waker {
        let guard = match cached.take() {
            Some(guard) => {
                guard.replace(waker);
                guard
            }
            None => Arc::new(Self { inner: Mutex::new(Arc::new(waker.clone())) }),
        };
        *cached = Some(guard.clone());
        Waker::from(guard)
    }

    fn replace(&self, waker: &Waker) {
        if lock(&self.inner).will_wake(waker) {
            return;
        }
        let fresh = Arc::new(waker.clone());
        let old = std::mem::replace(&mut *lock(&self.inner), fresh);
        contain(UnhandledKind::Waker, || drop(old));
    }
}

impl Wake for GuardedWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let waker = lock(&self.inner).clone();
        contain(UnhandledKind::Waker, move || waker.wake_by_ref());
    }
}

impl Drop for GuardedWaker {
    fn drop(&mut self) {
        let noop = Arc::new(Waker::noop().clone());
        let inner = std::mem::replace(&mut *lock(&self.inner), noop);
        contain(UnhandledKind::Waker, || drop(inner));
    }
}
