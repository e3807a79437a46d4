//! The conformance suite on smol's global executor with two threads. smol reads their number once,
//! from the environment, so that this program runs itself again with it set.

#[allow(dead_code)]
mod hosts;

use std::env;
use std::process::{Command, ExitCode};

use anyscope_conformance::Flavour;

fn main() -> ExitCode {
    if env::var("SMOL_THREADS").is_ok_and(|threads| threads == "2") {
        return anyscope_conformance::main([Flavour::new("global-2", || hosts::Global)]);
    }
    let this = env::current_exe().expect("the test's own program");
    let again = Command::new(this).args(env::args_os().skip(1)).env("SMOL_THREADS", "2").status();
    if again.expect("the test's own program runs").success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
