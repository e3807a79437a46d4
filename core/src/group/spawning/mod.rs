//! How tasks come into a group: one by one (`task`), for each of many futures (`spawn_all`), when there is a
//! place (`when_free`), and waited for until they are ready (`start`).

pub(super) mod spawn_all;
pub(super) mod start;
pub(super) mod task;
pub(super) mod when_free;

pub use spawn_all::{SpawnAll, SpawnAllSettled};
pub use start::{StartError, StartTask, Started};
pub use task::{Refused, TaskBuilder};
pub use when_free::SpawnWhenFree;
