//! Shields in branches and timeouts that end elsewhere: who waited for that is dropped then (C4).

use std::cell::RefCell;
use std::future::{Future, Ready, pending, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use anyscope_core::{Sleep, Timer, gather, in_place, race, shield};

use crate::support::Manual;

/// Among so many that each has a waker of its own, too.
#[test]
fn w5_loser_is_dropped_when_its_shield_ends_elsewhere() {
    for many in [2, 40] {
        let (first, shielded) = (Manual::new(), RefCell::new(None));
        let branch = |n: usize| {
            let (first, shielded) = (first.future(), &shielded);
            in_place(async move {
                match n {
                    0 => first.await,
                    1 => {
                        shielded.replace(Some(begun()));
                        pending().await
                    }
                    _ => pending().await,
                }
            })
        };
        let mut race = Polled::new(race((0..many).map(branch)));
        assert!(race.poll().is_pending());
        first.finish(());
        assert!(race.poll().is_pending(), "the loser is shielded");
        race.wakes.0.store(0, Ordering::SeqCst);
        shielded.take();
        assert_eq!(race.wakes.0.load(Ordering::SeqCst), 1);
        assert!(race.poll().is_ready());
    }
}

#[test]
fn d1_timeout_in_a_set_is_over_when_its_shield_ends_elsewhere() {
    let shielded = RefCell::new(None);
    let branch = |n: usize| {
        let shielded = &shielded;
        let work = async move {
            match n {
                0 => {
                    shielded.replace(Some(begun()));
                    pending().await
                }
                _ => Ok::<_, std::fmt::Error>(()),
            }
        };
        in_place(async move { AtOnce.timeout_at(Instant::now(), work).await.unwrap_or(Ok(())) })
    };
    let mut all = Polled::new(gather((0..40).map(branch)));
    while all.wakes.0.swap(0, Ordering::SeqCst) > 0 {
        assert!(all.poll().is_pending(), "the time is up, but one is shielded");
    }
    shielded.take();
    assert_eq!(all.wakes.0.load(Ordering::SeqCst), 1);
    assert!(all.poll().is_ready());
}

/// A shield that has begun, and never ends by itself.
fn begun() -> Pin<Box<dyn Future<Output = ()>>> {
    let mut shielded = Box::pin(shield(pending()));
    let _ = shielded.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    shielded
}

/// A future that is polled by hand, and how often it was woken.
struct Polled<F> {
    future: Pin<Box<F>>,
    wakes: Arc<Wakes>,
}

impl<F: Future> Polled<F> {
    fn new(future: F) -> Self {
        Self { future: Box::pin(future), wakes: Arc::new(Wakes(AtomicUsize::new(1))) }
    }

    fn poll(&mut self) -> Poll<F::Output> {
        let waker = Waker::from(self.wakes.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Its time is always up.
struct AtOnce;

impl Timer for AtOnce {
    type Sleep = Up;

    fn sleep_until(&self, _: Instant) -> Up {
        Up(ready(()))
    }
}

struct Up(Ready<()>);

impl Future for Up {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl Sleep for Up {
    fn reset(self: Pin<&mut Self>, _: Instant) {}
}
