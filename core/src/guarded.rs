//! `GuardedWaker`: a stranger's waker made safe for native code.

use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use crate::panics::contain;
use crate::set::is_of_a_set;
use crate::stack::is_native;
use crate::sync::{Mutex, lock};
use crate::unhandled::UnhandledKind;

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

/// Polls something of the runtime's: with the waker that is there if it is the executor's own or a
/// set's, else with the guard in `cached` before it (P3).
#[inline]
pub(crate) fn poll_guarded<T>(
    cx: &mut Context<'_>,
    cached: &mut Option<Arc<GuardedWaker>>,
    poll: impl FnOnce(&mut Context<'_>) -> T,
) -> T {
    if is_of_a_set(cx.waker()) || is_native(cx.waker()) {
        return poll(cx);
    }
    let waker = GuardedWaker::around(cx.waker(), cached);
    poll(&mut Context::from_waker(&waker))
}
