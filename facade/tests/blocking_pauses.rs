//! Blocking jobs with pauses between them, of about the time for which a thread stays awake: none is
//! lost, and none waits for a thread that has something else to do (B2).

#![cfg(any(feature = "tokio", feature = "smol", feature = "async-std"))]

#[path = "support/bounded.rs"]
mod bounded;
#[path = "support/each.rs"]
mod each;

use std::hint::spin_loop;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::time::{Duration, Instant};

use anyscope::prelude::*;

use each::on_each;

/// So often that one job comes just when a thread goes to sleep.
const ROUNDS: u64 = 1_000;

/// From none to twice the time for which a thread stays awake, by turns.
fn pause(round: u64) {
    let (begin, time) = (Instant::now(), Duration::from_nanos(round * 773 % 100_000));
    while begin.elapsed() < time {
        spin_loop();
    }
}

#[test]
fn no_job_is_lost_after_a_pause() {
    on_each(async || {
        let ran = Arc::new(AtomicUsize::new(0));
        for round in 0..ROUNDS {
            pause(round);
            let ran = ran.clone();
            let job = spawn_blocking(move || ran.fetch_add(1, Ordering::Relaxed));
            assert_eq!(job.await.ok(), usize::try_from(round).ok());
        }
    });
}

/// The first job goes to the thread that is awake, if one is, and ends only when the second runs.
#[test]
fn job_that_blocks_after_a_pause_keeps_no_other_waiting() {
    on_each(async || {
        for round in 0..ROUNDS {
            spawn_blocking(|| ()).await.expect("it does nothing");
            pause(round);
            let (open, opened) = mpsc::channel();
            let first = spawn_blocking(move || opened.recv().is_ok());
            let second = spawn_blocking(move || open.send(()).is_ok());
            assert!(second.await.expect("it has a thread of its own"));
            assert!(first.await.expect("the second has run"));
        }
    });
}

/// Each burst needs as many threads at once as it has jobs.
#[test]
fn bursts_have_their_threads_after_a_pause() {
    const BURST: usize = 8;
    on_each(async || {
        for round in 0..ROUNDS / 10 {
            pause(round * 10);
            let all = Arc::new(Barrier::new(BURST));
            let jobs = (0..BURST).map(|_| {
                let all = all.clone();
                spawn_blocking(move || all.wait().is_leader())
            });
            let mut leaders = 0;
            for job in jobs.collect::<Vec<_>>() {
                leaders += usize::from(job.await.expect("all of them have met"));
            }
            assert_eq!(leaders, 1);
        }
    });
}
