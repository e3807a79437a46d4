//! The conformance suite on async-std.

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;

use anyscope_async_std::AsyncStd;
use anyscope_conformance::{Flavour, Harness};

struct Global;

impl Harness for Global {
    type Runtime = AsyncStd;

    fn runtime(&self) -> AsyncStd {
        AsyncStd::global()
    }

    fn cpu_threads(&self) -> Option<usize> {
        Some(anyscope_pools::cpu::threads())
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        async_std::task::block_on(future);
    }
}

fn main() -> ExitCode {
    anyscope_conformance::main([Flavour::new("global", || Global)])
}
