//! A place for one value that is filled once and taken once: how jobs and erased tasks answer.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use crate::runtime::NativeHandle;
use crate::sync::{Mutex, drop_waker, lock, wake};

#[derive(Debug)]
pub(crate) struct Slot<T>(Mutex<State<T>>);

#[derive(Debug)]
enum State<T> {
    /// Nothing yet; with the waker of whoever waits.
    Empty(Option<Waker>),
    Full(T),
    /// Taken, or never to be filled.
    Closed,
}

impl<T> Slot<T> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State::Empty(None)))
    }

    /// Fills the slot; a second value is given back.
    pub(crate) fn fill(&self, value: T) -> Option<T> {
        self.settle(State::Full(value))
    }

    /// Says that there will be no value, or that nobody will take it. A value that is there stays
    /// until the slot is dropped.
    pub(crate) fn close(&self) {
        self.settle(State::Closed);
    }

    fn settle(&self, new: State<T>) -> Option<T> {
        let mut state = lock(&self.0);
        let waker = match &mut *state {
            State::Empty(waker) => waker.take(),
            _ => {
                drop(state);
                return match new {
                    State::Full(value) => Some(value),
                    _ => None,
                };
            }
        };
        *state = new;
        drop(state);
        if let Some(waker) = waker {
            wake(waker);
        }
        None
    }

    /// Takes the value; `None` if there will be none.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        // No clone of a user's waker is made or dropped under the lock, and none if the value is there.
        if let Some(settled) = self.take_settled() {
            return Poll::Ready(settled);
        }
        let fresh = cx.waker().clone();
        let (old, waits) = {
            let mut state = lock(&self.0);
            match &mut *state {
                State::Empty(waker) => (waker.replace(fresh), true),
                _ => (Some(fresh), false),
            }
        };
        drop_waker(old);
        match waits {
            true => Poll::Pending,
            false => self.take_settled().map_or(Poll::Pending, Poll::Ready),
        }
    }

    /// Takes the value, or says that there will be none, if that is decided.
    fn take_settled(&self) -> Option<Option<T>> {
        let mut state = lock(&self.0);
        if let State::Empty(_) = *state {
            return None;
        }
        match mem::replace(&mut *state, State::Closed) {
            State::Full(value) => Some(Some(value)),
            _ => Some(None),
        }
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
        let value = ready!(future.poll(cx));
        this.future.set(None);
        if let Some(slot) = this.sender.0.take() {
            drop(slot.fill(value));
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
        self.0.poll_take(cx)
    }
}
