//! What the tests are made of instead of sleeps: gates, counters of drops, futures polled by hand.

use std::cell::{Cell, RefCell, RefMut};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use anyscope_core::{BoxError, GroupError};

pub(crate) use crate::panics::{panic_of, take_lost};

pub(crate) type Outcome<T> = Result<T, GroupError<BoxError>>;

pub(crate) fn boom(text: &str) -> BoxError {
    BoxError::msg(text)
}

/// The texts of the failures, in order.
pub(crate) fn texts(error: &GroupError<BoxError>) -> Vec<String> {
    let failures = error.failures().into_iter().flatten();
    failures.map(|failure| failure.to_string().rsplit(": ").next().unwrap().to_owned()).collect()
}

/// Runs a future that nobody else wakes: pending without a wake-up is a hang, and so are too many
/// polls.
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    let mut driven = Driven::new(future);
    for _ in 0..MOST_POLLS {
        if let Poll::Ready(value) = driven.poll() {
            return value;
        }
        assert!(driven.take_wakes() > 0, "pending, and nobody woke it");
    }
    panic!("not done after {MOST_POLLS} polls");
}

const MOST_POLLS: usize = 100_000;

/// A future that is polled by hand, with a waker that counts.
pub(crate) struct Driven<F> {
    future: Option<Pin<Box<F>>>,
    wakes: Arc<Wakes>,
}

impl<F: Future> Driven<F> {
    pub(crate) fn new(future: F) -> Self {
        Self { future: Some(Box::pin(future)), wakes: Arc::default() }
    }

    pub(crate) fn poll(&mut self) -> Poll<F::Output> {
        let waker = Waker::from(self.wakes.clone());
        let future = self.future.as_mut().expect("it is not polled after it was dropped");
        future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    pub(crate) fn drop_future(&mut self) {
        self.future = None;
    }

    pub(crate) fn poll_pending(&mut self) {
        assert!(self.poll().is_pending(), "expected to be pending");
    }

    pub(crate) fn poll_ready(&mut self) -> F::Output {
        match self.poll() {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("expected to be ready"),
        }
    }

    /// How often it was woken since this was last asked.
    pub(crate) fn take_wakes(&self) -> usize {
        self.wakes.0.swap(0, Ordering::SeqCst)
    }

    /// How many wakers of it are held somewhere.
    pub(crate) fn wakers(&self) -> usize {
        Arc::strong_count(&self.wakes) - 1
    }
}

#[derive(Default)]
pub(crate) struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Something to wait for, opened once.
#[derive(Clone, Default)]
pub(crate) struct Gate(Rc<RefCell<(bool, Vec<Waker>)>>);

impl Gate {
    pub(crate) fn open(&self) {
        let wakers = {
            let mut state = self.0.borrow_mut();
            state.0 = true;
            std::mem::take(&mut state.1)
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn waker(&self) -> Waker {
        self.0.borrow().1.last().expect("somebody waits").clone()
    }

    pub(crate) fn waits(&self) -> bool {
        !self.0.borrow().1.is_empty()
    }

    pub(crate) async fn wait(&self) {
        poll_fn(|cx| {
            let mut state = self.0.borrow_mut();
            if state.0 {
                return Poll::Ready(());
            }
            state.1.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// Something that leaves its scope: a handle, mostly.
pub(crate) struct Kept<T>(Rc<RefCell<Option<T>>>);

impl<T> Kept<T> {
    pub(crate) fn new() -> Self {
        Self(Rc::default())
    }

    pub(crate) fn put(&self, value: T) {
        *self.0.borrow_mut() = Some(value);
    }

    pub(crate) fn get(&self) -> RefMut<'_, T> {
        RefMut::map(self.0.borrow_mut(), |slot| slot.as_mut().expect("it was put here"))
    }
}

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Counts events: polls, drops, calls.
#[derive(Clone, Default)]
pub(crate) struct Count(Rc<Cell<usize>>);

impl Count {
    pub(crate) fn add(&self) {
        self.0.set(self.0.get() + 1);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.get()
    }

    /// A value that counts its drop.
    pub(crate) fn on_drop(&self) -> OnDrop<impl FnOnce() + use<>> {
        let count = self.clone();
        on_drop(move || count.add())
    }

    /// A future that counts its polls and never ends.
    pub(crate) fn polls<T>(&self) -> impl Future<Output = T> + use<T> {
        let count = self.clone();
        poll_fn(move |_| {
            count.add();
            Poll::Pending
        })
    }
}

/// Runs `f` when it is dropped.
pub(crate) fn on_drop<F: FnOnce()>(f: F) -> OnDrop<F> {
    OnDrop(Some(f))
}

pub(crate) struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        self.0.take().unwrap()();
    }
}

/// A future with something that is dropped after its output was given, with the future itself.
pub(crate) struct With<F, D> {
    future: Pin<Box<F>>,
    _held: D,
}

pub(crate) fn with<F, D>(held: D, future: F) -> With<F, D> {
    With { future: Box::pin(future), _held: held }
}

impl<F, D> Unpin for With<F, D> {}

impl<F: Future, D> Future for With<F, D> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.future.as_mut().poll(cx)
    }
}

pub(crate) async fn never<T>() -> T {
    std::future::pending().await
}

/// Suspends once, and wakes itself.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
