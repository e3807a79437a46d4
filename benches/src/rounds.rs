//! Scenarios, and the rounds in which their contenders take turns.

use crate::heap;
use crate::results::Row;
use crate::stats::rounded;
use crate::{Contender, Setting};

/// What the figures of a scenario are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Nanoseconds for each item.
    Time,
    /// Microseconds, as the contender measured them.
    Micros,
    /// Seconds, as the contender measured them.
    Seconds,
    /// Bytes for each item, counted in the program that counts.
    Bytes,
    /// Machine instructions for each item.
    Instructions,
    /// A number of things.
    Number,
}

impl Measure {
    /// The unit, as tables have it.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Time => "ns",
            Self::Micros => "us",
            Self::Seconds => "s",
            Self::Bytes => "bytes",
            Self::Instructions => "instructions",
            Self::Number => "crates",
        }
    }
}

/// How much is run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How much there is to do in one run, from small to large.
    pub sizes: &'static [usize],
    /// How often each contender has its turn.
    pub rounds: usize,
}

/// One piece of work, and who does it.
pub struct Scenario {
    /// As it is called on the command line and in goals.
    pub name: &'static str,
    /// What is done, for the page.
    pub about: &'static str,
    /// What is measured.
    pub measure: Measure,
    /// Where.
    pub settings: &'static [Setting],
    /// For the figures on the page.
    pub full: Plan,
    /// For `--quick` and `--check`.
    pub quick: Plan,
    /// How many items a run of this size has.
    pub items: fn(usize) -> usize,
    /// A turn runs the work so often that it has at least so many items.
    pub at_least: usize,
    /// The size at which the heap is measured, if it is.
    pub heap: Option<usize>,
    /// What the work comes to.
    pub expect: fn(usize) -> u64,
    /// Who takes part; the first is what the others are compared with.
    pub contenders: fn(Setting) -> Vec<Contender>,
}

/// What most scenarios have in common.
impl Scenario {
    /// Tasks in sizes of 1,000 to 1,000,000 on all runtimes, which come to the sum of their numbers.
    pub const TASKS: Self = Self {
        name: "",
        about: "",
        measure: Measure::Time,
        settings: Setting::RUNTIMES,
        full: Plan { sizes: &[1_000, 100_000, 1_000_000], rounds: 15 },
        quick: Plan { sizes: &[1_000, 100_000], rounds: 5 },
        items: |n| n,
        at_least: 20_000,
        heap: Some(10_000),
        expect: |n| (n as u64) * (n as u64).saturating_sub(1) / 2,
        contenders: |_| Vec::new(),
    };

    /// The plan for a quick or a full run.
    pub fn plan(&self, quick: bool) -> Plan {
        if quick { self.quick } else { self.full }
    }

    /// Lets the contenders take turns, after one run each that does not count.
    ///
    /// # Panics
    ///
    /// If a contender's work comes to something else than it has to.
    pub fn run(&self, setting: Setting, size: usize, rounds: usize) -> Vec<Row> {
        let contenders = self.able(setting, size);
        let mut samples = vec![Vec::with_capacity(rounds); contenders.len()];
        for round in 0..rounds {
            for at in turns(contenders.len(), round) {
                samples[at].push(rounded(self.turn(&contenders[at], size)));
            }
        }
        let rows = contenders.iter().zip(samples);
        rows.map(|(contender, rounds)| self.row(setting, size, contender, rounds)).collect()
    }

    /// What each contender costs on the heap, in a second run: the first lets tables grow. Where
    /// bytes are the measure, those.
    ///
    /// # Panics
    ///
    /// As [`run`](Self::run).
    pub fn run_heap(&self, setting: Setting, size: usize) -> Vec<Row> {
        if self.measure == Measure::Bytes {
            return self.run(setting, size, 3);
        }
        let measured = |contender: &Contender| {
            let work = || {
                self.check(contender, size);
            };
            let heap = heap::measure((self.items)(size), work);
            Row { heap, ..self.row(setting, size, contender, Vec::new()) }
        };
        let contenders = self.able(setting, size);
        contenders.iter().filter(|contender| contender.is_here).map(measured).collect()
    }

    fn row(&self, setting: Setting, size: usize, contender: &Contender, rounds: Vec<f64>) -> Row {
        Row {
            scenario: self.name.into(),
            setting,
            size,
            contender: contender.name.into(),
            unit: self.measure.unit().into(),
            rounds,
            heap: None,
        }
    }

    /// Those that take part at this size and can run here.
    fn able(&self, setting: Setting, size: usize) -> Vec<Contender> {
        let mut contenders = (self.contenders)(setting);
        contenders.retain(|contender| contender.takes(size) && self.warm_up(contender, size));
        contenders
    }

    fn warm_up(&self, contender: &Contender, size: usize) -> bool {
        let skipped = match contender.run(size) {
            Ok(sample) => return self.compare(contender, size, sample.sum),
            Err(skipped) => skipped.0,
        };
        eprintln!("{}: {} is left out: {skipped}", self.name, contender.name);
        false
    }

    fn turn(&self, contender: &Contender, size: usize) -> f64 {
        let items = (self.items)(size);
        if self.measure != Measure::Time {
            return self.check(contender, size);
        }
        let times = self.at_least.div_ceil(items.max(1)).max(1);
        let total: f64 = (0..times).map(|_| self.check(contender, size)).sum();
        total / (times * items) as f64
    }

    /// One run whose sum is looked at.
    fn check(&self, contender: &Contender, size: usize) -> f64 {
        let sample = contender.run(size).unwrap_or_else(|skipped| panic!("{}", skipped.0));
        self.compare(contender, size, sample.sum);
        sample.value
    }

    fn compare(&self, contender: &Contender, size: usize, sum: u64) -> bool {
        let (expected, name) = ((self.expect)(size), contender.name);
        assert_eq!(sum, expected, "{}: {name} did not do its work of size {size}", self.name);
        true
    }
}

/// Another one first in each round, and backwards in every other: so nobody comes after the same one always.
fn turns(many: usize, round: usize) -> impl Iterator<Item = usize> {
    (0..many).map(move |turn| {
        let turn = if round % 2 == 1 { many - 1 - turn } else { turn };
        (round + turn) % many
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_change() {
        let rounds = [0, 1, 2].map(|round| turns(3, round).collect::<Vec<_>>());
        assert_eq!(rounds, [[0, 1, 2], [0, 2, 1], [2, 0, 1]]);
    }
}
