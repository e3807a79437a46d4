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

/// Whether lingering can help: with one core it only keeps it from those who would submit.
pub(crate) fn helps() -> bool {
    static HELPS: OnceLock<bool> = OnceLock::new();
    *HELPS.get_or_init(|| available_parallelism().is_ok_and(|cores| cores.get() > 1))
}

/// Longer than a caller takes from one job's end to the next submission, and nothing to speak of
/// beside what it costs to wake a thread.
const MOMENT: Duration = Duration::from_micros(50);

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
    fn bell_that_has_been_rung_is_heard_at_once() {
        let bell = Bell::default();
        bell.ring();
        assert!(bell.rings_soon());
        bell.mute();
        assert!(!bell.rings_soon());
    }
}
