//! The contract of anyscope as cases that any backend can be run against.
//!
//! A backend's `tests/conformance.rs` (with `harness = false`) starts its runtime in a [`Harness`]
//! and hands it to [`main`]; `docs/adding-a-backend.md` shows a whole one. Each case is named after
//! the rule of `docs/contract.md` that it checks, runs on a runtime of its own, and has a time limit,
//! so that a hang is a named failure. Each is run twice: on the backend's own type and through
//! `AnyRuntime`.
//!
//! Beside the cases there are two searches for what nobody has thought of: `storm` plays large random
//! trees and asks whether anything is left, and `model` plays small ones and knows all outcomes that
//! are allowed.

#![forbid(unsafe_code)]

mod cases;
mod env;
mod harness;
pub mod heap;
mod held;
mod hooked;
#[cfg(feature = "model")]
pub mod model;
mod probe;
mod queued;
mod quiet_panics;
mod reported;
mod runner;
mod shielded;
pub mod storm;
mod thread;
mod waits;

pub use harness::{Flavour, Harness};
pub use runner::{main, run_case};
pub use thread::{Turns, use_turns};
