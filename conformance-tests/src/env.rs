//! What a case runs in: a runtime value, and the native runtime behind it.

use std::cell::RefCell;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;

use anyscope_core::{Runtime, root_future};

use crate::harness::Harness;

/// The native runtime of one case, its type erased.
pub(crate) trait Host {
    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>);
    fn cpu_threads(&self) -> Option<usize>;
    fn shut_down(self: Box<Self>);
}

impl<H: Harness> Host for H {
    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        Harness::block_on(self, future);
    }

    fn cpu_threads(&self) -> Option<usize> {
        Harness::cpu_threads(self)
    }

    fn shut_down(self: Box<Self>) {
        Harness::shut_down(self);
    }
}

pub(crate) struct Env<R> {
    runtime: R,
    /// `None` once it was shut down.
    host: RefCell<Option<Box<dyn Host>>>,
    /// Of a run under one of many seeds.
    seed: Option<u64>,
}

impl<R: Runtime> Env<R> {
    pub(crate) fn new(runtime: R, host: Box<dyn Host>, seed: Option<u64>) -> Self {
        Self { runtime, host: RefCell::new(Some(host)), seed }
    }

    /// The rounds in which a case tries its luck: all; or one where seeds decide, for each seed another.
    pub(crate) fn rounds(&self, rounds: usize) -> Range<usize> {
        match self.seed {
            Some(seed) => {
                let round = usize::try_from(seed).unwrap_or(0) % rounds;
                round..round + 1
            }
            None => 0..rounds,
        }
    }

    /// How large a case is whose point is that it is large; under one seed of many it is not.
    pub(crate) fn size(&self, size: usize) -> usize {
        if self.seed.is_some_and(|seed| seed > 0) { size.min(SMALL) } else { size }
    }

    pub(crate) fn runtime(&self) -> R {
        self.runtime.clone()
    }

    /// How many CPU jobs run at once, where that is known.
    pub(crate) fn cpu_threads(&self) -> Option<usize> {
        self.host.borrow().as_ref().and_then(|host| host.cpu_threads())
    }

    /// Drives `main` where no group encloses it, as in a plain `#[tokio::main]`.
    pub(crate) fn block_on<T, F>(&self, main: impl FnOnce(R) -> F) -> T
    where
        F: Future<Output = T>,
    {
        let main = main(self.runtime());
        let mut value = None;
        let host = self.host.borrow();
        let host = host.as_ref().expect("a case does not block on a runtime that it shut down");
        host.block_on(Box::pin(async { value = Some(main.await) }));
        value.expect("`block_on` drives the future to its end")
    }

    /// Drives `main` as a backend's `run` does: what was opened in it has ended when this returns.
    pub(crate) fn run<T, F>(&self, main: impl FnOnce(R) -> F) -> T
    where
        F: Future<Output = T>,
    {
        self.block_on(|runtime| {
            let main = main(runtime.clone());
            root_future(&runtime, main)
        })
    }

    /// Shuts the native runtime down; only in cases that say that they need it.
    pub(crate) fn shut_down(&self) {
        let host = self.host.take();
        host.expect("a case shuts its runtime down once").shut_down();
    }
}

/// What a large case shrinks to.
const SMALL: usize = 8;
