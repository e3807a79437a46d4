//! The CPU pool itself: its bound (U1), and data-parallel work inside its jobs (U2).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use anyscope_pools::cpu::{spawn, threads};
use rayon::prelude::*;

const BOUND: Duration = Duration::from_secs(60);

/// Runs `job` so many times on the pool; all that it returned.
fn run_many<T: Send + 'static>(
    times: usize,
    job: impl Fn() -> T + Send + Sync + 'static,
) -> Vec<T> {
    let (sender, values) = mpsc::channel();
    let job = Arc::new(job);
    for _ in 0..times {
        let (job, sender) = (job.clone(), sender.clone());
        spawn(move || sender.send(job()).unwrap());
    }
    (0..times).map(|_| values.recv_timeout(BOUND).expect("no deadlock")).collect()
}

fn on_pool() -> bool {
    thread::current().name().is_some_and(|name| name.starts_with("anyscope-cpu-"))
}

#[test]
fn u1_jobs_are_bounded_by_the_threads() {
    let running = AtomicUsize::new(0);
    let at_once = run_many(threads() * 20, move || {
        let now = running.fetch_add(1, Ordering::SeqCst) + 1;
        thread::yield_now();
        running.fetch_sub(1, Ordering::SeqCst);
        now
    });
    assert!(at_once.into_iter().all(|now| (1..=threads()).contains(&now)));
}

/// In more jobs than there are threads.
#[test]
fn u2_nested_parallel_work_stays_on_the_pool() {
    fn spread(depth: u32) -> bool {
        (0..4).into_par_iter().all(|_| on_pool() && (depth == 0 || spread(depth - 1)))
    }
    assert!(run_many(threads() * 4, || spread(4)).into_iter().all(|stayed| stayed));
}
