//! anyscope on tokio.
//!
//! [`Tokio`] is made from a given `tokio::runtime::Handle` or from the current one; [`run`] makes a
//! runtime, runs a future on it and waits for all that was opened in it. What is promised is written
//! at the traits of `anyscope-core`.

#![forbid(unsafe_code)]

mod blocking;
mod cpu;
mod run;
mod runtime;
mod spawner;
mod timer;

pub use run::{run, run_on_current_thread};
pub use runtime::Tokio;
pub use spawner::TokioHandle;
pub use timer::TokioSleep;
