//! A group closes while others spawn, end, or look whether it has (G1, G10, T3).

use std::future::pending;

use anyscope_core::{Group, TaskError};
use loom::thread;

use crate::support::{Marks, block_on, check};

/// Fails if closing stores `CLOSED` without comparing.
#[test]
fn g10_a_spawn_is_refused_or_waited_for() {
    check(2, |runtime| {
        let ended = Marks::default();
        let mark = ended.on_drop();
        let mut spawner = None;
        let group = runtime.group::<TaskError, _, _, _>(async |g| {
            spawner = Some(thread::spawn(move || {
                let task = g.spawn(async move {
                    let _mark = mark;
                    Ok(())
                });
                block_on(task).is_ok()
            }));
            Ok(())
        });
        block_on(group).expect("nothing fails");
        let ended_before = ended.count();
        let accepted = spawner.expect("the body has run").join().unwrap();
        if accepted {
            assert_eq!(ended_before, 1, "the group has returned before its task had ended");
        }
        assert_eq!(ended.count(), 1);
    });
}

/// Fails if a task looks for its cause before it leaves its waker.
#[test]
fn c1_a_task_that_suspends_meanwhile_is_cancelled() {
    check(2, |runtime| {
        let group = runtime.group::<TaskError, _, _, _>(async |g| {
            g.spawn(pending::<Result<(), _>>());
            thread::spawn(move || g.cancel());
            Ok(7)
        });
        assert_eq!(block_on(group).expect("the body had returned"), 7);
    });
}
