//! Jobs: closures that run on threads, as units of a group.
//!
//! `builder` is how one is started, `cell` decides whether it runs and carries its value, `permit` is the
//! line in which it waits for a semaphore, `in_turn` launches those whose turn comes one after the other,
//! and `block_on` is the way back into async code.

mod block_on;
mod builder;
mod cell;
mod in_turn;
mod permit;

pub use block_on::block_on;
pub(crate) use block_on::park_until;
pub use builder::JobBuilder;
pub(crate) use builder::{JobInfo, Pool, spawn_plain, spawn_trying};
pub use cell::Job;
pub(crate) use cell::{JobCell, RunJob};
pub(crate) use in_turn::in_turn;
pub(crate) use permit::when_permitted;
