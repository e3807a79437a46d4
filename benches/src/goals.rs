//! The goals, and how far the figures are from them.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use crate::Setting;
use crate::results::{Results, Row};
use crate::stats::difference;

/// What is to be reached: one figure, or its ratio to another one, in some places.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Goal {
    /// In words.
    pub what: String,
    /// The scenario.
    pub scenario: String,
    /// Where it holds.
    pub settings: Vec<Setting>,
    /// At which sizes; for figures of the heap, the one at which it is measured.
    pub sizes: Vec<usize>,
    /// Who is to reach it.
    pub contender: String,
    /// With whom it is compared; without that, and without a size, the figure itself counts.
    #[serde(default)]
    pub against: Option<String>,
    /// Who keeps some of the rules and does nothing else: what they cost by themselves.
    #[serde(default)]
    pub floor: Option<String>,
    /// Compared with the same contender at another size.
    #[serde(default)]
    pub against_size: Option<usize>,
    /// Which figure.
    #[serde(default)]
    pub figure: Figure,
    /// How it is compared.
    #[serde(default)]
    pub by: By,
    /// The most that it may be.
    pub at_most: f64,
    /// Why it is not reached, where that is known; in the file the name of one of its reasons.
    #[serde(default)]
    pub why_not: Option<String>,
}

#[derive(Deserialize)]
struct File {
    reasons: BTreeMap<String, String>,
    goals: Vec<Goal>,
}

/// A figure of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Figure {
    /// What the scenario measures, in rounds.
    #[default]
    Rounds,
    /// Allocations for each item.
    Allocations,
    /// The most bytes that were alive, all items together.
    Peak,
}

/// A comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// The figure divided by the other.
    #[default]
    Ratio,
    /// The figure less the other.
    Difference,
}

/// A goal in one place.
#[derive(Clone, Debug)]
pub struct Judged<'a> {
    /// The goal.
    pub goal: &'a Goal,
    /// Where.
    pub setting: Setting,
    /// At which size.
    pub size: usize,
    /// What was reached, if it was measured.
    pub measured: Option<f64>,
    /// The same of the floor, if there is one.
    pub floor: Option<f64>,
}

/// All goals.
///
/// # Panics
///
/// If the file does not hold goals, or one names a reason that is not there.
pub fn all() -> Vec<Goal> {
    let file = serde_json::from_str(include_str!("../goals.json")).expect("goals.json holds goals");
    let File { reasons, mut goals } = file;
    for why_not in goals.iter_mut().filter_map(|goal| goal.why_not.as_mut()) {
        *why_not = reasons[why_not.as_str()].clone();
    }
    goals
}

impl Goal {
    /// Looks at each place.
    pub fn judge<'a>(&'a self, results: &Results) -> Vec<Judged<'a>> {
        let mut all = Vec::new();
        for &setting in &self.settings {
            for &size in &self.sizes {
                let measured = |who: &String| self.measured(results, setting, size, who);
                let (own, floor) =
                    (measured(&self.contender), self.floor.as_ref().and_then(measured));
                all.push(Judged { goal: self, setting, size, measured: own, floor });
            }
        }
        all
    }

    fn measured(&self, results: &Results, setting: Setting, size: usize, who: &str) -> Option<f64> {
        let on_heap = self.figure != Figure::Rounds;
        let find = |size, name| results.find(&self.scenario, setting, size, name, on_heap);
        let own = find(size, who)?;
        if let Some(other) = &self.against {
            return Some(self.compare(own, find(size, other)?));
        }
        match self.against_size {
            Some(size) => Some(self.value(own)? / self.value(find(size, who)?)?),
            None => self.value(own),
        }
    }

    /// To two digits, as figures are shown: so nothing is missed by less than anybody sees.
    fn is_met_by(&self, figure: f64) -> bool {
        (figure * 100.0).round() <= (self.at_most * 100.0).round()
    }

    fn value(&self, row: &Row) -> Option<f64> {
        match self.figure {
            Figure::Rounds => Some(row.median()),
            Figure::Allocations => Some(row.heap?.allocations),
            Figure::Peak => Some(row.heap?.peak_of_all),
        }
    }

    fn compare(&self, own: &Row, other: &Row) -> f64 {
        match self.by {
            By::Ratio => own.ratio_to(other),
            By::Difference => difference(&own.rounds, &other.rounds),
        }
    }

    /// With what it is compared, in words.
    pub fn compared(&self) -> String {
        let of = match self.by {
            By::Ratio => "of",
            By::Difference => "more than",
        };
        match (&self.against, self.against_size, self.figure) {
            (Some(other), ..) => format!(" {of} {other}"),
            (_, Some(size), _) => format!(" of the figure at {size}"),
            (_, _, Figure::Allocations) => " allocations".into(),
            (_, _, Figure::Peak) => " bytes".into(),
            _ => String::new(),
        }
    }
}

