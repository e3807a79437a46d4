//! anyscope on async-std.
//!
//! async-std is discontinued (RUSTSEC-2025-0052); this crate is for programs that still use it.
//! [`AsyncStd`] stands for its one global runtime; [`run`] runs a future on it and waits for all that
//! was opened in it. What is promised is written at the traits of `anyscope-core`.

#![forbid(unsafe_code)]

mod blocking;
mod cpu;
mod run;
mod runtime;
mod spawner;
mod timer;

pub use run::run;
pub use runtime::AsyncStd;
pub use spawner::AsyncStdHandle;
pub use timer::AsyncStdSleep;
