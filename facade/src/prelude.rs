//! What most programs name: `use anyscope::prelude::*`.
//!
//! The ambient functions, the combinators, the types that stand in signatures, and the methods of a
//! runtime ([`Group`](crate::Group), [`Timer`](crate::Timer) and [`Blocking`](crate::Blocking), without
//! their names).
//!
//! [`ErrIntoExt`](crate::ErrIntoExt) is left out on purpose: its `err_into` would be ambiguous
//! where `futures::TryFutureExt`, which has a method of that name and meaning, is in scope as well.
//! Import the one that you want. [`Queue`](crate::Queue) and [`Semaphore`](crate::Semaphore) are left
//! out because runtimes have types of these names.

pub use crate::{
    AnyRuntime, BoxError, ExitKind, GroupError, GroupHandle, Runtime, TaskError, TaskHandle,
    acquire, cancelled, check_cancelled, defer, group, group_of, move_on_after, scope, shield,
    sleep, spawn_blocking, spawn_cpu, timeout, until_cancelled,
};
pub use crate::{Blocking as _, Group as _, Timer as _};
pub use crate::{
    WaitFor, as_completed, first_ok, for_each_concurrent, for_each_concurrent_stream, gather,
    in_place, map_concurrent, map_concurrent_stream, race, wait,
};
