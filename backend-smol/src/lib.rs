//! anyscope on smol.
//!
//! [`Smol`] is made from smol's global executor or from an executor of your own; [`run`] runs a future
//! on the global one and waits for all that was opened in it. What is promised is written at the
//! traits of `anyscope-core`.

#![forbid(unsafe_code)]

mod blocking;
mod cpu;
mod run;
mod runtime;
mod spawner;
mod timer;

pub use run::run;
pub use runtime::Smol;
pub use spawner::SmolHandle;
pub use timer::SmolSleep;
