//! What most programs name: `use anyscope::prelude::*`.
//!
//! The ambient functions, the types that stand in signatures, and the methods of a runtime
//! ([`Group`](crate::Group) and [`Timer`](crate::Timer), without their names).
//!
//! [`IntoBoxError`](crate::IntoBoxError) is left out on purpose: its `err_into` would be ambiguous
//! where `futures::TryFutureExt`, which has a method of that name and meaning, is in scope as well.
//! Import the one that you want.

pub use crate::{
    AnyRuntime, BoxError, GroupError, GroupHandle, Runtime, TaskError, TaskHandle, check_cancelled,
    group, group_of, scope, sleep, spawn_blocking, spawn_cpu, timeout,
};
pub use crate::{Group as _, Timer as _};
