//! `docs/performance.md`, made of the figures.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::goals::{self, Goal, Judged};
use crate::results::{Block, Results, Row};
use crate::scenarios::ALL;
use crate::table::{number, ratio};
use crate::{Machine, Scenario};

/// Writes the page beside the folder with the plots. The first results have the tables, all have a
/// column among the goals.
///
/// # Errors
///
/// If the file cannot be written.
pub fn write_page(all: &[Results], plots: &Path) -> anyhow::Result<()> {
    let folder = plots.file_name().unwrap_or_default().to_string_lossy();
    let mut page = String::from(HEAD);
    for results in all {
        page += &machine(results);
    }
    page += &goal_table(all);
    page += LEFT_OUT;
    for scenario in ALL {
        page += &section(scenario, &all[0], &folder);
    }
    Ok(fs::write(plots.with_extension("md"), page)?)
}

fn machine(results: &Results) -> String {
    let Machine { hardware, system, rustc, load, allocator, versions } = &results.machine;
    let run = if results.quick { "a quick run" } else { "a full run" };
    let versions: Vec<_> =
        versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    format!(
        "- {run}: {hardware}, {load}; {system}; {rustc}; {allocator} allocator; {}\n",
        versions.join(", ")
    )
}

fn goal_table(all: &[Results]) -> String {
    let mut text = String::from(GOALS);
    let heads: Vec<_> =
        all.iter().map(|results| format!(" {} allocator |", results.machine.allocator)).collect();
    let rules = "---|".repeat(all.len());
    _ = writeln!(text, "\n| what | at most |{}\n|---|---|{rules}", heads.concat());
    let goals = goals::all();
    for goal in &goals {
        let cells: Vec<_> =
            all.iter().map(|results| format!(" {} |", reached(goal, results))).collect();
        let Goal { what, at_most, .. } = goal;
        _ = writeln!(text, "| {what} | {at_most}{} |{}", goal.compared(), cells.concat());
    }
    text += "\n";
    for goal in goals.iter().filter(|goal| goal.why_not.is_some()) {
        let why_not = goal.why_not.as_deref().unwrap_or_default();
        _ = writeln!(text, "- {} ({}{}): {why_not}", goal.what, goal.at_most, goal.compared());
    }
    text
}

/// Each place, those that fall short in bold.
fn reached(goal: &Goal, results: &Results) -> String {
    let cell = |one: Judged<'_>| {
        let figure = number(one.measured?);
        let figure = if one.is_missed() { format!("**{figure}**") } else { figure };
        Some(format!("{figure} ({}, {})", one.setting, thousands(one.size)))
    };
    let cells: Vec<_> = goal.judge(results).into_iter().filter_map(cell).collect();
    if cells.is_empty() { "not measured".into() } else { cells.join(", ") }
}

fn section(scenario: &Scenario, results: &Results, folder: &str) -> String {
    let Scenario { name, about, .. } = scenario;
    let mut text = format!("\n## {name}\n\nMeasured: {about}.\n");
    let blocks: Vec<_> = results.blocks().filter(|block| block[0].scenario == *name).collect();
    let (rounds, heap): (Vec<_>, Vec<_>) =
        blocks.into_iter().partition(|block| block[0].heap.is_none());
    if !rounds.is_empty() {
        _ = writeln!(text, "\n![{name}]({folder}/{name}.svg)\n");
    }
    for sizes in rounds.chunk_by(|a, b| a[0].setting == b[0].setting) {
        text += &rounds_table(sizes);
    }
    text + &heap_table(&heap)
}

/// One setting: a line for each contender, a column for each size.
fn rounds_table(sizes: &[Block<'_>]) -> String {
    let first = &sizes[0][0];
    let heads: Vec<_> =
        sizes.iter().map(|block| format!(" {} |", thousands(block[0].size))).collect();
    let rules = "--:|".repeat(sizes.len());
    let mut text =
        format!("| {}, {} |{}\n|---|{rules}\n", first.setting, first.unit, heads.concat());
    for row in sizes[0] {
        let cell = |block: &Block<'_>| {
            let found = block.iter().find(|other| other.contender == row.contender);
            found
                .map_or(" - |".into(), |found| format!(" {} |", median_and_ratio(found, &block[0])))
        };
        let cells: Vec<_> = sizes.iter().map(cell).collect();
        _ = writeln!(text, "| {} |{}", row.contender, cells.concat());
    }
    text + "\n"
}

