//! The waker of a unit: puts it into the line of those who can run.

use std::sync::{Arc, Weak};
use std::task::Wake;

use crate::scheduler::Shared;
use crate::trace::UnitId;

/// Does not keep the simulation.
pub(crate) struct UnitWaker {
    pub(crate) shared: Weak<Shared>,
    pub(crate) id: UnitId,
}

impl Wake for UnitWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(shared) = self.shared.upgrade() {
            shared.wake(self.id);
        }
    }
}
