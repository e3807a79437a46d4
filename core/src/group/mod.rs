//! Groups: the scope that its tasks cannot outlive.
//!
//! - `state` is what of a group does not depend on any type: who is alive in it, and its place among other
//!   groups. What depends on runtime and error is its `core`, and its `ledger`, which decides what each `end`
//!   means and asks the `policy`.
//! - The life of a group: what a runtime opens (`on_runtime`), with which options (`setup`); its future
//!   (`future`, with the `body`, the `clock`, and `move_on` for one without an error), or its value (`open`);
//!   what users' futures are `driven` by, and what goes on without its future (`leftover`).
//! - What is done with its `handle`: `spawning`; what it is called (`info`). What belongs to no group is in a
//!   `lone` one.

mod body;
mod clock;
mod core;
mod driven;
mod end;
mod future;
mod handle;
mod info;
mod ledger;
mod leftover;
mod lone;
mod move_on;
mod on_runtime;
mod open;
mod policy;
mod setup;
mod spawning;
mod state;

pub(crate) use self::core::Core;
pub(crate) use body::Body;
pub use body::GroupBody;
pub(crate) use driven::{Driven, Ended, OnEnd};
pub(crate) use end::{End, Ending, Fault, Role, Settled};
pub use future::GroupFuture;
pub use handle::GroupHandle;
pub use info::{GroupId, GroupInfo};
pub(crate) use ledger::{Ledger, report_failures};
pub(crate) use lone::single;
pub use on_runtime::{Group, root_future};
pub use open::OpenGroup;
pub use policy::{EndedTask, FailFast, FirstSuccess, Policy, Reporting, Supervise, Verdict};
pub use spawning::{
    Refused, SpawnAll, SpawnAllSettled, SpawnWhenFree, StartError, StartTask, Started, TaskBuilder,
};
pub(crate) use state::{
    Admission, AnyCore, Node, NodeOptions, Unit, UnitKey, Watch, report_overdue,
};
pub use state::{LiveGroup, LiveTask, LiveWatch};
