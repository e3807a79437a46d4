//! Schedules: who runs next of those who can.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use crate::rng::Rng;
use crate::trace::UnitId;

/// Who runs next of those who can. Under each of them all get on: a unit that has been passed over for too
/// long comes first, also where another is preferred.
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
    /// How many turns were given away while nobody took a step.
    in_vain: usize,
    last: Option<UnitId>,
    /// How many steps `last` has had in a row while others could have run.
    in_a_row: usize,
    /// `last` and `in_a_row` as they were before the last step.
    before: (Option<UnitId>, usize),
    /// Since which step those have been passed over who can run.
    passed_over_since: BTreeMap<UnitId, usize>,
    /// Of `Pct`: higher runs first.
    priorities: BTreeMap<UnitId, u64>,
    /// Of `Pct`: the steps at which the running unit falls back.
    changes: Vec<usize>,
    /// Of `Pct`: what the last to fall back got, below all that were drawn.
    lowest: u64,
    /// Of `Pct`: what the last got that had been passed over for too long, above all that were drawn.
    highest: u64,
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
            in_vain: 0,
            last: None,
            in_a_row: 0,
            before: (None, 0),
            passed_over_since: BTreeMap::new(),
            priorities: BTreeMap::new(),
            changes,
            lowest: LOWEST_DRAWN,
            highest: HIGHEST_DRAWN,
        }
    }

    pub(crate) fn steps(&self) -> usize {
        self.step
    }

    /// What counts for the length of the run: its steps, and what came to none.
    pub(crate) fn spent(&self) -> usize {
        self.step + self.in_vain
    }

    /// Somebody has given a turn away, and perhaps nobody has taken it.
    pub(crate) fn count_turn(&mut self) {
        self.in_vain += 1;
    }

    /// Takes out who runs next. `None` if nobody can.
    pub(crate) fn take(&mut self, ready: &mut Ready) -> Option<UnitId> {
        if ready.is_empty() {
            return None;
        }
        let chosen = match self.schedule {
            Schedule::Random => self.rng.below(ready.len()),
            Schedule::Fifo => 0,
            Schedule::Pct { .. } => self.by_priority(ready),
            Schedule::Switches(_) => self.by_switches(ready),
        };
        let unit = match self.schedule {
            Schedule::Random => ready.swap_remove_back(chosen),
            _ => ready.remove(chosen),
        }?;
        self.ran(unit, !ready.is_empty());
        Some(unit)
    }

    fn ran(&mut self, unit: UnitId, others_could: bool) {
        self.before = (self.last, self.in_a_row);
        let goes_on = self.last == Some(unit) && others_could;
        self.in_a_row = if goes_on { self.in_a_row + 1 } else { 0 };
        self.last = Some(unit);
        self.passed_over_since.remove(&unit);
        self.step += 1;
    }

    /// The unit that was taken last has only looked, in vain: that was no step.
    pub(crate) fn take_back(&mut self) {
        (self.last, self.in_a_row) = self.before;
        self.step -= 1;
    }

    /// The one that the schedule names at this step, if it can run.
    fn by_switches(&mut self, ready: &Ready) -> usize {
        let too_long = self.passed_over(ready);
        let Schedule::Switches(switches) = &self.schedule else { return 0 };
        let here = switches.binary_search_by_key(&self.step, |switch| switch.step);
        let unit = here.ok().map(|at| switches[at].unit);
        let wanted = unit.and_then(|unit| ready.iter().position(|u| *u == unit));
        wanted.or(too_long).unwrap_or_else(|| self.usual(ready))
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
    fn by_priority(&mut self, ready: &Ready) -> usize {
        self.draw_priorities(ready);
        let is_due = self.changes.contains(&self.step) || self.in_a_row >= PATIENCE;
        if let Some(last) = self.last.filter(|_| is_due) {
            self.lowest -= 1;
            self.priorities.insert(last, self.lowest);
        }
        if let Some(at) = self.passed_over(ready) {
            self.highest += 1;
            self.priorities.insert(ready[at], self.highest);
        }
        let priority = |unit: &UnitId| self.priorities.get(unit).copied().unwrap_or(0);
        let all = ready.iter().enumerate();
        all.max_by_key(|(_, unit)| (priority(unit), Reverse(**unit))).map_or(0, |(at, _)| at)
    }

    fn draw_priorities(&mut self, ready: &Ready) {
        for unit in ready {
            let rng = &mut self.rng;
            let drawn = || LOWEST_DRAWN + (rng.next() >> 1);
            self.priorities.entry(*unit).or_insert_with(drawn);
        }
    }

    /// The one that has been passed over for longest, if that is too long.
    fn passed_over(&mut self, ready: &Ready) -> Option<usize> {
        for unit in ready {
            self.passed_over_since.entry(*unit).or_insert(self.step);
        }
        let all = ready.iter().map(|unit| self.passed_over_since[unit]).enumerate();
        let (at, since) = all.min_by_key(|(at, since)| (*since, ready[*at]))?;
        (self.step - since >= PATIENCE * ready.len()).then_some(at)
    }
}

fn oldest(ready: &Ready, of: impl Fn(UnitId) -> bool) -> Option<usize> {
    let all = ready.iter().enumerate().filter(|(_, unit)| of(**unit));
    all.min_by_key(|(_, unit)| **unit).map(|(at, _)| at)
}

/// How many steps in a row one unit may have while others wait, where the schedule prefers it, and for how
/// many, times those who can run, one may be passed over: so that loops that go on until another has done
/// something come to their end.
const PATIENCE: usize = 100;

/// Priorities are drawn from here on; those that fell back lie below.
const LOWEST_DRAWN: u64 = 1 << 32;
const HIGHEST_DRAWN: u64 = LOWEST_DRAWN + (u64::MAX >> 1);

/// The stream of random numbers that decides who runs.
const SCHEDULE: u64 = 1;
