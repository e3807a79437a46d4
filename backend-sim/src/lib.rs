//! anyscope on a simulated runtime, for tests of concurrent code without waiting and without luck.
//!
//! Everything runs one step at a time. Which task runs next is drawn from a seed, so that another
//! seed is another order, and the same seed is the same run, on every machine. The clock is virtual:
//! it moves on when nothing can run, and then at once to the next timer. Where nothing can run and no
//! timer is set, the run panics with the tree of what is alive and what each part of it waits for.
//!
//! [`check`] runs a scenario under many seeds and shows the first that fails, shrunk to few switches:
//!
//! ```
//! use std::time::Duration;
//!
//! use anyscope_core::{BoxError, Group, Timer};
//! use anyscope_sim::check;
//!
//! // A library's own function, generic over the runtime.
//! async fn fastest<R: anyscope_core::Runtime>(rt: &R) -> Result<u32, BoxError> {
//!     let outcome = rt.group::<BoxError, _>(async |g| {
//!         let rt = g.runtime();
//!         let slow = g.spawn({
//!             let rt = rt.clone();
//!             async move { Ok(rt.sleep(Duration::from_secs(3600)).await) }
//!         });
//!         let quick = g.spawn(async { Ok(7) }).await?;
//!         slow.cancel();
//!         Ok(quick)
//!     });
//!     Ok(outcome.await?)
//! }
//!
//! check(100, async |rt| assert_eq!(fastest(&rt).await.unwrap(), 7)); // an hour takes no time
//! ```
//!
//! [`Check`] has more: bounded preemption, faults, one seed alone. [`run`] is one run with one seed,
//! and [`Simulation`] the runtime with its trace in hand.
//!
//! # What it asks of the code under test
//!
//! Nothing may come from outside: no real timers, no sockets, no other runtime, no threads but
//! those of jobs. A waker that another thread calls is refused, and the run panics and says so,
//! because it could not be repeated. What blocks a job must block it by [`block_until`] or
//! [`block_for`]: a job has a thread of its own, which runs only when it is its turn, and the
//! simulation waits until it gives the turn back.

#![forbid(unsafe_code)]

mod blocking;
mod check;
mod clock;
mod cpu;
mod drive;
mod failure;
mod fault;
mod hook;
mod report;
mod rng;
mod run;
mod runtime;
mod schedule;
mod scheduler;
mod shrink;
mod simulation;
mod spawner;
mod state;
mod thread;
mod timer;
mod trace;
mod waker;

pub use check::{Check, check};
pub use clock::Settle;
pub use failure::CheckFailure;
pub use fault::Faults;
pub use run::run;
pub use runtime::Sim;
pub use schedule::{Schedule, Switch};
pub use simulation::{Options, Simulation};
pub use spawner::SimHandle;
pub use thread::{SimThread, block_for, block_until, give_way, is_simulated, spawn_thread};
pub use timer::SimSleep;
pub use trace::{Trace, TraceStep, UnitId, UnitKind};
