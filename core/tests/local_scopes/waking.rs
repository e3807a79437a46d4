//! Wakers: from any thread, after the end (C10), also those of strangers (P3).

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use anyscope_core::unhandled::UnhandledKind;
use anyscope_core::{BoxError, LocalHandle, scope};

use crate::support::{Driven, Gate, Kept, Outcome, never, take_lost};

#[test]
fn c10_waker_of_an_ended_child_wakes_nobody() {
    let gate = Gate::default();
    let mut scope = Driven::new(scope::<BoxError, _>(async |s| {
        s.spawn(async {
            gate.wait().await;
            Ok(())
        });
        never::<Result<(), _>>().await
    }));
    scope.poll_pending();
    let stale = gate.waker();
    gate.open();
    scope.poll_pending();
    scope.take_wakes();
    stale.wake_by_ref();
    assert_eq!(scope.take_wakes(), 0);
    drop(scope);
    stale.wake();
}

#[test]
fn c10_ended_scope_keeps_no_waker_and_wakes_nobody() {
    let (gate, kept) = (Gate::default(), Kept::new());
    let (opened, keep) = (gate.clone(), kept.clone());
    let mut ended = Driven::new(scope::<BoxError, _>(async move |s| {
        keep.put((s.spawn(async { Ok(()) }), s));
        opened.wait().await;
        Ok(())
    }));
    ended.poll_pending();
    gate.open();
    ended.poll_ready().unwrap();
    ended.take_wakes();
    assert_eq!(ended.wakers(), 0);
    kept.get().1.cancel();
    assert_eq!(ended.take_wakes(), 0);
}

#[test]
fn c10_dropped_scope_keeps_no_waker_and_wakes_nobody() {
    let kept = Kept::new();
    let mut scope = Driven::new(scope::<BoxError, _>(async |s| {
        kept.put(s.spawn(never::<Result<(), _>>()));
        never::<Result<(), _>>().await
    }));
    scope.poll_pending();
    scope.poll_pending();
    scope.take_wakes();
    scope.drop_future();
    assert_eq!((scope.wakers(), scope.take_wakes()), (0, 0));
}

#[test]
fn c10_dropped_handle_keeps_no_waker_and_wakes_nobody() {
    let (gate, kept) = (Gate::default(), Kept::new());
    let mut scope = Driven::new(scope::<BoxError, _>(async |s| {
        kept.put(Some(s.spawn(async {
            gate.wait().await;
            Ok(())
        })));
        never::<Result<(), _>>().await
    }));
    scope.poll_pending();
    let mut waiter = Driven::new(kept.get().take().unwrap());
    waiter.poll_pending();
    waiter.drop_future();
    assert_eq!(waiter.wakers(), 0);
    gate.open();
    scope.poll_pending();
    assert_eq!(waiter.take_wakes(), 0);
}

/// A waker outlives what its child borrowed, on another thread.
#[test]
fn s1_waker_may_outlive_the_scope_on_another_thread() {
    let kept = {
        let (text, gate) = (String::from("borrowed"), Gate::default());
        let mut scope = Driven::new(scope::<BoxError, _>(async |s| {
            s.spawn(async {
                gate.wait().await;
                Ok(text.len())
            });
            never::<Result<(), _>>().await
        }));
        scope.poll_pending();
        gate.waker()
    };
    thread::spawn(move || kept.wake()).join().unwrap();
}

#[test]
fn s1_children_are_woken_from_other_threads() {
    const CHILDREN: usize = 8;
    const ROUNDS: usize = 200;
    let (sender, receiver) = mpsc::channel::<(Arc<AtomicUsize>, Waker)>();
    let waking = thread::spawn(move || {
        for (flag, waker) in receiver {
            flag.fetch_add(1, Ordering::SeqCst);
            waker.wake();
        }
    });
    let outcome: Outcome<usize> = block_on(scope(async |s| {
        let handles: Vec<LocalHandle<usize>> = (0..CHILDREN)
            .map(|_| {
                let (flag, sender) = (Arc::new(AtomicUsize::new(0)), sender.clone());
                s.spawn(async move {
                    for round in 1..=ROUNDS {
                        // A waker is sent once per round; being polled for another reason is fine.
                        let mut sent = false;
                        poll_fn(|cx| {
                            if flag.load(Ordering::SeqCst) == round {
                                return Poll::Ready(());
                            }
                            if !sent {
                                sent = true;
                                sender.send((flag.clone(), cx.waker().clone())).unwrap();
                            }
                            Poll::Pending
                        })
                        .await;
                    }
                    Ok(ROUNDS)
                })
            })
            .collect();
        drop(sender);
        let mut sum = 0;
        for handle in handles {
            sum += handle.await?;
        }
        Ok(sum)
    }));
    assert_eq!(outcome.unwrap(), CHILDREN * ROUNDS);
    waking.join().unwrap();
}

/// Wake-ups race with the end of the child and of the scope.
#[test]
fn s1_wakers_race_with_the_end_of_their_child() {
    let slot = Arc::new(Mutex::new(None::<Waker>));
    let done = Arc::new(AtomicBool::new(false));
    let storm = {
        let (slot, done) = (slot.clone(), done.clone());
        thread::spawn(move || {
            while !done.load(Ordering::SeqCst) {
                let waker = slot.lock().unwrap().clone();
                waker.into_iter().for_each(Waker::wake);
                thread::yield_now();
            }
        })
    };
    for round in 0..500 {
        let outcome: Outcome<()> = block_on(scope(async |s| {
            for n in 0..3 {
                let (slot, mut left) = (&slot, (round + n) % 3);
                s.spawn(poll_fn(move |cx| {
                    *slot.lock().unwrap() = Some(cx.waker().clone());
                    left -= 1;
                    if left < 0 {
                        return Poll::Ready(Ok(()));
                    }
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }));
            }
            Ok(())
        }));
        outcome.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    storm.join().unwrap();
}

#[test]
fn p3_waker_of_the_caller_that_panics_when_called() {
    take_lost();
    let (gate, kept) = (Gate::default(), Kept::new());
    let (opened, keep) = (gate.clone(), kept.clone());
    let mut scope = Box::pin(scope::<BoxError, _>(async move |s| {
        s.spawn(async move {
            opened.wait().await;
            Ok(())
        });
        keep.put(s);
        never::<Result<(), _>>().await
    }));
    let waker = Waker::from(Arc::new(Bad));
    let mut cx = Context::from_waker(&waker);
    assert!(scope.as_mut().poll(&mut cx).is_pending());
    gate.open();
    assert!(scope.as_mut().poll(&mut cx).is_pending());
    kept.get().cancel();
    assert!(scope.as_mut().poll(&mut cx).is_ready());
    let lost = take_lost();
    assert!(!lost.is_empty() && lost.iter().all(|(kind, _)| *kind == UnhandledKind::Waker));
}

struct Bad;

impl Wake for Bad {
    fn wake(self: Arc<Self>) {
        panic!("a bad waker");
    }
}

/// Blocks this thread, but not for ever.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let (mut future, start) = (pin!(future), Instant::now());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        thread::park_timeout(BOUND);
        assert!(start.elapsed() < BOUND, "not done within {BOUND:?}");
    }
}

const BOUND: Duration = Duration::from_secs(60);
