//! What a supervisor does next, decided without futures and clocks: told what has ended and when, it
//! answers what to start, to stop or to wait for (V1 to V7).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::runtime::later;
use crate::supervise::{Backoff, Restart, Strategy};

/// The options of a supervisor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) strategy: Strategy,
    /// So many restarts are allowed ...
    pub(super) restarts: usize,
    /// ... within this time (V5).
    pub(super) period: Duration,
    pub(super) backoff: Backoff,
}

impl Rules {
    /// Whether there can be too many restarts.
    pub(super) fn are_limited(&self) -> bool {
        self.restarts < usize::MAX
    }
}

pub(super) struct Machine {
    rules: Rules,
    children: Vec<Slot>,
    /// The ends that called for a restart, within the period.
    recent: VecDeque<Instant>,
    closing: bool,
    gave_up: bool,
}

struct Slot {
    restart: Restart,
    state: State,
    /// Restarts in a row (V6).
    row: u32,
}

/// An instant is that of the next start.
#[derive(Clone, Copy)]
enum State {
    /// To be started.
    Due(Instant),
    Running {
        since: Instant,
    },
    /// Runs, and is to be stopped when those after it have ended.
    Doomed(Instant),
    /// Told to stop.
    Stopping(Instant),
    /// Ended for good, unless a sibling takes it along.
    Gone,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Counts as running from now on.
    Start(usize),
    /// Its end is to be told like any other.
    Stop(usize),
    /// For an end, or until this instant.
    Wait(Option<Instant>),
    /// All have ended, and none is to be started.
    Done,
}

impl Machine {
    pub(super) fn new(rules: Rules, children: impl Iterator<Item = Restart>, now: Instant) -> Self {
        let slot = |restart| Slot { restart, state: State::Due(now), row: 0 };
        let children = children.map(slot).collect();
        Self { rules, children, recent: VecDeque::new(), closing: false, gave_up: false }
    }

    /// Nothing is started while something is to be stopped (V4).
    pub(super) fn next(&mut self, now: Instant) -> Step {
        if self.any(|state| matches!(state, State::Stopping(_))) {
            return Step::Wait(None);
        }
        if let Some((child, at)) = self.last_doomed() {
            self.children[child].state = State::Stopping(at);
            return Step::Stop(child);
        }
        match self.first_due() {
            Some((child, at)) if at <= now => {
                self.children[child].state = State::Running { since: now };
                Step::Start(child)
            }
            Some((_, at)) => Step::Wait(Some(at)),
            None if self.any(|state| matches!(state, State::Running { .. })) => Step::Wait(None),
            None => Step::Done,
        }
    }

    /// An instance has ended, told to stop or not.
    pub(super) fn ended(&mut self, child: usize, well: bool, now: Instant) {
        let slot = &mut self.children[child];
        let before = std::mem::replace(&mut slot.state, State::Gone);
        match before {
            State::Doomed(at) | State::Stopping(at) => self.plan(child, at),
            State::Running { since } if slot.restart.applies(well) => {
                self.restart(child, since, now);
            }
            _ => {}
        }
    }

    /// Stops all, in reverse order; nothing is started any more.
    pub(super) fn close(&mut self) {
        self.closing = true;
        for slot in &mut self.children {
            slot.state = match slot.state {
                State::Running { since: at } | State::Doomed(at) => State::Doomed(at),
                State::Stopping(at) => State::Stopping(at),
                State::Due(_) | State::Gone => State::Gone,
            };
        }
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing
    }

    /// Whether there were too many restarts (V5).
    pub(super) fn gave_up(&self) -> bool {
        self.gave_up
    }

    fn restart(&mut self, child: usize, since: Instant, now: Instant) {
        if self.rules.are_limited() && self.is_one_too_many(now) {
            self.gave_up = true;
            return self.close();
        }
        self.lasted(child, since, now);
        let slot = &mut self.children[child];
        let at = later(now, self.rules.backoff.wait(slot.row));
        slot.row = slot.row.saturating_add(1);
        for other in self.rules.strategy.batch(child, self.children.len()) {
            if let State::Running { since } = self.children[other].state {
                self.lasted(other, since, now);
            }
            self.plan(other, at);
        }
    }

    fn is_one_too_many(&mut self, now: Instant) -> bool {
        self.recent.push_back(now);
        let is_old = |end: &Instant| now.saturating_duration_since(*end) > self.rules.period;
        while self.recent.front().is_some_and(is_old) {
            self.recent.pop_front();
        }
        self.recent.len() > self.rules.restarts
    }

    /// An instance that has lasted for the period ends the row (V6), also where a sibling takes it along.
    fn lasted(&mut self, child: usize, since: Instant, now: Instant) {
        if now.saturating_duration_since(since) >= self.rules.period {
            self.children[child].row = 0;
        }
    }

