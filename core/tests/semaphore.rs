//! The semaphore against a model: fair, and no schedule of cancelled waiters leaks a permit (W8).

mod support;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::thread;

use anyscope_core::{Permit, Semaphore};
use futures_executor::block_on;
use futures_util::FutureExt;
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any};
use proptest::{prop_oneof, proptest};
use support::bounded;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Somebody comes for so many, and waits if there are not enough.
    Ask(usize),
    /// One of those who wait is polled.
    Poll(usize),
    /// One of those who wait is cancelled.
    Cancel(usize),
    /// What one has is given back.
    Release(usize),
    Try,
    /// There are to be so many.
    Resize(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => Just(1).prop_map(Step::Ask),
        2 => (0_usize..4).prop_map(Step::Ask),
        2 => any::<usize>().prop_map(Step::Poll),
        2 => any::<usize>().prop_map(Step::Cancel),
        2 => any::<usize>().prop_map(Step::Release),
        1 => any::<bool>().prop_map(|_| Step::Try),
        1 => (0_usize..4).prop_map(Step::Resize),
    ];
    vec(step, 0..60)
}

/// One who waits, as the model sees it.
struct Waiter {
    future: Pin<Box<dyn Future<Output = Permit>>>,
    number: usize,
}

/// Permits, and who is in line for how many of them.
struct Model {
    free: usize,
    permits: usize,
    /// Given back, as many as this are not given on.
    owed: usize,
    line: VecDeque<(usize, usize)>,
    granted: Vec<(usize, usize)>,
}

impl Model {
    fn resize(&mut self, permits: usize) {
        while self.permits < permits {
            self.permits += 1;
            self.give(1);
        }
        while self.permits > permits {
            self.permits -= 1;
            match self.free {
                0 => self.owed += 1,
                _ => self.free -= 1,
            }
        }
    }

    fn give(&mut self, many: usize) {
        let kept = many - many.min(self.owed);
        self.owed -= many - kept;
        self.free += kept;
        self.serve();
    }

    fn serve(&mut self) {
        while let Some((number, many)) = self.line.front().copied().filter(|it| it.1 <= self.free) {
            self.free -= many;
            self.line.pop_front();
            self.granted.push((number, many));
        }
    }

    fn take(&mut self, many: usize) -> bool {
        let takes = self.line.is_empty() && self.free >= many;
        self.free -= if takes { many } else { 0 };
        takes
    }

    fn leave(&mut self, number: usize) {
        self.line.retain(|waiting| waiting.0 != number);
        let many = self.was_granted(number).unwrap_or(0);
        self.give(many);
    }

    fn was_granted(&mut self, number: usize) -> Option<usize> {
        let at = self.granted.iter().position(|granted| granted.0 == number)?;
        Some(self.granted.remove(at).1)
    }
}

fn poll(waiter: &mut Waiter) -> Option<Permit> {
    match waiter.future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(permit) => Some(permit),
        Poll::Pending => None,
    }
}

fn run(permits: usize, steps: &[Step]) {
    let semaphore = Semaphore::new(permits);
    let (line, granted) = (VecDeque::new(), Vec::new());
    let mut model = Model { free: permits, permits, owed: 0, line, granted };
    let (mut waiters, mut held) = (Vec::<Waiter>::new(), Vec::new());
    for (number, step) in steps.iter().enumerate() {
        match *step {
            Step::Ask(many) => {
                let asking = semaphore.clone();
                let future = Box::pin(async move { asking.acquire_many(many).await });
                let mut waiter = Waiter { future, number };
                match poll(&mut waiter) {
                    Some(permit) => {
                        assert!(model.take(many), "a permit from nowhere");
                        held.push((permit, many));
                    }
                    None => {
                        assert!(!model.take(many), "waits although there are enough");
                        model.line.push_back((number, many));
                        waiters.push(waiter);
                    }
                }
            }
            Step::Poll(at) if !waiters.is_empty() => {
                let at = at % waiters.len();
                let permit = poll(&mut waiters[at]);
                let granted = model.was_granted(waiters[at].number);
                assert_eq!(permit.is_some(), granted.is_some(), "the order");
                if let Some(permit) = permit.zip(granted) {
                    held.push(permit);
                    drop(waiters.remove(at));
                }
            }
            Step::Cancel(at) if !waiters.is_empty() => {
                let waiter = waiters.remove(at % waiters.len());
                model.leave(waiter.number);
            }
            Step::Release(at) if !held.is_empty() => {
                let (permit, many) = held.remove(at % held.len());
                drop(permit);
                model.give(many);
            }
            Step::Try => {
                let permit = semaphore.try_acquire();
                assert_eq!(permit.is_some(), model.take(1));
                held.extend(permit.map(|permit| (permit, 1)));
            }
            Step::Resize(permits) => {
                semaphore.set_permits(permits);
                model.resize(permits);
                assert_eq!(semaphore.permits(), permits);
            }
            _ => {}
        }
        assert_eq!(semaphore.available(), model.free);
    }
    waiters.drain(..).for_each(|waiter| model.leave(waiter.number));
    let at_hand = semaphore.available() + held.iter().map(|(_, many)| many).sum::<usize>();
    assert_eq!(at_hand, model.permits + model.owed, "a cancelled waiter kept a permit");
    held.clear();
    assert_eq!(semaphore.available(), model.permits);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 10_000, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn no_schedule_leaks_a_permit_or_breaks_the_order(permits in 0_usize..4, steps in steps()) {
        run(permits, &steps);
    }
}

#[test]
fn threads_that_give_up_waiting_leak_nothing() {
    bounded(|| {
        let semaphore = Semaphore::new(2);
        thread::scope(|threads| {
            for number in 0..4 {
                let semaphore = &semaphore;
                threads.spawn(move || {
                    for round in 0..1000 {
                        let waiter = semaphore.acquire();
                        match (round + number) % 3 {
                            0 => drop(waiter.now_or_never()),
                            _ => drop(block_on(waiter)),
                        }
                    }
                });
            }
        });
        assert_eq!(semaphore.available(), 2);
    });
}
