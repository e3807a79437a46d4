//! `Withheld`: a bound on how often an awaited error is withheld (T1).

/// How often an awaited error was withheld because the task that awaits is about to be dropped (T1).
#[derive(Default)]
pub(crate) struct Withheld(u16);

impl Withheld {
    /// Far more often than any set polls what has woken itself, and less than anybody notices.
    const MOST: u16 = 1000;

    /// Whether to withhold it once more, where `is_due` says so. Not for ever: a task that asks again and
    /// again is not dropped, because its thread is blocked in the middle of a poll, by another runtime's
    /// `block_on` say.
    pub(crate) fn again(&mut self, is_due: impl FnOnce() -> bool) -> bool {
        let again = self.0 < Self::MOST && is_due();
        self.0 += u16::from(again);
        again
    }
}
