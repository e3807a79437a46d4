//! The suite on the backend of `docs/adding-a-backend.md`.

#[path = "reference/threads.rs"]
#[allow(unreachable_pub)] // written as a crate of its own would be
mod threads;

use std::process::ExitCode;

use anyscope_conformance::Flavour;
use anyscope_core::Root;
use anyscope_pools::{BlockingPool, DEFAULT_THREADS};
use futures_executor::ThreadPool;
use threads::Threads;

fn start() -> Threads {
    let pool = ThreadPool::builder().pool_size(2).create().expect("threads");
    Threads { pool, blocking: BlockingPool::new(DEFAULT_THREADS), root: Root::new() }
}

fn main() -> ExitCode {
    anyscope_conformance::main([Flavour::new("threads", start)])
}
