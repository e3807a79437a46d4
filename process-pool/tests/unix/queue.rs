//! U4: the queue of a pool: first come first served.

use std::fs;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::support::jobs::{GATE, MARK};
use crate::support::{Dir, On, Outcome, TIMES, numbers, on_each, once, pool, until, until_sync};
use anyscope_core::Group;
use futures_executor::block_on;
use futures_util::future::{join_all, ready, select};
use futures_util::poll;
use libtest_mimic::Trial;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

pub(crate) fn tests() -> Vec<Trial> {
    let on_each = [
        on_each("calls_are_served_in_order", calls_are_served_in_order),
        on_each("cancelled_call_leaves_the_queue", cancelled_call_leaves_the_queue),
    ];
    let once = once("call_without_a_seat_is_not_overtaken", call_without_a_seat_is_not_overtaken);
    on_each.into_iter().flatten().chain(once).collect()
}

fn calls_are_served_in_order(on: On) {
    on.run(async |_| {
        let (pool, dir) = (pool(1), Dir::new());
        let calls = (0..TIMES).map(|number| pool.run(&MARK, (dir.path("marks"), number)));
        join_all(calls).await.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!(numbers(&dir.path("marks")), Vec::from_iter(0..TIMES));
        pool.close().await;
    });
}

fn cancelled_call_leaves_the_queue(on: On) {
    on.run(async |rt| {
        let (pool, dir) = (pool(1), Dir::new());
        let mark = |number| pool.run(&GATE, (dir.path("marks"), number, dir.path("gate")));
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let first = mark(0);
                let first = g.spawn(async move { Ok(first.await?) });
                until(&rt, "the first runs", || numbers(&dir.path("marks")) == [0]).await;
                for number in 1..=10 {
                    let queued = Box::pin(mark(number));
                    let dropped = select(queued, ready(())).await;
                    assert!(format!("{pool:?}").contains("queued: 1"), "{pool:?}");
                    drop(dropped);
                    assert!(format!("{pool:?}").contains("queued: 0"), "{pool:?}");
                }
                fs::write(dir.path("gate"), "").unwrap();
                assert_eq!(first.await?, 0, "nobody has killed its worker");
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_eq!(mark(11).await.unwrap(), 11);
        assert_eq!(numbers(&dir.path("marks")), [0, 11]);
        pool.close().await;
    });
}

/// While the first runs there is no descriptor for a second worker. The third finds some again.
fn call_without_a_seat_is_not_overtaken() {
    let (pool, dir) = (pool(2), Dir::new());
    let (marks, gate) = (dir.path("marks"), dir.path("gate"));
    let mut calls = [1, 2].map(|number| Box::pin(pool.run(&MARK, (marks.clone(), number))));
    let mut first = pool.run(&GATE, (marks.clone(), 0, gate.clone()));
    block_on(async {
        assert!(poll!(&mut first).is_pending());
        until_sync("the first runs", || numbers(&marks) == [0]);
        without_descriptors(|| assert!(poll_once(calls[0].as_mut()).is_pending()));
        assert_eq!(pool.worker_ids().len(), 1);
        for call in calls.into_iter().rev() {
            call.await.unwrap();
        }
        fs::write(gate, "").unwrap();
        first.await.unwrap();
        pool.close().await;
    });
    assert_eq!(numbers(&marks), [0, 1, 2]);
}

/// Meanwhile this process gets no further ones.
fn without_descriptors(f: impl FnOnce()) {
    struct Before(Rlimit);

    impl Drop for Before {
        fn drop(&mut self) {
            setrlimit(Resource::Nofile, self.0).unwrap();
        }
    }

    let before = Before(getrlimit(Resource::Nofile));
    let none = Rlimit { current: Some(3), ..before.0 };
    setrlimit(Resource::Nofile, none).unwrap();
    f();
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