fn median_and_ratio(row: &Row, first: &Row) -> String {
    format!("{} ({})", number(row.median()), ratio(row.ratio_to(first)))
}

/// A line for each contender, a column for each setting.
fn heap_table(settings: &[Block<'_>]) -> String {
    let Some(widest) = settings.iter().max_by_key(|block| block.len()) else {
        return String::new();
    };
    let heads: Vec<_> = settings.iter().map(|block| format!(" {} |", block[0].setting)).collect();
    let size = thousands(widest[0].size);
    let rules = "--:|".repeat(settings.len());
    let mut text = format!(
        "Heap at {size}, for each item: allocations / bytes asked for / peak of live bytes.\n\n\
         | |{}\n|---|{rules}\n",
        heads.concat()
    );
    for row in *widest {
        let cell = |block: &Block<'_>| {
            let found = block.iter().find(|other| other.contender == row.contender);
            let heap = found.and_then(|found| found.heap);
            heap.map_or(" - |".into(), |heap| {
                let [bytes, peak] = [heap.bytes, heap.peak].map(number);
                format!(" {} / {bytes} / {peak} |", ratio(heap.allocations))
            })
        };
        let cells: Vec<_> = settings.iter().map(cell).collect();
        _ = writeln!(text, "| {} |{}", row.contender, cells.concat());
    }
    text
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

What groups cost, measured beside what people use today. This page and its drawings are made by the program
that measures, from `benches/results.json`.

## How it is measured

Contenders do the same work in one process and take turns, A B C A B C, the first one changing with each
round, after a run each that does not count. Shown is the median, and in brackets the median of the ratios
to the first line in the same round: a machine that slows down for a while slows both, so ratios can be
relied on where times cannot. On two threads they still move by up to 0.2 from run to run, and by more where
the load average below is not near zero. The driver is a task of the runtime. What each contender's work comes
to is checked, so none is fast by doing less. Heap figures come from a second program whose allocator counts,
because counting takes time. smol's global executor has one thread, tokio's multi-thread runtime two workers,
async-std a thread for each core, and all else runs on one thread.

| Command | What it does |
|---|---|
| `cargo run --release -p anyscope-benches -- --json benches/results.json` | measures all, in about half an hour |
| the same with `--features mimalloc` and another file | measures on mimalloc |
| `cargo run --release -p anyscope-benches -- --check` | a quick run against the goals; exits with 1 if one is missed |
| `cargo run --release -p anyscope-benches -- --from benches/results.json --from benches/results-mimalloc.json --plots docs/performance` | makes this page |

Names of scenarios as arguments restrict it to those, `--list` says which there are, `--help` the rest.

Measured on:

";

const GOALS: &str = "
## Goals

In bold is what falls short. A goal stands back behind the rules of the [contract](contract.md): the list below the
table says what each that is missed pays for, and by which rules. That it could not be had for less is not shown.
";

const LEFT_OUT: &str = "
## What is left out

- async_nursery runs at 1,000 tasks only, on tokio's multi-thread runtime and async-std: it polls all handles
  through one `FuturesUnordered`, which on tokio takes tens of microseconds for each task at 100,000. moro runs
  up to 100,000, in the caller's task.
- JoinSet and TaskTracker need tokio. The hand-written fail-fast (a child token and `select!` for each task)
  needs only tokio's types, and runs everywhere.
- Worker processes, ours and those of Python's ProcessPoolExecutor, have their lines among the CPU jobs: these where
  there is a `python3`. Instructions are counted where there is a valgrind.
- More than two cores, other operating systems, other processors.
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
