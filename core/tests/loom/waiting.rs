//! Those who wait for a turn, a place, a value or each other (G18, G19, G22, W8).

use std::future::pending;

use anyscope_core::{Group, Semaphore, TaskError};
use loom::thread;

use crate::support::{Marks, block_on, check, poll_once};

#[test]
fn g19_background_tasks_end_whoever_comes_last() {
    check(2, |runtime| {
        let group = runtime.group::<TaskError, _, _, _>(async |g| {
            thread::spawn(move || drop(g.spawn_background(pending::<Result<(), _>>())));
            Ok(())
        });
        block_on(group).expect("nothing fails");
    });
}

#[test]
fn g18_a_place_goes_to_the_one_who_waits() {
    check(2, |runtime| {
        let ran = Marks::default();
        let group = runtime.group::<TaskError, _, _, _>(async |g| {
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

#[test]
fn g22_a_start_that_is_dropped_meanwhile_leaves_nothing() {
    check(2, |runtime| {
        let group = runtime.group::<TaskError, _, _, _>(async |g| {
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
