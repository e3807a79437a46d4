//! Futures that are finished by hand, and an executor that says when it would hang.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Drives a future on this thread. Pending without having been woken it would hang for ever, which
/// fails at once.
pub(crate) fn drive<F: Future>(future: F) -> F::Output {
    struct Flag(AtomicBool);

    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    let flag = Arc::new(Flag(AtomicBool::new(false)));
    let (waker, mut future) = (Waker::from(flag.clone()), pin!(future));
    for _ in 0..1_000_000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        assert!(flag.0.swap(false, Ordering::SeqCst), "pending, and nobody has woken it");
    }
    panic!("woken for ever, and never ready")
}

/// Polls a future once, with a waker that does nothing.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Lets others run once.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A future that is finished by hand, and tells when it is gone.
pub(crate) struct Manual<T>(Rc<Shared<T>>);

struct Shared<T> {
    value: RefCell<Option<T>>,
    waker: RefCell<Option<Waker>>,
    polls: Cell<usize>,
    gone: Cell<bool>,
}

impl<T> Manual<T> {
    pub(crate) fn new() -> Self {
        let (value, waker) = (RefCell::new(None), RefCell::new(None));
        Self(Rc::new(Shared { value, waker, polls: Cell::new(0), gone: Cell::new(false) }))
    }

    pub(crate) fn finish(&self, value: T) {
        *self.0.value.borrow_mut() = Some(value);
        let waker = self.0.waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn polls(&self) -> usize {
        self.0.polls.get()
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.0.gone.get()
    }

    pub(crate) fn future(&self) -> ManualFuture<T> {
        ManualFuture(self.0.clone())
    }
}

pub(crate) struct ManualFuture<T>(Rc<Shared<T>>);

impl<T> Future for ManualFuture<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.0.polls.set(self.0.polls.get() + 1);
        *self.0.waker.borrow_mut() = Some(cx.waker().clone());
        self.0.value.borrow_mut().take().map_or(Poll::Pending, Poll::Ready)
    }
}

impl<T> Drop for ManualFuture<T> {
    fn drop(&mut self) {
        self.0.gone.set(true);
    }
}

pub(crate) fn manuals<T, const N: usize>() -> [Manual<T>; N] {
    std::array::from_fn(|_| Manual::new())
}
