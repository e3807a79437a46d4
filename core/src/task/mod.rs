//! Tasks: what they are called, their handles, and how they fail as seen from a handle.

mod cancel_handle;
mod error;
mod future;
mod handle;
mod info;
mod on_done;
mod output;
mod unstored;

pub use cancel_handle::CancelHandle;
pub(crate) use error::Recorded;
pub use error::TaskError;
pub(crate) use future::{TaskFuture, TaskOutput};
pub(crate) use handle::JoinJob;
pub use handle::{CancelOnDrop, TaskHandle};
pub(crate) use info::next_id;
pub use info::{TaskId, TaskInfo};
pub(crate) use on_done::{Callback, NoCallback, OnDone};
pub(crate) use output::Output;
