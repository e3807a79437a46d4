//! CPU jobs where the operating system gives no threads (U1): in a process of its own, whose threads would
//! need larger stacks than there is memory for.

#![forbid(unsafe_code)]

use std::env;
use std::process::{Command, ExitCode};
use std::sync::mpsc::{self, TryRecvError};

use anyscope_pools::cpu::{spawn, threads};

const STACK: &str = "RUST_MIN_STACK";

fn main() -> ExitCode {
    if env::var_os(STACK).is_some_and(|stack| stack == *stack_size()) {
        job_is_dropped();
        return ExitCode::SUCCESS;
    }
    let this = env::current_exe().expect("the test's own program");
    let inside = Command::new(this).env(STACK, stack_size()).status();
    match inside.expect("the test's own program runs").success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn stack_size() -> String {
    (usize::MAX / 4).to_string()
}

fn job_is_dropped() {
    let (run, ran) = mpsc::channel();
    spawn(move || run.send(()).unwrap());
    assert_eq!(
        ran.try_recv(),
        Err(TryRecvError::Disconnected),
        "it is dropped before `spawn` returns"
    );
    assert_eq!(threads(), 0);
}
