//! What contenders cost on the heap, as a counting allocator sees it.
//!
//! Counting slows allocations down, and the more so the more there are, so nothing is timed in a
//! program that counts: `anyscope-benches-heap` counts, `anyscope-benches` times.

use std::sync::OnceLock;

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

/// How a counting allocator is asked.
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    /// The counts of this moment.
    pub counts: fn() -> Counts,
    /// Forgets the peak, and takes what is alive now for nothing.
    pub reset_peak: fn(),
    /// The most bytes that have been alive since then, beyond those that were alive then.
    pub peak: fn() -> usize,
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

static COUNTER: OnceLock<Counter> = OnceLock::new();

/// Says where the counts are to be had. Without it all are zero.
pub fn install(counter: Counter) {
    COUNTER.get_or_init(|| counter);
}

/// The counts of this moment.
pub fn counts() -> Counts {
    COUNTER.get().map_or_else(Counts::default, |counter| (counter.counts)())
}

/// Runs `work`, which does so many items, and says what it cost. `None` where nobody counts.
pub fn measure(items: usize, work: impl FnOnce()) -> Option<Use> {
    let counter = COUNTER.get()?;
    let before = counts();
    (counter.reset_peak)();
    work();
    let (after, peak) = (counts(), (counter.peak)());
    let each = |total: usize| total as f64 / items as f64;
    Some(Use {
        allocations: each(after.calls - before.calls),
        bytes: each(after.bytes - before.bytes),
        peak: each(peak),
        peak_of_all: peak as f64,
    })
}
