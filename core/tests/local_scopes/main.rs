//! Local scopes against the contract: one test per rule and situation, polled by hand.

#![allow(clippy::unit_arg, reason = "`Ok(count.add())` says in one line what a child does")]

mod borrowing;
mod cancelling;
mod dropping;
mod failing;
mod handles;
mod panicking;
#[path = "../support/panics.rs"]
mod panics;
mod policies;
mod running;
mod shielding;
mod spawning;
mod stress;
mod support;
mod unshielding;
mod waking;
