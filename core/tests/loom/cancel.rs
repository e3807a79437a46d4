//! A cancellation meets those who suspend, open groups, or wait for it at the same moment (C1, C8).

use std::future::pending;
use std::time::Duration;

use anyscope_core::{Group, TaskError, shield};
use loom::thread;

use crate::support::{Marks, Threads, block_on, check, past, poll_once};

/// Fails if a task looks for its cause before it leaves its waker, or a cancellation takes the wakers
/// before it has set the cause.
#[test]
fn c1_a_task_that_suspends_meanwhile_is_dropped() {
    check(2, |runtime| {
        let group = runtime.group::<TaskError, _>(async |g| {
            g.spawn(pending::<Result<(), _>>());
            thread::spawn(move || g.cancel());
            Ok(7)
        });
        assert_eq!(block_on(group).expect("the body had returned"), 7);
    });
}

/// Fails if a task looks for its cause before it leaves its waker.
#[test]
fn t6_a_task_that_suspends_meanwhile_is_dropped_alone() {
    check(2, |runtime| {
        let group = runtime.group::<TaskError, _>(async |g| {
            let task = g.spawn(pending::<Result<(), _>>());
            thread::spawn(move || task.cancel());
            Ok(())
        });
        block_on(group).expect("nothing fails");
    });
}

/// Fails if a cancellation looks for the groups below before it has set the cause.
#[test]
fn c8_a_group_that_opens_meanwhile_is_cancelled() {
    check(2, |runtime| {
        let inner = runtime.group::<TaskError, _>(async |_| pending::<Result<(), _>>().await);
        let group = runtime.group::<TaskError, _>(async |g| {
            g.spawn_nested(inner);
            thread::spawn(move || g.cancel());
            Ok(())
        });
        block_on(group).expect("the body had returned");
    });
}

/// Fails if a group that opens looks for the cause of its opener before it can be found below that.
#[test]
fn t6_a_group_that_opens_beside_a_shield_meanwhile_is_cancelled() {
    check(2, |runtime| {
        let inner = runtime.group::<TaskError, _>(async |_| pending::<Result<(), _>>().await);
        let group = runtime.group::<TaskError, _>(async |g| {
            let task = g.spawn(async {
                let mut shielded = Box::pin(shield(pending::<()>()));
                poll_once(shielded.as_mut()).await;
                assert!(inner.await.expect_err("nobody else ends it").is_cancelled());
                drop(shielded);
                pending::<Result<(), _>>().await
            });
            thread::spawn(move || task.cancel());
            Ok(())
        });
        block_on(group).expect("nothing fails");
    });
}

/// Fails if a watcher does not look again after it has left its waker.
#[test]
fn c2_whoever_waits_for_the_cause_is_told() {
    check(3, |runtime| {
        let group = runtime.group::<TaskError, _>(async |g| {
            let watcher = g.cancelled();
            thread::spawn(move || block_on(watcher));
            g.cancel();
            pending::<Result<(), _>>().await
        });
        assert!(block_on(group).expect_err("the body was cut").is_cancelled());
    });
}

/// Fails if who tells those below does not look whether the period has ended meanwhile
/// (`harden_if_late`).
#[test]
fn c3_the_end_of_a_grace_period_reaches_those_who_are_being_told() {
    check(2, |runtime| ends_while_it_is_told(runtime, Some(Duration::MAX), None));
}

/// The same where the inner group alone has a period.
#[test]
fn c3_the_second_request_reaches_those_with_a_period_who_are_being_told() {
    check(2, |runtime| ends_while_it_is_told(runtime, None, Some(Duration::MAX)));
}

/// A group is cancelled, and at the same time for good, with another open in it.
fn ends_while_it_is_told(runtime: Threads, grace: Option<Duration>, inner: Option<Duration>) {
    let group = runtime.clone().group::<TaskError, _>(async move |g| {
        let outer = g.clone();
        let group = runtime.group::<TaskError, _>(async move |h| {
            h.spawn(async move {
                outer.cancel();
                pending::<Result<(), _>>().await
            });
            pending::<Result<(), _>>().await
        });
        let mut group = Box::pin(match inner {
            Some(grace) => group.grace(grace),
            None => group,
        });
        poll_once(group.as_mut()).await;
        g.cancel_now();
        group.await.map_err(|_| unreachable!("it is dropped"))
    });
    let group = match grace {
        Some(grace) => group.grace(grace),
        None => group,
    };
    assert!(block_on(group).expect_err("it was cut").is_cancelled());
}

