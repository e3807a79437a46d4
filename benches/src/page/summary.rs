//! What matters most, in one look.

use std::fmt::Write as _;

use super::{allocator, thousands};
use crate::Setting;
use crate::goals::{self, Judged};
use crate::results::Results;
use crate::table::{number, ratio};

/// One contender beside another one.
struct Line {
    what: &'static str,
    scenario: &'static str,
    size: usize,
    contender: &'static str,
    against: &'static str,
}

const fn line(
    what: &'static str,
    scenario: &'static str,
    size: usize,
    [contender, against]: [&'static str; 2],
) -> Line {
    Line { what, scenario, size, contender, against }
}

/// The first results, and how many goals all of them meet.
pub(super) fn in_short(all: &[Results]) -> String {
    let mut text = String::from(HEAD);
    text += &table(ON_RUNTIMES, Setting::RUNTIMES, &all[0]);
    text += &table(IN_PLACE, &[Setting::Plain], &all[0]);
    for results in all {
        text += &goals_met(results);
    }
    text
}

fn table(lines: &[Line], settings: &[Setting], results: &Results) -> String {
    let heads: String = settings.iter().map(|setting| format!(" {setting} |")).collect();
    let rules = "--:|".repeat(settings.len());
    let mut text = format!("\n| | beside |{heads}\n|---|---|{rules}\n");
    for line in lines {
        let Line { what, scenario, against, .. } = line;
        let cells: String = settings.iter().map(|setting| cell(line, *setting, results)).collect();
        _ = writeln!(text, "| [{what}](#{scenario}) | {against} |{cells}");
    }
    text
}

fn cell(line: &Line, setting: Setting, results: &Results) -> String {
    let find = |name| results.find(line.scenario, setting, line.size, name, false);
    match (find(line.contender), find(line.against)) {
        (Some(own), Some(other)) => {
            format!(" {} ({} {}) |", ratio(own.ratio_to(other)), number(own.median()), own.unit)
        }
        _ => " - |".into(),
    }
}

fn goals_met(results: &Results) -> String {
    let goals = goals::all();
    let measured = |judged: &Judged<'_>| judged.measured.is_some();
    let judged: Vec<_> =
        goals.iter().flat_map(|goal| goal.judge(results)).filter(measured).collect();
    let missed: Vec<_> = judged.iter().filter(|judged| judged.is_missed()).collect();
    let met = judged.len() - missed.len();
    format!(
        "\nOn {} {} of {} [goals](#goals) are met, each counted once for each runtime and size.{}\n",
        allocator(results),
        thousands(met),
        thousands(judged.len()),
        below_floors(&missed)
    )
}

/// How many of them are, where a floor was measured.
fn below_floors(missed: &[&Judged<'_>]) -> String {
    if missed.iter().all(|judged| judged.floor.is_none()) {
        return String::new();
    }
    let below = missed.iter().filter(|judged| judged.is_below_the_floor()).count();
    format!(
        " Of those that are missed {} are below a floor, which is what some of the rules cost by themselves.",
        thousands(below)
    )
}

const HEAD: &str = "
## In short

The time of ours as a ratio to that of the other: below 1 ours takes less. In brackets, what ours takes for each task
or job. *Bare* is the same by what the runtime has itself, with nothing of what a group guarantees: task handles in a
`Vec`, awaited in order or aborted, or its `spawn_blocking`. tokio-mt has two workers, tokio-ct is tokio's current-thread
runtime, smol-own an executor of one's own on one thread.
The tasks and jobs do nothing, so that what ours adds is seen: where they do something, it is less of the whole.
";

const ON_RUNTIMES: &[Line] = &[
    line("100,000 ready tasks, by their handles", "ready", 100_000, ["group", "bare"]),
    line("the same, by `spawn_all`", "ready", 100_000, ["group, spawn_all", "bare"]),
    line("the same, through `AnyRuntime`", "ready", 100_000, ["group of AnyRuntime", "bare"]),
    line("the same, by their handles", "ready", 100_000, ["group", "JoinSet"]),
    line("the same, by their handles", "ready", 100_000, ["group", "child token + select!"]),
    line("100,000 tasks that are suspended once", "yield", 100_000, ["group", "bare"]),
    line("to cancel 100,000 parked tasks", "cancel", 100_000, ["group", "bare"]),
    line("the same", "cancel", 100_000, ["group", "JoinSet"]),
    line("another task's wait meanwhile", "latency", 100_000, ["group", "bare"]),
    line("tasks that spawn tasks, 16 deep", "recurse", 16, ["group", "bare"]),
    line("1,000 groups of 100 tasks", "groups", 1_000, ["group", "bare"]),
    line("1,000,000 tasks, 100 alive", "million", 1_000_000, ["group", "bare"]),
    line("the same, by a limit", "million", 1_000_000, ["group with a limit", "bare"]),
    line("10,000 groups, each in the one before", "deep", 10_000, ["group", "bare"]),
    line("100,000 tasks that fail", "errors", 100_000, ["group", "Vec + anyhow"]),
    line("a blocking job, and back", "blocking-round-trip", 2_000, ["group", "bare"]),
    line("10,000 blocking jobs at once", "blocking-in-flight", 10_000, ["group", "bare"]),
    line("a CPU job, and back", "cpu-round-trip", 2_000, ["group", "rayon + oneshot"]),
    line("10,000 CPU jobs at once", "cpu-in-flight", 10_000, ["group", "rayon + oneshot"]),
];

const IN_PLACE: &[Line] = &[
    line("`gather` of 10 futures", "gather", 10, ["gather", "poll all"]),
    line("`gather` of 1,000 futures", "gather", 1_000, ["gather", "futures-buffered"]),
    line("`scope` with 100,000 ready children", "local", 100_000, ["scope", "futures-buffered"]),
    line("the same", "local", 100_000, ["scope", "moro"]),
    line("`map_concurrent`, 100,000 items", "map", 100_000, MAPS),
];

const MAPS: [&str; 2] = ["map_concurrent", "futures buffer_unordered"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenarios;

    #[test]
    fn lines_speak_of_what_is_measured() {
        for line in ON_RUNTIMES.iter().chain(IN_PLACE) {
            let scenario = scenarios::find(line.scenario).expect("a scenario");
            assert!(scenario.full.sizes.contains(&line.size), "{}", line.what);
            let names: Vec<_> =
                (scenario.contenders)(scenario.settings[0]).iter().map(|one| one.name).collect();
            assert!(names.contains(&line.contender) && names.contains(&line.against), "{names:?}");
        }
    }
}
