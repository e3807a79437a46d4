//! What a cancellation must not cut: shields, deferred clean-ups, and resources that have both.

mod cleanup;
mod cover;
mod resource;
mod shield;

pub(crate) use cleanup::{Cleanup, CleanupRun};
pub use cleanup::{CleanupOutcome, ExitKind, defer, try_defer};
pub(crate) use cover::{Cover, Hold, Registration, ShieldState};
pub use resource::{Acquire, Resource, acquire};
pub use shield::{Shield, shield};
