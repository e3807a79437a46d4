//! Counts what the contenders cost on the heap, and prints rows as JSON for `anyscope-benches`.

#![forbid(unsafe_code)]

use std::alloc::System;
use std::io::stdout;

use anyscope_benches::heap::{Counter, Counts, install};
use anyscope_benches::options::Options;
use anyscope_benches::scenarios::init_workers;
use peakmem_alloc::{PeakMemAlloc, PeakMemAllocTrait};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static PEAK: PeakMemAlloc<&StatsAlloc<System>> = PeakMemAlloc::new(&INSTRUMENTED_SYSTEM);

fn main() -> anyhow::Result<()> {
    init_workers();
    install(Counter {
        counts,
        reset_peak: || PEAK.reset_peak_memory(),
        peak: || PEAK.get_peak_memory(),
    });
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
    let stats = INSTRUMENTED_SYSTEM.stats();
    Counts {
        calls: stats.allocations + stats.reallocations,
        bytes: stats.bytes_allocated,
        // The two are not read at once: what is freed in between makes it less, never more.
        live: stats.bytes_allocated.saturating_sub(stats.bytes_deallocated),
    }
}
