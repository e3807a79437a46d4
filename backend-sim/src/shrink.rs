//! Shrinking: a failing schedule is made one of few switches, by leaving out as many as possible (delta
//! debugging).

use crate::schedule::Switch;
use crate::trace::{Trace, TraceStep};

/// The switches of a run: each step at which another unit ran than before.
pub(crate) fn switches(trace: &Trace) -> Vec<Switch> {
    let (mut last, mut switches) = (None, Vec::new());
    let ran = trace.steps().iter().filter_map(|step| match step {
        TraceStep::Ran(_, unit) => Some(*unit),
        _ => None,
    });
    for (step, unit) in ran.enumerate() {
        if last.replace(unit) != Some(unit) {
            switches.push(Switch { step, unit });
        }
    }
    switches
}

/// Leaves out what the failure does not need. `fails` runs a schedule and says whether it fails in the same
/// way; it is called at most `runs` times.
pub(crate) fn shrink(
    mut switches: Vec<Switch>,
    runs: usize,
    mut fails: impl FnMut(&[Switch]) -> bool,
) -> Vec<Switch> {
    let (mut left, mut size) = (runs, switches.len());
    while size > 0 {
        let (mut at, mut smaller) = (0, false);
        while at < switches.len() {
            if left == 0 {
                return switches;
            }
            left -= 1;
            let without: Vec<_> = switches[..at]
                .iter()
                .chain(&switches[(at + size).min(switches.len())..])
                .copied()
                .collect();
            if fails(&without) {
                switches = without;
                smaller = true;
            } else {
                at += size;
            }
        }
        size = if smaller && size == 1 { 1 } else { size / 2 };
    }
    switches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::UnitId;

    fn switch(step: usize) -> Switch {
        Switch { step, unit: UnitId(1) }
    }

    #[test]
    fn only_what_the_failure_needs_is_left() {
        let all: Vec<_> = (0..100).map(switch).collect();
        let needs = [switch(17), switch(71)];
        let mut runs = 0;
        let found = shrink(all, 1000, |some| {
            runs += 1;
            needs.iter().all(|needed| some.contains(needed))
        });
        assert_eq!(found, needs);
        assert!(runs < 100, "{runs} runs");
    }

    #[test]
    fn runs_are_bounded() {
        let all: Vec<_> = (0..100).map(switch).collect();
        let mut runs = 0;
        let found = shrink(all.clone(), 10, |_| {
            runs += 1;
            false
        });
        assert_eq!((found, runs), (all, 10));
    }
}
