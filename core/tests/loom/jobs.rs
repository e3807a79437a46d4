//! A job is run, revoked or given up, by whoever is first (B3).

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use anyscope_core::{Group, TaskError};
use loom::sync::Notify;
use loom::thread;

use crate::support::{Marks, block_on, check};

/// Fails if a revocation ends also a job that has been started.
#[test]
fn b3_a_job_runs_or_is_revoked() {
    check(2, |runtime| {
        let (ran, ended) = (Marks::default(), Marks::default());
        let group = runtime.group::<TaskError, _>(async |g| {
            let (mark, runs) = (ended.on_drop(), ran.clone());
            let job = g.spawn_blocking(move || {
                let _mark = mark;
                runs.add();
            });
            thread::spawn(move || g.cancel());
            Ok(job)
        });
        let job = block_on(group).expect("the body had returned");
        assert_eq!(ended.count(), 1);
        assert_eq!(block_on(job).is_ok(), ran.count() == 1);
    });
}

/// Fails if the group is told before the root counts the job.
#[test]
fn b3_the_root_waits_for_a_job_that_was_given_up() {
    check(2, |runtime| {
        let ended = Marks::default();
        let group = runtime.group::<TaskError, _>(async |g| {
            let mark = ended.on_drop();
            let job = g.spawn_blocking(move || drop(mark));
            job.give_up();
            Ok(())
        });
        block_on(group).expect("nothing fails");
        block_on(runtime.drained());
        assert_eq!(ended.count(), 1);
    });
}

/// Fails if a group that opens does not look whether it has closed before it could be found.
#[test]
fn b3_a_group_that_opens_in_a_job_that_is_given_up_is_not_waited_for() {
    check(2, |runtime| {
        let native = runtime.clone();
        let inner = runtime.group::<TaskError, _>(async |_| pending::<Result<(), _>>().await);
        let group = native.group::<TaskError, _>(async |g| {
            let job = g.spawn_blocking(move || {
                drop(pin!(inner).poll(&mut Context::from_waker(Waker::noop())));
            });
            job.give_up();
            Ok(())
        });
        block_on(group).expect("nothing fails");
        block_on(native.drained());
    });
}

/// Fails if a job that enters looks for a cause before a cancellation can revoke it.
#[test]
fn b3_a_job_that_enters_while_its_group_is_cancelled_is_revoked() {
    check(2, |runtime| {
        let ended = Marks::default();
        let group = runtime.group::<TaskError, _>(async |g| {
            let (mark, canceller) = (ended.on_drop(), g.clone());
            thread::spawn(move || canceller.cancel());
            Ok(g.spawn_cpu(move || drop(mark)))
        });
        let in_no_queue = block_on(group).expect("the body has returned");
        assert_eq!(ended.count(), 1);
        assert!(block_on(in_no_queue).is_err());
    });
}

/// Fails if the end of a grace period takes jobs out of the table without revoking them.
#[test]
fn b3_a_job_is_revoked_also_where_the_grace_period_ends_meanwhile() {
    check(2, |runtime| {
        let ended = Marks::default();
        let group = runtime.group::<TaskError, _>(async |g| {
            let (mark, canceller) = (ended.on_drop(), g.clone());
            let in_no_queue = g.spawn_cpu(move || drop(mark));
            thread::spawn(move || canceller.cancel());
            g.cancel_now();
            Ok(in_no_queue)
        });
        let in_no_queue = block_on(group).expect("the body has returned");
        assert_eq!(ended.count(), 1);
        assert!(block_on(in_no_queue).is_err());
    });
}

/// Fails if a job that has been given up takes anything from its group's table, where its place may be
/// another's.
#[test]
fn b3_a_job_that_was_given_up_does_not_hide_the_next_one() {
    check(3, |runtime| {
        let gate = Arc::new(Notify::new());
        let group = runtime.group::<TaskError, _>(async |g| {
            let until = gate.clone();
            g.spawn_blocking(move || until.wait()).give_up();
            let in_the_queue = g.spawn_cpu(|| ());
            g.cancel();
            Ok(in_the_queue)
        });
        drop(block_on(group).expect("the body has returned"));
        gate.notify();
    });
}
