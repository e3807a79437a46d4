//! A group closes while others spawn into it, end in it, or look at what has ended (G1, G10, T3).

use anyscope_core::{Group, TaskError};
use loom::thread;

use crate::support::{Flag, Marks, block_on, check};

/// Fails if closing does not compare.
#[test]
fn g10_a_spawn_is_refused_or_waited_for() {
    check(2, |runtime| {
        let ended = Marks::default();
        let mark = ended.on_drop();
        let mut spawner = None;
        let group = runtime.group::<TaskError, _>(async |g| {
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

/// Fails if the count is lowered without `Release`, so that the cause may not be seen.
#[test]
fn g4_each_failure_is_in_the_error() {
    check(2, |runtime| {
        let failed = Marks::default();
        let group = runtime.group::<std::fmt::Error, _>(async |g| {
            for failed in [failed.clone(), failed.clone()] {
                g.spawn(async move {
                    failed.add();
                    Err::<(), _>(std::fmt::Error)
                });
            }
            Ok(())
        });
        let error = block_on(group).expect_err("at least one has run");
        assert_eq!(error.failures().map_or(0, |failures| failures.len()), failed.count());
        assert!(error.cause().is_some(), "it was cancelled by the first failure");
    });
}

/// Fails if the callback comes after the task has left the table.
#[test]
fn t5_a_finished_task_has_been_called_back() {
    check(2, |runtime| {
        let (called, ended) = (Marks::default(), Marks::default());
        let group = runtime.group::<TaskError, _>(async |g| {
            let (mark, called_back) = (ended.on_drop(), called.clone());
            let task = g.task(async move {
                let _mark = mark;
                Ok(())
            });
            let task = task.on_done(move |_| called_back.add()).spawn();
            g.cancel();
            if task.is_finished() {
                assert_eq!((called.count(), ended.count()), (1, 1));
            }
            Ok(())
        });
        block_on(group).expect("the body has returned");
        assert_eq!((called.count(), ended.count()), (1, 1));
    });
}

/// Fails if the end of a task does not ask whether its handle is gone.
#[test]
fn g1_an_output_that_nobody_takes_is_gone() {
    check(2, |runtime| {
        let (dropped, handle_gone, gone_early) =
            (Marks::default(), Flag::default(), Flag::default());
        let mut dropper = None;
        let group = runtime.group::<TaskError, _>(async |g| {
            let (mark, seen, early) = (dropped.on_drop(), handle_gone.clone(), gone_early.clone());
            let task = g.spawn(async move {
                if seen.is_raised() {
                    early.raise();
                }
                Ok(mark)
            });
            let gone = handle_gone.clone();
            dropper = Some(thread::spawn(move || {
                drop(task);
                gone.raise();
            }));
            Ok(())
        });
        block_on(group).expect("nothing fails");
        if gone_early.is_raised() {
            assert_eq!(dropped.count(), 1);
        }
        dropper.expect("the body has run").join().unwrap();
    });
}