impl Judged<'_> {
    /// Whether it falls short. What was not measured does not.
    pub fn is_missed(&self) -> bool {
        self.measured.is_some_and(|measured| !self.goal.is_met_by(measured))
    }

    /// Whether the floor meets it, where there is one.
    pub fn is_met_by_the_floor(&self) -> Option<bool> {
        self.floor.map(|floor| self.goal.is_met_by(floor))
    }

    /// Whether it is missed, and the floor, though it is no slower, misses it as well.
    pub fn is_below_the_floor(&self) -> bool {
        let is_one = self.floor.is_some_and(|floor| self.measured.is_some_and(|own| floor <= own));
        self.is_missed() && is_one && self.is_met_by_the_floor() == Some(false)
    }

    fn state(&self) -> &'static str {
        match (self.measured, self.is_missed()) {
            (None, _) => "not measured",
            (_, true) => "MISSED",
            (_, false) => "ok",
        }
    }
}

impl fmt::Display for Judged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Goal { scenario, contender, at_most, .. } = self.goal;
        let measured = self.measured.map_or("-".into(), |measured| format!("{measured:.2}"));
        let place = format!("{scenario} {} {}", self.setting, self.size);
        let state = self.state();
        write!(f, "{state:<12} {measured:>9} <= {at_most:<8} {place:<32} {contender}")?;
        f.write_str(&self.goal.compared())?;
        match self.floor {
            Some(floor) => write!(f, ", where the floor is {floor:.2}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Machine;

    fn row(contender: &str, rounds: &[f64]) -> Row {
        Row {
            scenario: "ready".into(),
            setting: Setting::TokioMt,
            size: 1_000,
            contender: contender.into(),
            unit: "ns".into(),
            rounds: rounds.to_vec(),
            heap: None,
        }
    }

    fn judged(at_most: f64, by: By) -> (Option<f64>, bool) {
        let mut goal = all().remove(0);
        (goal.settings, goal.sizes) = (vec![Setting::TokioMt], vec![1_000, 7]);
        (goal.contender, goal.against) = ("group".into(), Some("bare".into()));
        (goal.scenario, goal.at_most, goal.by) = ("ready".into(), at_most, by);
        goal.floor = Some("least".into());
        let rows = vec![
            row("bare", &[100.0, 200.0, 300.0]),
            row("group", &[60.0, 140.0, 180.0]),
            row("least", &[50.0, 100.0, 150.0]),
        ];
        let results = Results { machine: Machine::default(), quick: true, rows };
        let judged = goal.judge(&results);
        assert!(judged[1].measured.is_none() && !judged[1].is_missed(), "size 7 is not there");
        assert_eq!(judged[0].is_below_the_floor(), by == By::Ratio && at_most < 0.5);
        (judged[0].measured, judged[0].is_missed())
    }

    #[test]
    fn ratio_above_the_limit_is_missed() {
        assert_eq!(judged(0.6, By::Ratio), (Some(0.6), false));
        assert_eq!(judged(0.59, By::Ratio), (Some(0.6), true));
        assert_eq!(judged(0.49, By::Ratio), (Some(0.6), true), "and so does the floor");
    }

    #[test]
    fn difference_is_of_rounds() {
        assert_eq!(judged(-60.0, By::Difference), (Some(-60.0), false));
        assert_eq!(judged(-61.0, By::Difference), (Some(-60.0), true));
    }
}
