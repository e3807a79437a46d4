//! A job is run, revoked or given up, by whoever is first (B3).

use anyscope_core::{Group, TaskError};
use loom::thread;

use crate::support::{Marks, block_on, check};

#[test]
fn b3_a_job_runs_or_is_revoked() {
    check(2, |runtime| {
        let (ran, ended) = (Marks::default(), Marks::default());
        let group = runtime.group::<TaskError, _, _, _>(async |g| {
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

#[test]
fn b3_the_root_waits_for_a_job_that_was_given_up() {
    check(2, |runtime| {
        let (ended, native) = (Marks::default(), runtime.clone());
        let group = runtime.group::<TaskError, _, _, _>(async |g| {
            let mark = ended.on_drop();
            let job = g.spawn_blocking(move || drop(mark));
            job.give_up(&native);
            Ok(())
        });
        block_on(group).expect("nothing fails");
        block_on(runtime.drained());
        assert_eq!(ended.count(), 1);
    });
}
