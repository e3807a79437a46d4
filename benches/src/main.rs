//! Measures anyscope beside its peers, compares the figures with the goals, and draws them.

#![forbid(unsafe_code)]

use std::env;
use std::process::{Command, ExitCode};

use anyhow::{Context, ensure};
use anyscope_benches::options::Options;
use anyscope_benches::results::{Results, Row};
use anyscope_benches::scenarios::{init_workers, is_child, run_child};
use anyscope_benches::{Machine, Measure, Scenario, goals, table, write_page, write_plots};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static MIMALLOC: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ALLOCATOR: &str = if cfg!(feature = "mimalloc") { "mimalloc" } else { "the system's" };

fn main() -> anyhow::Result<ExitCode> {
    init_workers();
    if is_child() {
        run_child();
        return Ok(ExitCode::SUCCESS);
    }
    let options = Options::from_arguments()?;
    if options.list {
        options
            .scenarios
            .iter()
            .for_each(|scenario| println!("{:<20} {}", scenario.name, scenario.about));
        return Ok(ExitCode::SUCCESS);
    }
    let all = match &options.from[..] {
        [] => vec![measure(&options)?],
        files => files.iter().map(|file| Results::read(file)).collect::<Result<_, _>>()?,
    };
    if let Some(folder) = &options.plots {
        write_plots(&all[0], folder)?;
        write_page(&all, folder)?;
    }
    let missed = options.check && all.iter().map(report).fold(false, |any, missed| any | missed);
    Ok(if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Prints each goal; whether one falls short.
fn report(results: &Results) -> bool {
    let goals = goals::all();
    let judged: Vec<_> = goals.iter().flat_map(|goal| goal.judge(results)).collect();
    judged.iter().for_each(|judged| println!("{judged}"));
    let count = |predicate: fn(&goals::Judged<'_>) -> bool| {
        judged.iter().filter(|judged| predicate(judged)).count()
    };
    let (missed, unknown) = (count(|one| one.is_missed()), count(|one| one.measured.is_none()));
    let met = judged.len() - missed - unknown;
    println!("{met} met, {missed} missed, {unknown} not measured in this run");
    missed > 0
}

/// The heap comes first: what has to be built for it must not disturb what is timed. The file is
/// written after each scenario, so that a run which is stopped leaves what it has.
fn measure(options: &Options) -> anyhow::Result<Results> {
    let rows = count_heap(options)?;
    let machine = Machine::here(ALLOCATOR);
    let mut results = Results { machine, quick: options.quick, rows };
    for scenario in &options.scenarios {
        results.rows.extend(measure_one(scenario, options));
        if let Some(file) = &options.json {
            results.write(file)?;
        }
    }
    Ok(results)
}

fn measure_one(scenario: &Scenario, options: &Options) -> Vec<Row> {
    let (plan, mut rows) = (scenario.plan(options.quick), Vec::new());
    if scenario.measure == Measure::Bytes {
        return rows;
    }
    for setting in options.settings(scenario) {
        for &size in plan.sizes {
            let block = scenario.run(setting, size, plan.rounds);
            println!("{}", table::text(&block));
            rows.extend(block);
        }
    }
    rows
}

/// Starts the program that counts allocations, which cargo builds if need be.
fn count_heap(options: &Options) -> anyhow::Result<Vec<Row>> {
    if options.scenarios.iter().all(|scenario| scenario.heap.is_none()) {
        return Ok(Vec::new());
    }
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let profile: &[_] = if cfg!(debug_assertions) { &[] } else { &["--release"] };
    let output = Command::new(cargo)
        .args(["run", "--quiet", "--package", "anyscope-benches", "--bin", "anyscope-benches-heap"])
        .args(profile)
        .arg("--")
        .args(options.arguments())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("cargo runs the program that counts allocations")?;
    ensure!(output.status.success(), "the program that counts allocations failed");
    let rows: Vec<Row> = serde_json::from_slice(&output.stdout)?;
    rows.chunk_by(Row::is_beside).for_each(|block| println!("{}", table::text(block)));
    Ok(rows)
}
