//! Counts what the contenders cost on the heap, and prints rows as JSON for `anyscope-benches`.

#![forbid(unsafe_code)]

use std::alloc::System;
use std::io::stdout;

use anyscope_benches::heap::{Counts, install};
use anyscope_benches::options::Options;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> anyhow::Result<()> {
    install(counts);
    let (options, mut rows) = (Options::from_arguments()?, Vec::new());
    for scenario in &options.scenarios {
        let Some(size) = scenario.heap else { continue };
        for setting in options.settings(scenario) {
            rows.extend(scenario.run_heap(setting, size));
        }
    }
    Ok(serde_json::to_writer(stdout(), &rows)?)
}

fn counts() -> Counts {
    let stats = COUNTING.stats();
    Counts {
        calls: stats.allocations + stats.reallocations,
        bytes: stats.bytes_allocated,
        // The two are not read at once: what is freed in between makes it less, never more.
        live: stats.bytes_allocated.saturating_sub(stats.bytes_deallocated),
    }
}
