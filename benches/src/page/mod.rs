//! `docs/performance.md`, made of the figures.

mod goal_list;
mod summary;
mod tables;

use std::fs;
use std::path::Path;

use crate::results::{Block, Results};
use crate::scenarios::ALL;
use crate::{Machine, Scenario};

/// Writes the page beside the folder with the plots. The first results have the tables, all have a
/// column among the goals.
///
/// # Errors
///
/// If the file cannot be written.
pub fn write_page(all: &[Results], plots: &Path) -> anyhow::Result<()> {
    let folder = plots.file_name().unwrap_or_default().to_string_lossy();
    let mut page = String::from(HEAD) + &summary::in_short(all) + METHOD;
    for results in all {
        page += &machine(results, &all[0]);
    }
    page += &goal_list::goals(all);
    page += LEFT_OUT;
    page += &contents();
    for scenario in ALL {
        page += &section(scenario, &all[0], &folder);
    }
    Ok(fs::write(plots.with_extension("md"), page)?)
}

/// The versions only where they are not those of the first results.
fn machine(results: &Results, first: &Results) -> String {
    let Machine { hardware, system, rustc, load, versions, .. } = &results.machine;
    let run = if results.quick { "a quick run" } else { "a full run" };
    let versions = match std::ptr::eq(results, first) || *versions != first.machine.versions {
        true => versions.iter().map(|(name, version)| format!("; {name} {version}")).collect(),
        false => String::from("; the same versions"),
    };
    let allocator = allocator(results);
    format!("- {run} on {allocator}: {hardware}, {load}; {system}; {rustc}{versions}\n")
}

fn allocator(results: &Results) -> String {
    match results.machine.allocator.as_str() {
        "the system's" => "the system's allocator".into(),
        other => other.into(),
    }
}

/// Where each scenario's figures stand.
fn contents() -> String {
    let links: Vec<_> =
        ALL.iter().map(|Scenario { name, .. }| format!("[{name}](#{name})")).collect();
    format!("\n## All figures\n\n{CELLS}\n{}\n", links.join(" · "))
}

fn section(scenario: &Scenario, results: &Results, folder: &str) -> String {
    let Scenario { name, about, .. } = scenario;
    let blocks: Vec<_> = results.blocks().filter(|block| block[0].scenario == *name).collect();
    let (rounds, heap): (Vec<Block<'_>>, Vec<_>) =
        blocks.into_iter().partition(|block| block[0].heap.is_none());
    let mut text = format!("\n## {name}\n\nMeasured: {about}");
    if let Some(first) = rounds.first() {
        let many = first[0].rounds.len();
        let s = if many == 1 { "" } else { "s" };
        text += &format!("; {many} round{s}.\n\n![{name}]({folder}/{name}.svg)\n\n");
        text += &tables::rounds(&rounds);
    } else {
        text += ".\n\n";
    }
    text + &tables::heap(&heap)
}

/// With commas, as people write them.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

const HEAD: &str = "\
# Performance

What anyscope costs beside what people use today. This page and its drawings are made by the program that
measures, from `benches/results.json` and `benches/results-mimalloc.json`.
";

const METHOD: &str = "
## How it is measured

Contenders do the same work in one process and take turns, the first one changing with each round and every
other round backwards, after a run each that does not count. Shown is the median, and in brackets the median
of the ratios to the first line in the same round: a machine that slows down for a while slows both, so ratios
are steadier than times. They are not exact: from one full run to the next those of peers, whose code was the
same in both, moved by 0.2 or less in most places, and by 0.5 in some. On smol `bare` and `blocking::unblock` of
`blocking-round-trip` are the same code: how far they are apart is how far that scenario can be trusted.

The driver is a task of the runtime. What the work comes to is checked, so that none is fast by doing less,
except where it comes to nothing that could be checked (`instructions`, `saturated`, `compile`, `crates`).
Heap figures come from a second program whose allocator counts, because counting takes time. smol's global
executor has one thread, tokio's multi-thread runtime two workers, async-std a thread for each core, and all
else runs on one thread.

| Command | What it does |
|---|---|
| `cargo run --release -p anyscope-benches -- --json benches/results.json` | measures all, in about half an hour |
| the same with `--features mimalloc` and another file | measures on mimalloc |
| `cargo run --release -p anyscope-benches -- --check` | a quick run against the goals; exits with 1 if one is missed |
| `cargo run --release -p anyscope-benches -- --from benches/results.json --check` | prints each goal in each place |
| `cargo run --release -p anyscope-benches -- --from benches/results.json --from benches/results-mimalloc.json --plots docs/performance` | makes this page |

Names of scenarios as arguments restrict it to those, `--list` says which there are, `--help` the rest.

Measured on:

";

const LEFT_OUT: &str = "
## What is left out

- async_nursery runs at 1,000 tasks only, on tokio's multi-thread runtime and async-std: it polls all handles
  through one `FuturesUnordered`, and what that takes for 100,000 of tokio's stands in [traps](#traps). moro runs
  up to 100,000, in the caller's task. `ConcurrentStream` runs up to 20,000 handles, because its time for each
  grows with their number.
- JoinSet and TaskTracker need tokio. The hand-written fail-fast (a child token and `select!` for each task)
  needs only tokio's types, and runs everywhere.
- Worker processes, ours and those of Python's ProcessPoolExecutor, have their lines among the CPU jobs: these where
  there is a `python3`. Instructions are counted where there is a valgrind.
- More than two cores, other operating systems, other processors.
";

const CELLS: &str = "\
A cell is the median, and in brackets the ratio to the first line.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_stand_where_they_belong() {
        assert_eq!(thousands(64), "64");
        assert_eq!(thousands(1_000), "1,000");
        assert_eq!(thousands(123_456_789), "123,456,789");
    }
}
