//! The conformance suite on tokio: multi-thread with two workers, and current-thread.

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;

use anyscope_conformance::{Flavour, Harness};
use anyscope_tokio::Tokio;
use tokio::runtime::{Builder, Runtime};

struct Host(Runtime);

impl Harness for Host {
    type Runtime = Tokio;

    fn runtime(&self) -> Tokio {
        Tokio::from_handle(self.0.handle().clone())
    }

    fn cpu_threads(&self) -> Option<usize> {
        Some(anyscope_pools::cpu::threads())
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        self.0.block_on(future);
    }

    fn shut_down(self: Box<Self>) {
        drop(self.0);
    }
}

fn two_workers() -> Host {
    Host(Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap())
}

fn current_thread() -> Host {
    Host(Builder::new_current_thread().enable_all().build().unwrap())
}

fn main() -> ExitCode {
    anyscope_conformance::main([
        Flavour::new("multi-thread-2", two_workers).can_shut_down(),
        Flavour::new("current-thread", current_thread).can_shut_down(),
    ])
}
