//! Tasks: what they are called, their handles, and how they fail as seen from a handle.

mod cancel_handle;
mod error;
mod future;
mod handle;
mod info;
mod unstored;

pub use cancel_handle::CancelHandle;
pub(crate) use error::Recorded;
pub use error::TaskError;
pub(crate) use future::{Callback, NoCallback, OnDone, Output, TaskFuture, TaskOutput};
pub(crate) use handle::JoinJob;
pub use handle::{CancelOnDrop, TaskHandle};
pub(crate) use info::next_id;
pub use info::{TaskId, TaskInfo};
