//! Sets of futures that are woken by other threads (W3, W4).

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use anyscope_core::{
    InPlace, NativeHandle, RemoteHandle, WaitFor, as_completed, in_place, remote, wait,
};
use loom::thread;

use crate::support::{Marks, block_on, check, poll_once};

type Outcome = Result<u32, fmt::Error>;

/// What a thread gives, as a plain future that may be moved.
fn from_thread(marks: &Marks, number: u32) -> InPlace<impl Future<Output = Outcome> + Unpin> {
    let marks = marks.clone();
    let (future, mut handle): (_, RemoteHandle<u32>) = remote(async move {
        marks.add();
        number
    });
    thread::spawn(move || block_on(future));
    in_place(poll_fn(move |cx| handle.poll_join(cx).map(|number| number.ok_or(fmt::Error))))
}

/// Fails if a set parks without a look at who was woken meanwhile, or lowers a signal after the poll.
#[test]
fn w4_each_that_is_woken_is_polled() {
    check(2, |_| {
        let marks = Marks::default();
        let mut stream = as_completed([1, 2].map(|number| from_thread(&marks, number)));
        let mut sum = 0;
        while let Some(number) = block_on(stream.next()) {
            sum += number.expect("both threads answer");
        }
        assert_eq!((sum, marks.count()), (3, 2));
    });
}

/// Fails if a signal that several share is lowered after they were polled.
#[test]
fn w3_each_of_those_that_share_a_waker_is_polled() {
    check(2, |_| {
        let marks = Marks::default();
        let both = [1, 2].map(|number| from_thread(&marks, number));
        let (done, pending) = block_on(wait(both, WaitFor::All));
        assert_eq!((done.len(), pending.len(), marks.count()), (2, 0, 2));
    });
}

/// Fails if who finds a signal raised does not release what was done before.
#[test]
fn w3_what_is_done_before_a_shared_waker_is_called_is_seen() {
    check(2, |_| {
        let signs = [Sign::default(), Sign::default()];
        let mut both = pin!(wait(signs.clone().map(in_place), WaitFor::All));
        block_on(poll_once(both.as_mut()));
        let threads = signs.map(|sign| thread::spawn(move || sign.give()));
        assert_eq!(block_on(both).0.len(), 2);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// Ready when it was given, as far as the one who polls it sees that. Its waker is not loom's to order.
#[derive(Clone, Default)]
struct Sign {
    given: Marks,
    waker: Arc<Mutex<Option<Waker>>>,
}

impl Sign {
    fn give(self) {
        self.given.add();
        let waker = self.waker.lock().unwrap().take();
        waker.into_iter().for_each(Waker::wake);
    }
}

impl Future for Sign {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        if self.given.count() > 0 {
            return Poll::Ready(Ok(0));
        }
        *self.waker.lock().unwrap() = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// A waker outlives its set, and what that was polled with is dropped.
#[test]
fn w4_a_set_is_dropped_while_it_is_woken() {
    check(2, |_| {
        let marks = Marks::default();
        let mut stream = as_completed([from_thread(&marks, 1)]);
        block_on(async {
            let mut next = pin!(stream.next());
            poll_once(next.as_mut()).await;
        });
        drop(stream);
    });
}
