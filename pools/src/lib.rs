//! The threads that the backends of anyscope share: bounded ones for jobs that block ([`BlockingPool`]), and
//! one pool of the process for computations ([`cpu`]).

#![forbid(unsafe_code)]

mod blocking;
pub mod cpu;

pub use blocking::{BlockingPool, DEFAULT_THREADS, Watch, Worker};
