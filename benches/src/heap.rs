//! What contenders cost on the heap, as a counting allocator sees it.
//!
//! Counting slows allocations down, and the more so the more there are, so nothing is timed in a
//! program that counts: `anyscope-benches-heap` counts, `anyscope-benches` times.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What has been allocated in this process so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Allocations and reallocations.
    pub calls: usize,
    /// Bytes asked for.
    pub bytes: usize,
    /// Bytes that are not freed.
    pub live: usize,
}

/// What one run of a contender cost, for each item.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Use {
    /// Allocations and reallocations.
    pub allocations: f64,
    /// Bytes asked for.
    pub bytes: f64,
    /// The most bytes that were alive at once.
    pub peak: f64,
    /// The same for all items together.
    pub peak_of_all: f64,
}

static COUNTER: OnceLock<fn() -> Counts> = OnceLock::new();

/// Says where the counts are to be had. Without it all are zero.
pub fn install(counter: fn() -> Counts) {
    COUNTER.get_or_init(|| counter);
}

/// The counts of this moment.
pub fn counts() -> Counts {
    COUNTER.get().map_or_else(Counts::default, |counter| counter())
}

/// Runs `work`, which does so many items, and says what it cost.
pub fn measure(items: usize, work: impl FnOnce()) -> Use {
    let before = counts();
    let peak = peak_during(before.live, work);
    let after = counts();
    let each = |total: usize| total as f64 / items as f64;
    Use {
        allocations: each(after.calls - before.calls),
        bytes: each(after.bytes - before.bytes),
        peak: each(peak),
        peak_of_all: peak as f64,
    }
}

/// The most bytes above `floor`. A thread looks all the time: what is there for a few microseconds
/// only may escape it.
fn peak_during(floor: usize, work: impl FnOnce()) -> usize {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            let mut peak = 0;
            while !done.load(Relaxed) {
                peak = peak.max(counts().live);
                thread::sleep(Duration::from_micros(20));
            }
            peak.saturating_sub(floor)
        });
        work();
        done.store(true, Relaxed);
        sampler.join().expect("the sampler only reads counters")
    })
}
