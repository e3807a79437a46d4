//! Lingering: how a thread without a job waits awake for a moment before it parks.

use std::hint::spin_loop;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

/// Tells the one who lingers that there is a job.
#[derive(Default)]
pub(crate) struct Bell {
    /// Raised by whoever submits and lowered by whoever begins to linger, both under the lock of the
    /// queue. Relaxed: it only says when to look into the queue, which is done under that lock.
    rung: AtomicBool,
}

impl Bell {
    pub(crate) fn ring(&self) {
        self.rung.store(true, Ordering::Relaxed);
    }

    pub(crate) fn mute(&self) {
        self.rung.store(false, Ordering::Relaxed);
    }

    /// Waits until it rings, for a moment at most. It keeps its core meanwhile: on a loaded machine whoever
    /// offers that to others comes back late, and the job that nobody else was called for waits.
    pub(crate) fn linger(&self) {
        let begun = Instant::now();
        while !self.rings_soon() && begun.elapsed() < MOMENT {}
    }

    fn rings_soon(&self) -> bool {
        (0..SPINS).any(|_| {
            spin_loop();
            self.rung.load(Ordering::Relaxed)
        })
    }
}

/// Whether a job has come lately while somebody lingered.
#[derive(Default)]
pub(crate) struct Luck {
    /// How often in a row none has.
    misses: u32,
    /// How often nobody is to linger before it is tried again.
    pauses: u32,
}

impl Luck {
    /// Whether to linger this time. Where no core is free, whoever would submit is waiting for that of the
    /// one who lingers: then it is tried less and less often.
    pub(crate) fn may_hold(&mut self) -> bool {
        let is_due = self.pauses == 0;
        self.pauses = self.pauses.saturating_sub(1);
        is_due
    }

    pub(crate) fn learn(&mut self, has_come: bool) {
        self.misses = if has_come { 0 } else { (self.misses + 1).min(MOST_MISSES) };
        self.pauses = (1 << self.misses) - 1;
    }
}

/// Whether lingering can help: with one core it only keeps it from those who would submit.
pub(crate) fn helps() -> bool {
    static HELPS: OnceLock<bool> = OnceLock::new();
    *HELPS.get_or_init(|| available_parallelism().is_ok_and(|cores| cores.get() > 1))
}

/// Longer than a caller takes from one job's end to the next submission, and nothing to speak of
/// beside what it costs to wake a thread.
const MOMENT: Duration = Duration::from_micros(50);

/// After so many misses in a row every 64th chance is still taken.
const MOST_MISSES: u32 = 6;

/// How often it listens before it looks at the clock.
const SPINS: u32 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_lingers_goes_on_when_nobody_rings() {
        let (bell, begun) = (Bell::default(), Instant::now());
        bell.linger();
        assert!(begun.elapsed() >= MOMENT);
    }

    #[test]
    fn luck_is_tried_less_and_less_often_and_comes_back_at_once() {
        let mut luck = Luck::default();
        let mut pauses_after_a_miss = || {
            luck.learn(false);
            (0..).take_while(|_| !luck.may_hold()).count()
        };
        let pauses: Vec<_> = (0..8).map(|_| pauses_after_a_miss()).collect();
        assert_eq!(pauses, [1, 3, 7, 15, 31, 63, 63, 63]);
        luck.learn(true);
        assert!(luck.may_hold());
    }

    #[test]
    fn bell_that_has_been_rung_is_heard_at_once() {
        let bell = Bell::default();
        bell.ring();
        assert!(bell.rings_soon());
        bell.mute();
        assert!(!bell.rings_soon());
    }
}
