//! A runtime that starts tasks, or stores their outputs, only when it is told to: to decide what comes
//! before a first poll, and what between the end of a task and that of the runtime's.

use std::future::Future;
use std::time::Instant;

use anyscope_core::{Blocking, CpuPool, Job, Root, Runtime, Spawner, Timer};

use crate::probe::Gate;

/// The backend's runtime; its tasks wait at the gate before their first poll, or their outputs do.
#[derive(Clone)]
pub(crate) struct Held<R> {
    inner: R,
    gate: Gate,
    outputs: bool,
}

impl<R> Held<R> {
    pub(crate) fn new(inner: R, gate: &Gate) -> Self {
        let gate = gate.clone();
        Self { inner, gate, outputs: false }
    }

    /// What is held is the outputs.
    pub(crate) fn of_outputs(inner: R, gate: &Gate) -> Self {
        Self { outputs: true, ..Self::new(inner, gate) }
    }
}

impl<R: Runtime> Spawner for Held<R> {
    type Handle<T: Send + 'static> = R::Handle<T>;

    fn start<F>(&self, future: F) -> R::Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (gate, outputs) = (self.gate.clone(), self.outputs);
        self.inner.start(async move {
            if !outputs {
                gate.wait().await;
            }
            let output = future.await;
            if outputs {
                gate.wait().await;
            }
            output
        })
    }

    fn root(&self) -> &Root {
        self.inner.root()
    }

    fn within<T>(&self, f: impl FnOnce() -> T) -> T {
        self.inner.within(f)
    }
}

impl<R: Runtime> Blocking for Held<R> {
    fn run_blocking(&self, job: Job) {
        self.inner.run_blocking(job);
    }

    fn with_blocking_threads(&self, threads: usize) -> Self {
        let inner = self.inner.with_blocking_threads(threads);
        Self { inner, ..self.clone() }
    }

    fn block_until(&self, condition: &mut dyn FnMut() -> bool) {
        self.inner.block_until(condition);
    }
}

impl<R: Runtime> CpuPool for Held<R> {
    fn run_cpu(&self, job: Job) {
        self.inner.run_cpu(job);
    }
}

impl<R: Runtime> Timer for Held<R> {
    type Sleep = R::Sleep;

    fn sleep_until(&self, deadline: Instant) -> R::Sleep {
        self.inner.sleep_until(deadline)
    }

    fn now(&self) -> Instant {
        self.inner.now()
    }
}
