//! Local scopes: groups whose children may borrow and run inside the caller's task (rules S).
//!
//! `scope` is the future that polls the body and the children, `child` one of them, `shared` what all
//! have in common, `cell` what a child shares with its handle, `handle` what is spawned with and what is
//! awaited. What an end means is decided by the same ledger as for groups.

mod cell;
mod child;
mod handle;
mod scope;
mod shared;

pub use handle::{LocalHandle, LocalTaskBuilder, Scope};
pub use scope::{ScopeFuture, scope};
