//! Supervision: children that are started anew when they have ended (rules V1 to V8).
//!
//! A [`Supervisor`] is a policy over factories, on top of groups: each [`Child`] is a closure that
//! makes a future, and each of those runs in a group of its own. What to do at an end is decided in
//! `machine`, which knows neither futures nor clocks; `drive` carries it out. Semantics as of OTP.
//!
//! | [`Strategy`] | what is stopped and started anew when a child is |
//! |---|---|
//! | `OneForOne` | that child alone |
//! | `OneForAll` | all children |
//! | `RestForOne` | that child and those that were registered after it |
//!
//! | [`Restart`] | started anew after |
//! |---|---|
//! | `Permanent` | any end |
//! | `Transient` | any end but `Ok` |
//! | `Temporary` | none |

mod backoff;
mod child;
mod drive;
mod end;
mod error;
mod machine;
mod strategy;
mod supervisor;

pub use backoff::Backoff;
pub use child::{Child, Restart};
pub use end::InstanceEnd;
pub use error::SupervisorError;
pub use strategy::Strategy;
pub use supervisor::Supervisor;
