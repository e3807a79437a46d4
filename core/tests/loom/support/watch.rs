//! What models look at. The standard library's atomics, which loom does not see: watching must not
//! order what is watched.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Something that has happened, or not.
#[derive(Clone, Default)]
pub(crate) struct Flag(Arc<AtomicBool>);

impl Flag {
    pub(crate) fn raise(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_raised(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// How often something has happened.
#[derive(Clone, Default)]
pub(crate) struct Marks(Arc<AtomicUsize>);

impl Marks {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    /// Counts when it is dropped.
    pub(crate) fn on_drop(&self) -> OnDrop {
        OnDrop(self.clone())
    }
}

/// Counts its end.
pub(crate) struct OnDrop(Marks);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.add();
    }
}
