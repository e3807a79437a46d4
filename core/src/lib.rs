//! Structured concurrency for any async runtime: the part that knows no runtime.
//!
//! A [`Group`] is a scope that its tasks cannot outlive, also when its future is dropped. What a
//! runtime must be able to do is in [`Runtime`] and its parts; everything that is promised is
//! decided here, so that it is the same on every backend. It is written as numbered rules (G1, C7,
//! ...) in `docs/contract.md` of the repository; the documentation cites them in parentheses.

#![forbid(unsafe_code)]

mod cancel;
mod carried;
mod check;
mod combine;
mod context;
mod error;
mod group;
mod guarded;
mod job;
mod local;
mod panics;
mod protect;
mod queue;
mod runtime;
mod semaphore;
mod set;
mod slot;
mod stack;
pub mod supervise;
mod sync;
mod task;
mod turns;
pub mod unhandled;
mod until_cancelled;
mod withheld;

pub use cancel::{CancelCause, Cancelled, CauseKind};
pub use carried::Carried;
pub use check::{CheckCancelled, Checked, check_cancelled};
pub use combine::{
    AllFailed, AsCompleted, Branch, FirstOk, Gather, GatherSettled, InPlace, ItemError,
    MapAsCompleted, MapCollect, MapConcurrent, MapItems, MapOrdered, Race, Wait, WaitFor,
    as_completed, first_ok, for_each_concurrent, for_each_concurrent_stream, gather, in_place,
    map_concurrent, map_concurrent_stream, race, wait,
};
pub use context::{TaskContext, WaitCancelled};
#[cfg(feature = "miette")]
pub use error::AsDiagnostic;
#[doc(hidden)]
pub use error::OneLine;
pub use error::{
    AsDynError, BoxError, ErrInto, ErrIntoExt, ErrorGroup, Failure, FailureKind, GroupError,
    Handled, Handling, Leaf, Leaves, PanicPayload, Tree, record_panic_sites,
};
pub use group::{
    EndedTask, FailFast, FirstSuccess, Group, GroupBody, GroupFuture, GroupHandle, GroupId,
    GroupInfo, LiveGroup, LiveTask, LiveWatch, OpenGroup, Policy, Refused, Reporting, SpawnAll,
    SpawnAllSettled, SpawnWhenFree, StartError, StartTask, Started, Supervise, TaskBuilder,
    Verdict, root_future,
};
pub use job::{Job, JobBuilder, block_on};
pub use local::{LocalHandle, LocalTaskBuilder, Scope, ScopeFuture, scope};
pub use panics::{PanicPolicy, Payload, panic_message};
pub use protect::{
    Acquire, CleanupOutcome, ExitKind, Resource, Shield, acquire, defer, shield, try_defer,
};
pub use queue::{ItemDone, PutError, Queue, QueueItem};
#[doc(hidden)]
pub use runtime::late;
pub use runtime::{
    AnyHandle, AnyRuntime, Blocking, CpuPool, Drained, Elapsed, MoveOn, NativeHandle, Root, Roots,
    Runtime, Sleep, Spawner, Timeout, Timer,
};
pub use semaphore::{Permit, Semaphore};
pub use slot::{Remote, RemoteHandle, remote};
pub use sync::WakerId;
pub use task::{CancelHandle, CancelOnDrop, TaskError, TaskHandle, TaskId, TaskInfo};
pub use unhandled::set_unhandled_hook;
pub use until_cancelled::{UntilCancelled, cancelled, until_cancelled};
