//! The goals: how many places meet each, and what those that are missed pay for.

use std::fmt::Write as _;

use super::{allocator, thousands};
use crate::goals::{self, Goal, Judged};
use crate::results::Results;
use crate::table::number;

/// Goals that say the same, in several places.
struct Same<'a>(Vec<&'a Goal>);

/// A table with a column for each of the results, and a list of reasons.
pub(super) fn goals(all: &[Results]) -> String {
    let goals = goals::all();
    let same = merged(&goals);
    let heads: String = all.iter().map(|results| format!(" {} |", allocator(results))).collect();
    let rules = "---|".repeat(all.len());
    let mut text = format!("{HEAD}\n| what | at most |{heads}\n|---|---|{rules}\n");
    for same in &same {
        let Goal { what, at_most, .. } = same.0[0];
        let cells: String =
            all.iter().map(|results| format!(" {} |", same.reached(results))).collect();
        _ = writeln!(text, "| {what} | {at_most}{} |{cells}", same.0[0].compared());
    }
    let missed: Vec<_> = same.iter().filter(|same| same.is_missed(all)).collect();
    text + "\nWhat those that are missed pay for:\n\n" + &reasons(&missed)
}

fn merged(goals: &[Goal]) -> Vec<Same<'_>> {
    let mut all: Vec<Same<'_>> = Vec::new();
    for goal in goals {
        match all.iter_mut().find(|same| same.says(goal)) {
            Some(same) => same.0.push(goal),
            None => all.push(Same(vec![goal])),
        }
    }
    all
}

impl Same<'_> {
    fn says(&self, goal: &Goal) -> bool {
        let first = self.0[0];
        (&first.what, first.at_most, first.compared())
            == (&goal.what, goal.at_most, goal.compared())
    }

    /// The places where it was measured.
    fn judged(&self, results: &Results) -> Vec<Judged<'_>> {
        let judged = self.0.iter().flat_map(|goal| goal.judge(results));
        judged.filter(|judged| judged.measured.is_some()).collect()
    }

    fn is_missed(&self, all: &[Results]) -> bool {
        all.iter().any(|results| self.judged(results).iter().any(Judged::is_missed))
    }

    /// In how many places it is met, and the worst.
    fn reached(&self, results: &Results) -> String {
        let judged = self.judged(results);
        let met = judged.iter().filter(|judged| !judged.is_missed()).count();
        let value = |judged: &Judged<'_>| judged.measured.unwrap_or(f64::NAN);
        let Some(worst) = judged.iter().max_by(|a, b| value(a).total_cmp(&value(b))) else {
            return "not measured".into();
        };
        let mark = if worst.is_missed() { "**" } else { "" };
        let (figure, place) = (number(value(worst)), self.place(worst));
        match judged.len() {
            1 => format!("{mark}{figure}{mark} ({place}){}", floor_at(worst)),
            all => {
                let floor = floor_in(&judged);
                format!("{met} of {all} met{floor}; {mark}{figure}{mark} at worst ({place})")
            }
        }
    }

    /// With the scenario, where it is about several.
    fn place(&self, Judged { goal, setting, size, .. }: &Judged<'_>) -> String {
        let place = format!("{setting}, {}", thousands(*size));
        match self.0.iter().all(|other| other.scenario == goal.scenario) {
            true => place,
            false => format!("{}, {place}", goal.scenario),
        }
    }
}

/// What the floor is, at one place.
fn floor_at(judged: &Judged<'_>) -> String {
    judged.floor.map_or_else(String::new, |floor| format!("; floor {}", number(floor)))
}

/// At how many places the floor meets the goal, if there is one.
fn floor_in(judged: &[Judged<'_>]) -> String {
    let floors: Vec<_> = judged.iter().filter_map(Judged::is_met_by_the_floor).collect();
    let met = floors.iter().filter(|is_met| **is_met).count();
    if floors.is_empty() { String::new() } else { format!(", {met} by the floor") }
}

/// Each reason once, with all that it is one for.
fn reasons(missed: &[&Same<'_>]) -> String {
    let mut all: Vec<(&str, Vec<&str>)> = Vec::new();
    for same in missed {
        let what = same.0[0].what.as_str();
        let reason = same.0[0].why_not.as_deref().unwrap_or(UNKNOWN);
        match all.iter_mut().find(|(other, _)| *other == reason) {
            Some((_, whats)) if whats.contains(&what) => {}
            Some((_, whats)) => whats.push(what),
            None => all.push((reason, vec![what])),
        }
    }
    all.iter().map(|(reason, whats)| format!("- *{}*: {reason}\n", whats.join("; "))).collect()
}

const HEAD: &str = "
## Goals

A cell says in how many places a goal is met, and the worst of them, in bold if it falls short. Where a goal and
a rule of the [contract](contract.md) conflict, the rule wins: the list below the table says what is paid for what is
missed, and by which rules.

For tasks that are awaited by their handles, cancelled, or spawned by others there is a *floor*: `rules by hand` of the
tables below, a group in safe code that was written for this page, keeps the rules that its file names
(`benches/src/scenarios/rules.rs`), and can do nothing else. Where ours misses a goal, and the floor, though no slower,
misses it as well, the goal is below what those rules cost, as far as is known how to keep them. Where the floor meets
what ours misses, the rest is the price of what else a group does, much of it by other rules, and of how it does it.
Where ours is quicker than the floor, and for all other goals, it is not shown that the same could not be had for less.
";

const UNKNOWN: &str = "no reason is known.";