/// Fails if those who are dropped are listed only after they can have been.
#[test]
fn c3_whoever_is_dropped_at_the_end_of_a_grace_period_is_in_the_error() {
    check(3, |runtime| {
        let group = runtime.group::<TaskError, _>(async |g| {
            thread::spawn(move || g.cancel_now());
            pending::<Result<(), _>>().await
        });
        let error = block_on(group.grace(Duration::MAX)).expect_err("it was cut");
        assert_eq!(error.overdue().len(), 1, "the body");
    });
}

/// Fails if the group is woken before its deadline is there.
#[test]
fn d2_a_deadline_that_is_set_meanwhile_is_seen() {
    check(2, |runtime| {
        let at = past(&runtime);
        let group = runtime.group::<TaskError, _>(async |g| {
            thread::spawn(move || g.set_deadline(at));
            pending::<Result<(), _>>().await
        });
        assert!(block_on(group).expect_err("the body was cut").is_cancelled());
    });
}

/// Fails if a poll that is under way when the group is given up leaves its waker with nobody.
#[test]
fn g2_a_group_whose_opener_has_ended_ends_with_it() {
    check(3, |runtime| {
        let inner = runtime.group::<TaskError, _>(async |_| pending::<Result<(), _>>().await);
        let group = runtime.group::<TaskError, _>(async |g| {
            g.spawn(async move {
                let mut inner = Box::pin(inner);
                poll_once(inner.as_mut()).await;
                thread::spawn(move || block_on(inner).expect_err("its body never returns"));
                Ok(())
            });
            Ok(())
        });
        block_on(group).expect("nothing fails");
    });
}

/// Fails if giving a group up does not wake who waits for it.
#[test]
fn g2_whoever_waits_for_a_group_is_told_that_its_opener_has_ended() {
    check(2, |runtime| {
        let inner = runtime.group::<TaskError, _>(async |g| {
            g.spawn(pending::<Result<(), _>>());
            Ok(())
        });
        let group = runtime.group::<TaskError, _>(async |g| {
            let mut inner = Box::pin(inner);
            g.spawn(async move {
                poll_once(inner.as_mut()).await;
                thread::spawn(move || block_on(inner).expect_err("its task never returns"));
                Ok(())
            });
            Ok(())
        });
        block_on(group).expect("nothing fails");
    });
}

/// Fails if a group is not counted by the one around it.
#[test]
fn g2_the_group_around_it_waits_for_one_that_was_dropped() {
    check(2, |runtime| {
        let ended = Marks::default();
        let mark = ended.on_drop();
        let inner = runtime.group::<TaskError, _>(async |g| {
            g.spawn(async move {
                let _mark = mark;
                Ok(())
            });
            pending::<Result<(), _>>().await
        });
        let group = runtime.group::<TaskError, _>(async |_| {
            let mut inner = Box::pin(inner);
            poll_once(inner.as_mut()).await;
            Ok(())
        });
        block_on(group).expect("nothing fails");
        assert_eq!(ended.count(), 1);
    });
}

/// Fails if the one who drops the group does not look whether it has closed after it has left it to the
/// root, or who waits for the root looks before it has left its waker.
#[test]
fn g2_the_root_waits_for_a_group_that_was_dropped() {
    check(3, |runtime| {
        let ended = Marks::default();
        let mark = ended.on_drop();
        let mut group = Box::pin(runtime.group::<TaskError, _>(async |g| {
            g.spawn(async move {
                let _mark = mark;
                Ok(())
            });
            pending::<Result<(), _>>().await
        }));
        block_on(poll_once(group.as_mut()));
        drop(group);
        block_on(runtime.drained());
        assert_eq!(ended.count(), 1);
    });
}
