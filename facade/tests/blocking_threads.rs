//! The blocking threads under load, on all runtimes at once: ten thousand jobs within the bound, and
//! threads that go away (B2). A program of its own, because it counts the threads of its process.

#![cfg(all(feature = "tokio", feature = "smol", feature = "async-std"))]

use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyscope::async_std::AsyncStd;
use anyscope::prelude::*;
use anyscope::smol::Smol;
use anyscope::tokio::Tokio;

const JOBS: usize = 10_000;
const BOUND: usize = 64;
/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many jobs run, how many did at most, and how many have run.
#[derive(Default)]
struct Load {
    counts: Mutex<Counts>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Counts {
    running: usize,
    most: usize,
    ended: usize,
}

impl Load {
    /// Runs until as many do as may, so that each of them has a thread.
    fn job(&self) -> Result<(), BoxError> {
        let mut counts = self.counts.lock().unwrap();
        counts.running += 1;
        counts.most = counts.most.max(counts.running);
        self.changed.notify_all();
        let too_few = |counts: &mut Counts| counts.most < BOUND;
        let (mut counts, waited) =
            self.changed.wait_timeout_while(counts, PATIENCE, too_few).unwrap();
        counts.running -= 1;
        counts.ended += 1;
        match waited.timed_out() {
            true => Err(BoxError::msg("fewer threads than the bound")),
            false => Ok(()),
        }
    }
}

/// Ten thousand jobs: all threads of the bound are used and no more.
async fn ten_thousand<R: Runtime>(rt: R) {
    let load = Arc::new(Load::default());
    let group = rt.group::<BoxError, _>(async |g| {
        for _ in 0..JOBS {
            let load = load.clone();
            drop(g.try_spawn_blocking(move || load.job()));
        }
        Ok(())
    });
    group.await.unwrap();
    let counts = load.counts.lock().unwrap();
    assert_eq!((counts.running, counts.most, counts.ended), (0, BOUND, JOBS));
}

/// `None` where the system does not tell.
fn threads_of_this_process() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Threads:"))?;
    line.trim().parse().ok()
}

#[test]
fn ten_thousand_jobs_hold_the_bound_and_leave_no_threads() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let tokio = Tokio::from_handle(runtime.handle().clone());
    // Whatever each runtime starts for itself is there before the count.
    let soon = Duration::from_millis(1);
    runtime.block_on(async { tokio.sleep(soon).await });
    anyscope::smol::run(Smol::global().spawn_detached(Smol::global().sleep(soon))).unwrap();
    anyscope::async_std::run(AsyncStd::global().spawn_detached(async {})).unwrap();
    let before = threads_of_this_process();
    thread::scope(|threads| {
        threads.spawn(|| runtime.block_on(ten_thousand(tokio.clone())));
        threads.spawn(|| anyscope::smol::run(ten_thousand(Smol::global())));
        threads.spawn(|| anyscope::async_std::run(ten_thousand(AsyncStd::global())));
    });
    // Ten seconds on tokio, and five on the others.
    let idle_since = Instant::now();
    while threads_of_this_process() > before {
        let now = threads_of_this_process();
        assert!(idle_since.elapsed() < PATIENCE, "{now:?} threads, {before:?} before");
        thread::sleep(Duration::from_millis(50));
    }
}
