//! The conformance suite on smol: its global executor with one thread, and an executor of the user's
//! own.

mod hosts;

use std::process::ExitCode;

use anyscope_conformance::Flavour;
use hosts::{Global, Own};

fn main() -> ExitCode {
    anyscope_conformance::main([
        Flavour::new("global-1", || Global),
        Flavour::new("own-executor", Own::start).can_shut_down(),
    ])
}
