//! What a shield keeps alive is cut as soon as it has ended, wherever that is (C1, C4).

use std::future::pending;
use std::time::Duration;

use anyscope_core::{Group, TaskError, shield};
use loom::thread;

use crate::support::{block_on, check, poll_once};

/// Fails if the end of a shield wakes nobody.
#[test]
fn c4_a_shield_that_ends_elsewhere_protects_no_more() {
    check(2, |runtime| {
        let group = runtime.group::<TaskError, _>(async |g| {
            let task = g.spawn(async {
                let mut shielded = Box::pin(shield(pending::<()>()));
                poll_once(shielded.as_mut()).await;
                thread::spawn(move || drop(shielded));
                pending::<Result<(), _>>().await
            });
            task.cancel();
            Ok(())
        });
        block_on(group).expect("nothing fails");
    });
}

/// Fails if the end of a shield wakes only those whose cause it sees.
#[test]
fn c4_a_shield_that_ends_elsewhere_frees_the_tasks_around_its_group() {
    check(2, |runtime| {
        let inner = runtime.group::<TaskError, _>(async |_| {
            let mut shielded = Box::pin(shield(pending::<()>()));
            poll_once(shielded.as_mut()).await;
            thread::spawn(move || drop(shielded));
            pending::<Result<(), _>>().await
        });
        let group = runtime.group::<TaskError, _>(async |g| {
            g.spawn_nested(inner).cancel();
            Ok(())
        });
        block_on(group).expect("nothing fails");
    });
}

/// Fails if the end of a shield looks for a cancellation before it has the lock of the table.
#[test]
fn c4_a_group_that_a_shield_has_spared_is_cancelled_when_that_ends() {
    check(2, |runtime| {
        let inner = runtime.group::<TaskError, _>(async |_| pending::<Result<(), _>>().await);
        let group = runtime.group::<TaskError, _>(async |g| {
            g.spawn(async {
                let mut shielded = Box::pin(shield(inner));
                poll_once(shielded.as_mut()).await;
                thread::spawn(move || drop(shielded));
                pending::<Result<(), _>>().await
            });
            g.cancel();
            Ok(())
        });
        block_on(group).expect("the body had returned");
    });
}

/// Fails if a group that inherits a cancellation does not look whether the period has ended
/// meanwhile (`inherit`).
#[test]
fn c3_a_group_that_is_freed_at_the_end_of_a_grace_period_is_dropped() {
    check(2, |runtime| {
        let group = runtime.clone().group::<TaskError, _>(async move |g| {
            let inner = runtime.group::<TaskError, _>(async |h| {
                h.spawn(pending::<Result<(), _>>());
                pending::<Result<(), _>>().await
            });
            g.cancel();
            thread::spawn(move || g.cancel_now());
            let mut shielded = Box::pin(shield(inner).limit(Duration::ZERO));
            poll_once(shielded.as_mut()).await;
            pending::<Result<(), _>>().await
        });
        assert!(block_on(group.grace(Duration::MAX)).expect_err("it was cut").is_cancelled());
    });
}
