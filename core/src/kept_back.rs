//! `KeptBack`: a bound on how often somebody is kept from an error (T1).

/// How often something was kept from one that is about to be dropped (T1).
#[derive(Default)]
pub(crate) struct KeptBack(u16);

impl KeptBack {
    /// Far more often than any set polls what has woken itself, and less than anybody notices.
    const MOST: u16 = 1000;

    /// Whether it is kept back now that `is_due` says so. Not for ever: who asks again and again is not
    /// dropped, because its thread is blocked in the middle of a poll, by another runtime's `block_on` say.
    pub(crate) fn again(&mut self, is_due: impl FnOnce() -> bool) -> bool {
        let again = self.0 < Self::MOST && is_due();
        self.0 += u16::from(again);
        again
    }
}