    /// Has a child started at `at` or later, once it has ended.
    fn plan(&mut self, child: usize, at: Instant) {
        let slot = &mut self.children[child];
        slot.state = match slot.state {
            State::Gone if self.closing || slot.restart == Restart::Temporary => State::Gone,
            State::Gone => State::Due(at),
            State::Due(before) => State::Due(before.max(at)),
            State::Running { .. } => State::Doomed(at),
            State::Doomed(before) => State::Doomed(before.max(at)),
            State::Stopping(before) => State::Stopping(before.max(at)),
        };
    }

    fn any(&self, is: impl Fn(State) -> bool) -> bool {
        self.children.iter().any(|slot| is(slot.state))
    }

    fn last_doomed(&self) -> Option<(usize, Instant)> {
        self.children.iter().enumerate().rev().find_map(|(child, slot)| match slot.state {
            State::Doomed(at) => Some((child, at)),
            _ => None,
        })
    }

    /// The earliest; of those, the first registered.
    fn first_due(&self) -> Option<(usize, Instant)> {
        let due = self.children.iter().enumerate().filter_map(|(child, slot)| match slot.state {
            State::Due(at) => Some((child, at)),
            _ => None,
        });
        due.min_by_key(|&(child, at)| (at, child))
    }
}

#[cfg(test)]
mod tests {
    use super::Step::{Start, Stop};
    use super::*;
    use Restart::{Permanent, Temporary, Transient};

    const SEC: Duration = Duration::from_secs(1);
    const ALL: [Restart; 3] = [Permanent; 3];

    /// A machine and its clock.
    struct Run {
        machine: Machine,
        now: Instant,
    }

    impl Run {
        /// One in which all children have been started.
        fn new(strategy: Strategy, children: &[Restart]) -> Self {
            Self::with(strategy, children, Backoff::none())
        }

        fn with(strategy: Strategy, children: &[Restart], backoff: Backoff) -> Self {
            let rules = Rules { strategy, restarts: 3, period: SEC * 5, backoff };
            let now = Instant::now();
            let machine = Machine::new(rules, children.iter().copied(), now);
            let mut run = Self { machine, now };
            let starts: Vec<_> = (0..children.len()).map(Start).collect();
            let end = if children.is_empty() { Step::Done } else { Step::Wait(None) };
            assert_eq!(run.steps(), (starts, end), "all are started in order");
            run
        }

        /// What it does until there is something to wait for.
        fn steps(&mut self) -> (Vec<Step>, Step) {
            let mut steps = Vec::new();
            loop {
                match self.machine.next(self.now) {
                    step @ (Start(_) | Stop(_)) => steps.push(step),
                    end => return (steps, end),
                }
            }
        }

        /// The same after an end, where it must wait for another.
        fn after(&mut self, child: usize, well: bool) -> Vec<Step> {
            self.machine.ended(child, well, self.now);
            let (steps, end) = self.steps();
            assert_eq!(end, Step::Wait(None));
            steps
        }

        fn fails(&mut self, child: usize) -> Vec<Step> {
            self.after(child, false)
        }
    }

    #[test]
    fn without_children_it_is_done() {
        Run::new(Strategy::OneForAll, &[]);
    }

    #[test]
    fn restart_policies() {
        let mut run = Run::new(Strategy::OneForOne, &[Permanent, Transient, Temporary]);
        assert_eq!(run.after(0, true), [Start(0)]);
        assert_eq!(run.fails(1), [Start(1)]);
        assert_eq!(run.after(1, true), []);
        assert_eq!(run.fails(2), []);
        assert_eq!(run.fails(0), [Start(0)]);
        assert!(!run.machine.gave_up());
    }

    #[test]
    fn an_instance_that_has_lasted_ends_the_row_also_where_it_is_taken_along() {
        let backoff = Backoff::exponential(SEC);
        let mut run = Run::with(Strategy::RestForOne, &[Permanent, Permanent], backoff);
        run.machine.ended(1, false, run.now);
        run.now += SEC;
        assert_eq!(run.steps().0, [Start(1)]);
        run.now += SEC * 100;
        assert_eq!(run.fails(0), [Stop(1)]);
        run.machine.ended(1, true, run.now);
        run.now += SEC;
        assert_eq!(run.steps().0, [Start(0), Start(1)]);
        run.machine.ended(1, false, run.now);
        assert_eq!(run.steps().1, Step::Wait(Some(run.now + SEC)));
    }

    #[test]
    fn without_a_limit_nothing_is_remembered() {
        let mut run = Run::new(Strategy::OneForOne, &[Permanent]);
        run.machine.rules.restarts = usize::MAX;
        for _ in 0..100 {
            assert_eq!(run.fails(0), [Start(0)]);
        }
        assert!(run.machine.recent.is_empty() && !run.machine.gave_up());
    }

    #[test]
    fn it_is_done_when_none_is_left() {
        let mut run = Run::new(Strategy::OneForOne, &[Transient, Temporary]);
        assert_eq!(run.after(0, true), []);
        run.machine.ended(1, false, run.now);
        assert_eq!(run.steps(), (vec![], Step::Done));
        assert!(!run.machine.gave_up());
    }

