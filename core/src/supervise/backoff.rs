//! `Backoff`: how long a supervisor waits before it starts a child anew (V6).

use std::time::Duration;

/// The time between a child's end and its next start (V6).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use anyscope_core::supervise::Backoff;
///
/// // 100 ms, 200 ms, 400 ms, ... and 10 s from then on.
/// let backoff = Backoff::exponential(Duration::from_millis(100)).up_to(Duration::from_secs(10));
/// # let _ = backoff;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    doubles: bool,
    cap: Duration,
}

impl Backoff {
    /// No wait. The default.
    pub fn none() -> Self {
        Self::fixed(Duration::ZERO)
    }

    /// The same wait each time.
    pub fn fixed(wait: Duration) -> Self {
        Self { first: wait, doubles: false, cap: Duration::MAX }
    }

    /// A wait that doubles with each restart of the child in a row, without a bound unless
    /// [`up_to`](Self::up_to) sets one. An instance that has lasted as long as the supervisor's
    /// [period](crate::supervise::Supervisor::intensity) ends the row.
    pub fn exponential(first: Duration) -> Self {
        Self { doubles: true, ..Self::fixed(first) }
    }

    /// Never more than `cap`.
    pub fn up_to(self, cap: Duration) -> Self {
        Self { cap, ..self }
    }

    /// Before the first (0), second, ... restart in a row.
    pub(super) fn wait(&self, restart: u32) -> Duration {
        let doublings = if self.doubles { restart.min(MOST_DOUBLINGS) } else { 0 };
        let wait = (0..doublings).fold(self.first, |wait, _| wait.saturating_mul(2));
        wait.min(self.cap)
    }
}

/// More than it takes from the shortest duration to the longest.
const MOST_DOUBLINGS: u32 = 96;

impl Default for Backoff {
    fn default() -> Self {
        Self::none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEC: Duration = Duration::from_secs(1);

    #[test]
    fn none_and_fixed_stay_the_same() {
        assert_eq!(Backoff::none().wait(0), Duration::ZERO);
        assert_eq!(Backoff::default().wait(100), Duration::ZERO);
        assert_eq!(Backoff::fixed(SEC).wait(100), SEC);
        assert_eq!(Backoff::fixed(SEC * 3).up_to(SEC).wait(0), SEC);
    }

    #[test]
    fn exponential_doubles_up_to_its_cap_and_does_not_overflow() {
        let backoff = Backoff::exponential(SEC);
        let waits: Vec<_> = (0..4).map(|n| backoff.wait(n)).collect();
        assert_eq!(waits, [SEC, SEC * 2, SEC * 4, SEC * 8]);
        assert_eq!(backoff.up_to(SEC * 5).wait(3), SEC * 5);
        assert!(backoff.wait(u32::MAX) >= backoff.wait(31));
        assert_eq!(Backoff::exponential(Duration::MAX).wait(9), Duration::MAX);
        let from_the_shortest = Backoff::exponential(Duration::from_nanos(1));
        assert_eq!(from_the_shortest.wait(40), Duration::from_nanos(1 << 40));
        assert_eq!(from_the_shortest.wait(u32::MAX), Duration::MAX);
    }
}
