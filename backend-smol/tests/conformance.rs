//! The conformance suite on smol: its global executor with one thread and with two, and an executor of
//! the user's own.
//!
//! smol reads the number of its threads once, from the environment: so this program runs itself a second
//! time.

use std::env;
use std::future::Future;
use std::pin::Pin;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use anyscope_conformance::{Flavour, Harness};
use anyscope_smol::Smol;
use smol::Executor;

struct Global;

impl Harness for Global {
    type Runtime = Smol;

    fn runtime(&self) -> Smol {
        Smol::global()
    }

    fn cpu_threads(&self) -> Option<usize> {
        Some(anyscope_pools::cpu::threads())
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        smol::block_on(future);
    }
}

struct Own(Arc<Executor<'static>>);

impl Harness for Own {
    type Runtime = Smol;

    fn runtime(&self) -> Smol {
        Smol::from_executor(&self.0)
    }

    fn cpu_threads(&self) -> Option<usize> {
        Some(anyscope_pools::cpu::threads())
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        smol::block_on(self.0.run(future));
    }

    fn shut_down(self: Box<Self>) {
        drop(self.0);
    }
}

impl Own {
    fn start() -> Self {
        Self(Arc::new(Executor::new()))
    }
}

const THREADS: &str = "SMOL_THREADS";

fn main() -> ExitCode {
    if env::var(THREADS).is_ok_and(|threads| threads == "2") {
        return anyscope_conformance::main([Flavour::new("global-2", || Global)]);
    }
    let outcome = anyscope_conformance::main([
        Flavour::new("global-1", || Global),
        Flavour::new("own-executor", Own::start).can_shut_down(),
    ]);
    if passes_with_two_threads() { outcome } else { ExitCode::FAILURE }
}

/// With the same arguments, so that what is listed is also run.
fn passes_with_two_threads() -> bool {
    let this = env::current_exe().expect("the test's own program");
    let again = Command::new(this).args(env::args_os().skip(1)).env(THREADS, "2").status();
    again.expect("the test's own program runs").success()
}
