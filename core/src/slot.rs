//! A place for one value that is filled once and taken once: how jobs and futures of `remote` answer.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use crate::panics::Contained;
use crate::runtime::NativeHandle;
use crate::sync::{Mutex, drop_waker, lock, wake};

/// What is in a slot, by itself: for those who have a lock of their own around it. Nobody is woken here,
/// and no waker is cloned or dropped.
#[derive(Debug)]
pub(crate) enum Place<T> {
    /// Nothing yet; with the waker of whoever waits.
    Empty(Option<Waker>),
    Full(T),
    /// Taken, or never to be filled.
    Closed,
}

impl<T> Place<T> {
    /// Whether a value may still come.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty(_))
    }

    /// Fills it: with whom to wake. A second value is given back.
    #[inline]
    pub(crate) fn fill(&mut self, value: T) -> Result<Option<Waker>, T> {
        let Self::Empty(waker) = self else {
            return Err(value);
        };
        let waker = waker.take();
        *self = Self::Full(value);
        Ok(waker)
    }

    /// Says that there will be no value, or that nobody will take it. With what was there.
    pub(crate) fn close(&mut self) -> Self {
        mem::replace(self, Self::Closed)
    }

    /// Wakes whoever waits; a value is dropped.
    pub(crate) fn dismiss(self) {
        if let Self::Empty(waker) = self {
            waker.into_iter().for_each(wake);
        }
    }

    /// Drops what was there: nobody waits any more.
    pub(crate) fn let_go(self) {
        match self {
            Self::Empty(waker) => drop_waker(waker),
            Self::Full(value) => drop(value),
            Self::Closed => {}
        }
    }

    /// Takes the value, or says that there will be none, if that is decided.
    #[inline]
    fn take(&mut self) -> Option<Option<T>> {
        if let Self::Empty(_) = self {
            return None;
        }
        match mem::replace(self, Self::Closed) {
            Self::Full(value) => Some(Some(value)),
            _ => Some(None),
        }
    }

    /// The same, and else leaves a waker. With the one that is not needed any more.
    fn take_or_wait(&mut self, fresh: Waker) -> (Option<Waker>, Option<Option<T>>) {
        match self {
            Self::Empty(waker) => (waker.replace(fresh), None),
            _ => (Some(fresh), self.take()),
        }
    }
}

/// Takes the value from the place in what is locked; `None` if there will be none.
#[inline]
pub(crate) fn poll_take<S, T>(
    locked: &Mutex<S>,
    place: impl Fn(&mut S) -> &mut Place<T>,
    cx: &mut Context<'_>,
) -> Poll<Option<T>> {
    // No clone of a user's waker is made or dropped under the lock, and none if the value is there.
    if let Some(settled) = place(&mut lock(locked)).take() {
        return Poll::Ready(settled);
    }
    let fresh = cx.waker().clone();
    let (old, settled) = place(&mut lock(locked)).take_or_wait(fresh);
    drop_waker(old);
    settled.map_or(Poll::Pending, Poll::Ready)
}

#[derive(Debug)]
struct Slot<T>(Mutex<Place<T>>);

impl<T> Slot<T> {
    fn new() -> Self {
        Self(Mutex::new(Place::Empty(None)))
    }

    fn fill(&self, value: T) {
        let filled = lock(&self.0).fill(value);
        filled.ok().flatten().into_iter().for_each(wake);
    }

    fn close(&self) {
        let left = lock(&self.0).close();
        left.dismiss();
    }
}

/// Splits a future into one without an output and a handle for its value: for backends whose
/// runtime can only start futures and forget them.
///
/// The handle resolves to `None` if the future is dropped before its end. It costs one allocation.
///
/// # Examples
///
/// ```
/// use std::task::{Context, Poll, Waker};
/// use anyscope_core::{NativeHandle, remote};
///
/// let (future, mut handle) = remote(async { 7 });
/// drop(future);
/// assert_eq!(handle.poll_join(&mut Context::from_waker(Waker::noop())), Poll::Ready(None));
/// ```
pub fn remote<F: Future>(future: F) -> (Remote<F>, RemoteHandle<F::Output>) {
    let slot = Arc::new(Slot::new());
    let sender = Sender(Some(slot.clone()));
    (Remote { future: Some(future), sender }, RemoteHandle(slot))
}

pin_project_lite::pin_project! {
    /// The future of [`remote`].
    #[must_use = "futures do nothing unless awaited or spawned"]
    #[derive(Debug)]
    pub struct Remote<F: Future> {
        // Gone before the value is handed over.
        #[pin]
        future: Option<F>,
        // Declared after the future, so that it says "dropped" once the future is gone.
        sender: Sender<F::Output>,
    }
}

impl<F: Future> Future for Remote<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            return Poll::Ready(());
        };
        let value = Contained::new(ready!(future.poll(cx)));
        this.future.set(None);
        if let Some(slot) = this.sender.0.take() {
            slot.fill(value.into_inner());
        }
        Poll::Ready(())
    }
}

/// `None` once the value was handed over.
#[derive(Debug)]
struct Sender<T>(Option<Arc<Slot<T>>>);

impl<T> Drop for Sender<T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(slot) = &self.0 {
            slot.close();
        }
    }
}

/// The handle of [`remote`]. Dropping it changes nothing for the future.
#[derive(Debug)]
pub struct RemoteHandle<T>(Arc<Slot<T>>);

impl<T: Send + 'static> NativeHandle<T> for RemoteHandle<T> {
    fn poll_join(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        poll_take(&self.0.0, |place| place, cx)
    }
}

impl<T> Drop for RemoteHandle<T> {
    fn drop(&mut self) {
        let left = lock(&self.0.0).close();
        left.let_go();
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn dropped_handle_keeps_no_waker_and_wakes_nobody() {
        let wakes = Arc::new(Wakes::default());
        let (future, mut handle) = remote(pending::<()>());
        let waker = Waker::from(wakes.clone());
        assert!(handle.poll_join(&mut Context::from_waker(&waker)).is_pending());
        drop((waker, handle));
        assert_eq!(Arc::strong_count(&wakes), 1);
        drop(future);
        assert_eq!(wakes.0.load(Ordering::SeqCst), 0);
    }
}
