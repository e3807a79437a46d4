//! The reference model: small programs of scopes, all outcomes that the contract allows each of them,
//! and what a runtime makes of them.
//!
//! A backend is held against it in a few lines:
//!
//! ```
//! use anyscope_conformance::model::{Search, play};
//! use anyscope_core::root_future;
//! use anyscope_smol::Smol;
//!
//! let search = Search { programs: 5, plays: 2, seed: 1 };
//! let found = search.run(|program, seed| {
//!     let runtime = Smol::global();
//!     let (main, program) = (runtime.clone(), program.clone());
//!     let main = async move { play(&main, &program, seed).await };
//!     smol::block_on(root_future(&runtime, main))
//! });
//! assert_eq!(found.unwrap().programs, 5);
//! ```

mod interpret;
mod outcome;
mod play;
mod program;
mod search;
mod state;

pub use interpret::allowed;
pub use outcome::{Cause, Exit, Failed, Failure, Failures, Outcome, Returned, Root};
pub use play::{PANIC, play};
pub use program::{Action, Id, Options, Program, Step, Whom, programs};
pub use search::{Found, Search};
