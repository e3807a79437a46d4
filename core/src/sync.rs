//! Small pieces that several modules need: atomics and locks, locking without poison, waking without
//! panics.

use std::ops::Deref;
use std::sync::PoisonError;
use std::task::Waker;

use crate::panics::contain;
use crate::unhandled::UnhandledKind;

/// loom's, when the models are checked (`tests/loom`).
#[cfg(anyscope_loom)]
mod model;

#[cfg(anyscope_loom)]
pub(crate) use self::model::{Mutex, MutexGuard, OnceLock, atomic, thread_local};
/// What decides anything between threads in core is made of these. The standard library's are
/// `Arc` and `Weak`, statics (of which the lock that moves open groups decides something, and no model has
/// it), a root's shared value, the memo of `Gravest`, and locks that are never locked, only to be `Sync`.
#[cfg(not(anyscope_loom))]
pub(crate) use std::{
    sync::{Mutex, MutexGuard, OnceLock, atomic},
    thread_local,
};

/// Shares no line of the cache with what lies before and after it, so that threads that write it do not
/// disturb those who read the rest. By space and not by alignment: an allocation that asks for more alignment
/// than usual costs several times as much, and makes glibc merge what has been freed.
#[repr(C)]
pub(crate) struct Apart<T> {
    before: Space,
    value: T,
    after: Space,
}

/// As much as a line of the cache.
type Space = [u64; 8];

impl<T> Apart<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { before: Space::default(), value, after: Space::default() }
    }
}

impl<T> Deref for Apart<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// Locks. No user code runs under a lock of this crate, so that poison says nothing: but for the `Ord` of a
/// priority queue's items, as `Queue::priority` says.
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
