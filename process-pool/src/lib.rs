//! Jobs in worker processes: what crashes, runs away or eats memory there is killed, and costs the
//! program one error.
//!
//! A [`Job`] is a function with a name, a version, and an input and output that `serde` can carry. A
//! [`ProcessPool`] runs it in workers, which are this same program, started anew; the one call of
//! [`init`](init()) at the start of `main` is where they become workers. The futures belong to whoever
//! awaits them, on any runtime: with their task's group they are cancelled, and then the worker is
//! killed, and gone before the group returns.
//!
//! ```
//! use anyscope_process::{Job, ProcessPool};
//!
//! const PRIMES: Job<u64, Vec<u64>> = Job::new("primes", 1, primes);
//!
//! fn primes(limit: u64) -> Vec<u64> {
//!     let is_prime = |n: &u64| (2..*n).take_while(|i| i * i <= *n).all(|i| n % i != 0);
//!     (2..=limit).filter(is_prime).collect()
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     anyscope_process::init(&[&PRIMES]); // in a worker this does not return
//! #   if cfg!(not(unix)) {
//! #       return Ok(());
//! #   }
//!
//!     let pool = ProcessPool::new()?;
//!     let found = anyscope_tokio::run(async move { pool.run(&PRIMES, 20).await })?;
//!     assert_eq!(found, [2, 3, 5, 7, 11, 13, 17, 19]);
//!     Ok(())
//! }
//! ```
//!
//! # What goes wrong, and what comes of it
//!
//! Each is a [`ProcessError`] of the one call, and no other call notices (U4).
//!
//! | | worker | error |
//! |---|---|---|
//! | the job returns an `Err` | kept | none: it is the job's value |
//! | the job panics | kept | [`is_panic`](ProcessError::is_panic) |
//! | it aborts, exits, crashes, is killed, runs out of memory | replaced | [`is_worker_lost`](ProcessError::is_worker_lost) |
//! | it writes to the channel, or closes it | killed, replaced | [`is_worker_lost`](ProcessError::is_worker_lost) |
//! | its [time limit](Run::limit) is over | killed, replaced | [`is_time_limit`](ProcessError::is_time_limit) |
//! | input or output cannot be encoded or decoded, or is too large; the job is unknown | kept | [`is_codec`](ProcessError::is_codec) |
//! | no worker can be started | - | [`is_start`](ProcessError::is_start) |
//! | the future is dropped | killed if the call was running, replaced | - |
//! | an idle worker dies | replaced | none: the next call gets another |
//! | the program ends, by SIGKILL even | ends | - |
//!
//! A call that was certainly not begun goes to another worker; one that may have begun is never
//! begun again ([`has_begun`](ProcessError::has_begun)).
//!
//! # In groups
//!
//! A call is a future, and a branch for the combinators: `gather([pool.run(…), pool.run(…)])` kills
//! the others when one fails. As a task it has all that tasks have:
//!
//! ```
//! use anyscope_core::{Group, GroupError, ErrIntoExt, Runtime, gather};
//! use anyscope_process::{Job, ProcessPool};
//!
//! const WORDS: Job<String, usize> = Job::new("words", 1, |text| text.split(' ').count());
//!
//! async fn words<R: Runtime>(rt: &R, pool: &ProcessPool, texts: &[String]) -> Result<usize, GroupError> {
//!     rt.group(async |g| {
//!         let counts = texts.iter().map(|text| {
//!             let call = pool.run(&WORDS, text.clone());
//!             g.task(call.err_into()).name("words").spawn()
//!         });
//!         Ok(gather(counts).await?.into_iter().sum())
//!     })
//!     .await // an error, a cancellation, a deadline: no worker goes on after this
//! }
//! ```
//!
//! # Beside `spawn_cpu`
//!
//! A CPU job is a closure on a thread: it is cheaper by far and shares memory, but it cannot be
//! stopped from outside, and its crash is the program's. So this is for code that is not trusted to
//! end, or to behave: parsers of hostile files, bindings to C libraries, plug-ins.
//!
//! # Tests, and other programs without a `main` of their own
//!
//! The `main` of a test is that of the test harness, which does not call [`init`](init()). Either set
//! `harness = false` for that test in `Cargo.toml` and write a `main`; or make a small binary whose
//! `main` calls it, and name it with [`Builder::program`]:
//! `ProcessPool::builder().program(env!("CARGO_BIN_EXE_worker"))`.
//!
//! # Systems
//!
//! Linux and macOS, and other Unix systems, are supported. On Windows the crate compiles,
//! [`init`](init()) returns, and [`Builder::build`] is an error: there stdin cannot carry both
//! directions, and no child can be told by it that its parent is gone.
//!
//! In each worker `stdin` is empty, and `stdout` and `stderr` are those of the program. Workers lead
//! process groups of their own: Ctrl-C at a terminal does not reach them, so that a program can stop
//! gracefully; and what a job has started, unless it leaves that group, is killed with its worker.
//! Workers are always ended by SIGKILL: exit handlers do not run in them.

#![forbid(unsafe_code)]

mod builder;
mod call;
mod codec;
mod conductor;
mod error;
mod frame;
mod init;
mod job;
mod leaving;
mod pool;
mod run;
mod seat;
mod serve;
mod sys;
mod worker;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use builder::Builder;
pub use error::ProcessError;
pub use init::init;
pub use job::{AnyJob, Job};
pub use pool::ProcessPool;
pub use run::Run;

/// Locks. No user code runs under a lock of this crate, so that poison says nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
