//! Schedules: who runs next of those who can.

use std::collections::{BTreeMap, VecDeque};

use crate::rng::Rng;
use crate::trace::UnitId;

/// Who runs next of those who can.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Schedule {
    /// Each with the same chance.
    #[default]
    Random,
    /// In the order in which they were woken, as most runtimes do with one thread; the seed decides
    /// nothing.
    Fifo,
    /// Always the one of highest priority, with priorities from the seed; at `changes` points,
    /// which are spread over the first `steps` steps, the one that runs falls below all others.
    /// Finds a fault that needs few switches at the right places with a known chance, where a
    /// random order hardly ever keeps still for so long (probabilistic concurrency testing, PCT).
    Pct {
        /// How many times a running unit falls back.
        changes: usize,
        /// How long the runs are, about.
        steps: usize,
    },
    /// Whoever ran last goes on as long as it can, then the oldest; except at these points. Ordered by
    /// step. What a shrunk failure consists of.
    Switches(Vec<Switch>),
}

/// At one step, one unit runs, if it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch {
    /// Counted from zero.
    pub step: usize,
    /// Who runs.
    pub unit: UnitId,
}

/// Makes the choices of one run.
#[derive(Debug)]
pub(crate) struct Chooser {
    schedule: Schedule,
    rng: Rng,
    step: usize,
    last: Option<UnitId>,
    /// How many steps `last` has had in a row while others could have run.
    in_a_row: usize,
    /// Of `Pct`: higher runs first.
    priorities: BTreeMap<UnitId, u64>,
    /// Of `Pct`: the steps at which the running unit falls back.
    changes: Vec<usize>,
    /// Of `Pct`: what the next to fall back gets, below all that were drawn.
    lowest: u64,
}

/// Units that can run, in the order in which they were woken.
pub(crate) type Ready = VecDeque<UnitId>;

impl Chooser {
    pub(crate) fn new(schedule: Schedule, seed: u64) -> Self {
        let mut rng = Rng::new(seed, SCHEDULE);
        let changes = match schedule {
            Schedule::Pct { changes, steps } => {
                (0..changes).map(|_| rng.below(steps.max(1))).collect()
            }
            _ => Vec::new(),
        };
        Self {
            schedule,
            rng,
            step: 0,
            last: None,
            in_a_row: 0,
            priorities: BTreeMap::new(),
            changes,
            lowest: LOWEST_DRAWN,
        }
    }

    pub(crate) fn steps(&self) -> usize {
        self.step
    }

    /// Takes out who runs next. `None` if nobody can.
    pub(crate) fn take(&mut self, ready: &mut Ready) -> Option<UnitId> {
        if ready.is_empty() {
            return None;
        }
        let chosen = match &self.schedule {
            Schedule::Random => self.rng.below(ready.len()),
            Schedule::Fifo => 0,
            Schedule::Pct { .. } => self.highest(ready),
            Schedule::Switches(switches) => {
                let here = switches.binary_search_by_key(&self.step, |switch| switch.step);
                let unit = here.ok().map(|at| switches[at].unit);
                let wanted = unit.and_then(|unit| ready.iter().position(|u| *u == unit));
                wanted.unwrap_or_else(|| self.usual(ready))
            }
        };
        let unit = match self.schedule {
            Schedule::Random => ready.swap_remove_back(chosen),
            _ => ready.remove(chosen),
        }?;
        let goes_on = self.last == Some(unit) && !ready.is_empty();
        self.in_a_row = if goes_on { self.in_a_row + 1 } else { 0 };
        self.last = Some(unit);
        self.step += 1;
        Some(unit)
    }

    /// The one that ran last, or the oldest. Nobody runs for ever while others wait.
    fn usual(&self, ready: &Ready) -> usize {
        let last = self.last.and_then(|last| ready.iter().position(|unit| *unit == last));
        match last {
            Some(at) if self.in_a_row < PATIENCE => at,
            Some(at) => {
                let next = oldest(ready, |unit| unit > ready[at]);
                next.or_else(|| oldest(ready, |_| true)).unwrap_or(at)
            }
            None => oldest(ready, |_| true).unwrap_or(0),
        }
    }

    /// The one of highest priority, after the changes that are due.
    fn highest(&mut self, ready: &Ready) -> usize {
        for unit in ready {
            let rng = &mut self.rng;
            let drawn = || LOWEST_DRAWN + (rng.next() >> 1);
            self.priorities.entry(*unit).or_insert_with(drawn);
        }
        let due = self.changes.iter().filter(|step| **step == self.step).count();
        let falls_back = due > 0 || self.in_a_row >= PATIENCE;
        if let Some(last) = self.last.filter(|_| falls_back) {
            self.lowest -= 1;
            self.priorities.insert(last, self.lowest);
        }
        let priority = |unit: &UnitId| self.priorities.get(unit).copied().unwrap_or(0);
        let all = ready.iter().enumerate();
        all.max_by_key(|(_, unit)| (priority(unit), std::cmp::Reverse(**unit)))
            .map_or(0, |(at, _)| at)
    }
}

fn oldest(ready: &Ready, of: impl Fn(UnitId) -> bool) -> Option<usize> {
    let all = ready.iter().enumerate().filter(|(_, unit)| of(**unit));
    all.min_by_key(|(_, unit)| **unit).map(|(at, _)| at)
}

/// How many steps in a row one unit may have while others wait, where the schedule prefers it: so that a
/// loop that yields until another has done something comes to its end.
const PATIENCE: usize = 100;

/// Priorities are drawn from here on; those that fell back lie below.
const LOWEST_DRAWN: u64 = 1 << 32;

/// The stream of random numbers that decides who runs.
const SCHEDULE: u64 = 1;
