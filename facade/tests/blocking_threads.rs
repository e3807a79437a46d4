//! The blocking threads under load, on all runtimes at once: ten thousand jobs within the bound, and
//! threads that go away (B2). A program of its own, because it counts the threads of its process.

#![cfg(all(feature = "tokio", feature = "smol", feature = "async-std"))]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyscope::async_std::AsyncStd;
use anyscope::prelude::*;
use anyscope::smol::Smol;
use anyscope::tokio::Tokio;

const JOBS: usize = 10_000;
const BOUND: usize = 64;
const SLEEP: Duration = Duration::from_millis(10);

/// How many jobs run, and how many did at most.
#[derive(Default)]
struct Load {
    running: AtomicUsize,
    most: AtomicUsize,
}

impl Load {
    fn job(&self) {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        thread::sleep(SLEEP);
        self.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Ten thousand sleeping jobs: all threads of the bound are used and no more, and it takes as long as
/// that allows.
async fn ten_thousand<R: Runtime>(rt: R) {
    let (load, begin) = (Arc::new(Load::default()), Instant::now());
    let group = rt.group::<BoxError, _, _, _>(async |g| {
        for _ in 0..JOBS {
            let load = load.clone();
            drop(g.spawn_blocking(move || load.job()));
        }
        Ok(())
    });
    group.await.unwrap();
    assert_eq!(load.most.load(Ordering::SeqCst), BOUND);
    let least = SLEEP * u32::try_from(JOBS / BOUND).unwrap();
    // About 1.6 seconds; only threads that are not used for long would make it so much more.
    assert!((least..least * 10).contains(&begin.elapsed()), "{:?}", begin.elapsed());
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
    runtime.block_on(async { tokio.sleep(SLEEP).await });
    anyscope::smol::run(Smol::global().spawn_detached(Smol::global().sleep(SLEEP))).unwrap();
    anyscope::async_std::run(AsyncStd::global().spawn_detached(async {})).unwrap();
    let before = threads_of_this_process();
    thread::scope(|threads| {
        threads.spawn(|| runtime.block_on(ten_thousand(tokio.clone())));
        threads.spawn(|| anyscope::smol::run(ten_thousand(Smol::global())));
        threads.spawn(|| anyscope::async_std::run(ten_thousand(AsyncStd::global())));
    });
    let (idle_since, bound) = (Instant::now(), Duration::from_secs(15));
    while threads_of_this_process() > before {
        let now = threads_of_this_process();
        assert!(idle_since.elapsed() < bound, "{now:?} threads, {before:?} before");
        thread::sleep(Duration::from_millis(50));
    }
}
