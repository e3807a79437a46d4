//! Those who wait for a turn, a place, a value or each other (G18, G19, G22, W8).

use std::fmt;
use std::future::pending;

use anyscope_core::{Group, Queue, Semaphore, TaskError};
use loom::thread;

use crate::support::{Marks, block_on, check, poll_once};

/// Fails if the counts are loaded instead of changed (`retire_if_alone`).
#[test]
fn g19_background_tasks_end_whoever_comes_last() {
    check(2, |runtime| {
        let group = runtime.group::<TaskError, _>(async |g| {
            thread::spawn(move || drop(g.spawn_background(pending::<Result<(), _>>())));
            Ok(())
        });
        block_on(group).expect("nothing fails");
    });
}

/// Fails if a task in the queue does not leave its waker before it looks for its place.
#[test]
fn g18_a_place_goes_to_the_one_who_waits() {
    check(2, |runtime| {
        let ran = Marks::default();
        let group = runtime.group::<TaskError, _>(async |g| {
            for ran in [ran.clone(), ran.clone()] {
                g.spawn(async move {
                    ran.add();
                    Ok(())
                });
            }
            Ok(())
        });
        block_on(group.limit(1)).expect("nothing fails");
        assert_eq!(ran.count(), 2);
    });
}

/// Fails if dropping the start does not cancel its task.
#[test]
fn g22_a_start_that_is_dropped_meanwhile_leaves_nothing() {
    check(2, |runtime| {
        let group = runtime.group::<TaskError, _>(async |g| {
            let mut start = Box::pin(g.start(async |started| {
                if started.ready(7) {
                    return Ok(());
                }
                pending().await
            }));
            poll_once(start.as_mut()).await;
            drop(start);
            Ok(())
        });
        block_on(group).expect("nothing fails");
    });
}

/// Fails if a waiter that goes away leaves its permit free, where others wait.
#[test]
fn w8_a_permit_is_passed_on() {
    check(2, |_| {
        let permits = Semaphore::new(1);
        let taken = permits.try_acquire().expect("nobody else is there");
        let (first, second) = (permits.clone(), permits.clone());
        let first = thread::spawn(move || {
            let mut waits = Box::pin(first.acquire());
            block_on(poll_once(waits.as_mut()));
        });
        let second = thread::spawn(move || drop(block_on(second.acquire())));
        drop(taken);
        first.join().unwrap();
        second.join().unwrap();
        assert_eq!(permits.available(), 1);
    });
}

/// Fails if those who wait are not told that there is no more once the last turn was taken.
#[test]
fn w8_what_was_put_is_got_though_the_queue_closes() {
    check(2, |_| {
        let queue = Queue::fifo(1);
        assert!(queue.try_put(0).is_ok());
        let puts = [1, 2].map(|item| {
            let queue = queue.clone();
            thread::spawn(move || block_on(queue.put(item)).is_ok())
        });
        drop(block_on(queue.get()));
        queue.close();
        let put = puts.map(|put| put.join().unwrap()).into_iter().filter(|put| *put).count();
        let mut got = 0;
        while queue.try_get().is_some() {
            got += 1;
        }
        assert_eq!(got, put);
    });
}

/// Fails if the place of somebody who waited is given back after the next was looked for.
#[test]
fn g18_a_place_that_is_given_up_meanwhile_is_not_lost() {
    check(2, |runtime| {
        let group = runtime.group::<TaskError, _>(async |g| {
            g.spawn(async { Ok(()) });
            let mut waits = Box::pin(g.spawn_when_free(async { Ok(()) }));
            poll_once(waits.as_mut()).await;
            let last = g.spawn(async { Ok(()) });
            drop(waits);
            last.await
        });
        block_on(group.limit(1)).expect("nothing fails");
    });
}

/// Fails if a slot that is filled does not wake.
#[test]
fn t1_a_handle_tells_whoever_waits_anywhere() {
    check(2, |runtime| {
        let mut waiter = None;
        let group = runtime.group::<TaskError, _>(async |g| {
            let task = g.spawn(async { Ok(7) });
            waiter = Some(thread::spawn(move || block_on(task)));
            g.cancel();
            Ok(())
        });
        block_on(group).expect("the body has returned");
        match waiter.expect("the body has run").join().unwrap() {
            Ok(value) => assert_eq!(value, 7),
            Err(error) => assert!(error.is_cancelled(), "{error}"),
        }
    });
}

/// Fails if a handle gives its error to who is about to be dropped.
#[test]
fn t1_a_failed_sibling_makes_one_failure() {
    check(2, |runtime| {
        let group = runtime.group::<fmt::Error, _>(async |g| {
            let failing = g.spawn(async { Err::<(), _>(fmt::Error) });
            let waiting = g.spawn(async move { failing.await.map_err(|_| fmt::Error) });
            waiting.await.map_err(|_| fmt::Error)
        });
        let error = block_on(group).expect_err("the first task fails");
        assert_eq!(error.failures().map(|failures| failures.len()), Some(1));
        assert!(error.cause().is_some());
    });
}

/// Fails if the end of the task does not wake who waits for it to be ready.
#[test]
fn g22_a_start_is_answered_though_its_task_is_cancelled() {
    check(2, |runtime| {
        let group = runtime.group::<TaskError, _>(async |g| {
            let start = g.start(async |started| {
                started.ready(7);
                Ok(())
            });
            let waiter = thread::spawn(move || block_on(start).is_ok());
            g.cancel();
            Ok(waiter)
        });
        block_on(group).expect("the body has returned").join().unwrap();
    });
}
