//! What models look at: what has been done, as those see it who come after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use loom::sync::atomic::AtomicUsize;

/// How often something has been done. Relaxed: whoever must see it has to be ordered by what is
/// checked.
#[derive(Clone, Default)]
pub(crate) struct Marks(Arc<AtomicUsize>);

impl Marks {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
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

/// Whether something came first. Not loom's, which would order the two.
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
