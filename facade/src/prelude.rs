//! What most programs name: `use anyscope::prelude::*`.

pub use crate::{
    BoxError, GroupError, GroupHandle, IntoBoxError, Runtime, TaskError, TaskHandle,
    check_cancelled, group, scope, sleep, spawn_blocking, spawn_cpu, timeout,
};
pub use crate::{Group as _, Timer as _};
