//! What must add up when a storm is over.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// Counts what was made, and what became of it.
#[derive(Clone, Default)]
pub(crate) struct Tally(Arc<Counts>);

#[derive(Default)]
struct Counts {
    made: AtomicUsize,
    dropped: AtomicUsize,
    /// How often each clean-up has run to its end.
    cleanups: Mutex<Vec<usize>>,
    /// Shielded parts that were begun, and that ended or were dropped by code that may do that.
    shields: AtomicUsize,
    shields_ended: AtomicUsize,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Something that must be gone when the storm is over.
    pub(crate) fn probe(&self) -> Probe {
        self.0.made.fetch_add(1, SeqCst);
        Probe(self.clone())
    }

    /// A clean-up that must run once.
    pub(crate) fn cleanup(&self) -> usize {
        let mut cleanups = self.0.cleanups.lock().unwrap();
        cleanups.push(0);
        cleanups.len() - 1
    }

    pub(crate) fn cleaned_up(&self, cleanup: usize) {
        self.0.cleanups.lock().unwrap()[cleanup] += 1;
    }

    /// A shield that nobody but a cancellation may want to cut.
    pub(crate) fn shield_begins(&self) {
        self.0.shields.fetch_add(1, SeqCst);
    }

    pub(crate) fn shield_ends(&self) {
        self.0.shields_ended.fetch_add(1, SeqCst);
    }

    pub(crate) fn verdict(&self) -> Result<(), String> {
        let (made, dropped) = (self.0.made.load(SeqCst), self.0.dropped.load(SeqCst));
        if made != dropped {
            return Err(format!("G1, G2: {made} futures and values were made, {dropped} are gone"));
        }
        let cleanups = self.0.cleanups.lock().unwrap();
        if let Some(at) = cleanups.iter().position(|ran| *ran != 1) {
            return Err(format!(
                "C5: clean-up {at} of {} has run {} times",
                cleanups.len(),
                cleanups[at]
            ));
        }
        let (begun, ended) = (self.0.shields.load(SeqCst), self.0.shields_ended.load(SeqCst));
        if begun != ended {
            return Err(format!("C4: {begun} shields were begun, {ended} have ended"));
        }
        Ok(())
    }
}

/// Counts its drop.
pub(crate) struct Probe(Tally);

impl Drop for Probe {
    fn drop(&mut self) {
        self.0.0.dropped.fetch_add(1, SeqCst);
    }
}