    #[test]
    fn one_for_all_stops_in_reverse_one_by_one_and_starts_in_order() {
        let mut run = Run::new(Strategy::OneForAll, &ALL);
        assert_eq!(run.fails(1), [Stop(2)]);
        assert_eq!(run.after(2, true), [Stop(0)]);
        assert_eq!(run.after(0, false), [Start(0), Start(1), Start(2)]);
    }

    #[test]
    fn rest_for_one_leaves_those_before_it() {
        let mut run = Run::new(Strategy::RestForOne, &ALL);
        assert_eq!(run.fails(1), [Stop(2)]);
        assert_eq!(run.after(2, true), [Start(1), Start(2)]);
        assert_eq!(run.fails(2), [Start(2)]);
    }

    #[test]
    fn siblings_that_are_stopped_do_not_count() {
        let mut run = Run::new(Strategy::OneForAll, &ALL);
        for _ in 0..3 {
            assert_eq!(run.fails(0), [Stop(2)]);
            assert_eq!(run.fails(1), [], "it ends by itself before it is told");
            assert_eq!(run.fails(2), [Start(0), Start(1), Start(2)]);
        }
        assert!(!run.machine.is_closing());
    }

    #[test]
    fn temporary_siblings_do_not_come_back_and_transient_ones_do() {
        let mut run = Run::new(Strategy::OneForAll, &[Transient, Temporary, Permanent]);
        assert_eq!(run.after(0, true), []);
        assert_eq!(run.fails(2), [Stop(1)]);
        assert_eq!(run.after(1, true), [Start(0), Start(2)]);
    }

    #[test]
    fn an_end_during_a_stop_widens_the_batch() {
        let mut run = Run::new(Strategy::RestForOne, &ALL);
        assert_eq!(run.fails(1), [Stop(2)]);
        assert_eq!(run.fails(0), []);
        assert_eq!(run.after(2, true), [Start(0), Start(1), Start(2)]);
    }

    #[test]
    fn one_restart_too_many_stops_all_and_gives_up() {
        let mut run = Run::new(Strategy::OneForOne, &ALL);
        for _ in 0..3 {
            assert_eq!(run.fails(1), [Start(1)]);
        }
        run.now += SEC * 5;
        assert_eq!(run.fails(1), [Stop(2)]);
        assert!(run.machine.gave_up());
        assert_eq!(run.after(2, false), [Stop(0)]);
        run.machine.ended(0, true, run.now);
        assert_eq!(run.steps(), (vec![], Step::Done));
    }

    #[test]
    fn old_restarts_are_forgotten() {
        let mut run = Run::new(Strategy::OneForOne, &[Permanent]);
        for _ in 0..20 {
            assert_eq!(run.fails(0), [Start(0)]);
            run.now += SEC * 2;
        }
        assert!(run.machine.recent.len() <= 3);
    }

    #[test]
    fn backoff_grows_in_a_row_and_begins_anew_after_a_long_run() {
        let mut run = Run::with(Strategy::OneForOne, &ALL, Backoff::exponential(SEC * 4));
        for wait in [SEC * 4, SEC * 8, SEC * 16] {
            run.machine.ended(0, false, run.now);
            let due = run.now + wait;
            assert_eq!(run.steps(), (vec![], Step::Wait(Some(due))));
            run.now = due;
            assert_eq!(run.steps().0, [Start(0)]);
        }
        run.now += SEC * 5;
        run.machine.ended(0, false, run.now);
        assert_eq!(run.steps(), (vec![], Step::Wait(Some(run.now + SEC * 4))));
    }

    #[test]
    fn a_batch_waits_together() {
        let mut run = Run::with(Strategy::RestForOne, &ALL, Backoff::fixed(SEC));
        let begin = run.now;
        assert_eq!(run.fails(1), [Stop(2)]);
        run.machine.ended(2, true, run.now);
        assert_eq!(run.steps(), (vec![], Step::Wait(Some(begin + SEC))));
        run.now += SEC / 2;
        run.machine.ended(0, false, run.now);
        assert_eq!(run.steps(), (vec![], Step::Wait(Some(begin + SEC * 3 / 2))));
        run.now += SEC;
        assert_eq!(run.steps(), (vec![Start(0), Start(1), Start(2)], Step::Wait(None)));
    }

    #[test]
    fn closing_stops_in_reverse_whatever_was_on_the_way() {
        let mut run = Run::with(Strategy::RestForOne, &ALL, Backoff::fixed(SEC));
        assert_eq!(run.fails(1), [Stop(2)]);
        run.machine.close();
        assert_eq!(run.steps(), (vec![], Step::Wait(None)), "the one that was told comes first");
        assert_eq!(run.after(2, false), [Stop(0)]);
        run.machine.close();
        run.machine.ended(0, false, run.now);
        assert_eq!(run.steps(), (vec![], Step::Done));
        assert!(!run.machine.gave_up());
    }

    #[test]
    fn endless_waits_do_not_overflow() {
        let mut run = Run::with(Strategy::OneForOne, &[Permanent], Backoff::fixed(Duration::MAX));
        run.machine.ended(0, false, run.now);
        assert!(matches!(run.steps().1, Step::Wait(Some(at)) if at > run.now + SEC * 1_000_000));
    }
}
