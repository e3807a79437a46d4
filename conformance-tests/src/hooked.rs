//! A runtime whose timers call a function whenever they are polled: to decide what comes between two
//! looks at the time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use anyscope_core::{Blocking, CpuPool, Job, Root, Runtime, Sleep, Spawner, Timer};

type Hook = Arc<dyn Fn() + Send + Sync>;

/// The backend's runtime, with the function before each poll of a timer.
#[derive(Clone)]
pub(crate) struct Hooked<R> {
    inner: R,
    hook: Hook,
}

impl<R> Hooked<R> {
    pub(crate) fn new(inner: R, hook: impl Fn() + Send + Sync + 'static) -> Self {
        Self { inner, hook: Arc::new(hook) }
    }
}

impl<R: Runtime> Spawner for Hooked<R> {
    type Handle<T: Send + 'static> = R::Handle<T>;

    fn start<F>(&self, future: F) -> R::Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.inner.start(future)
    }

    fn root(&self) -> &Root {
        self.inner.root()
    }

    fn within<T>(&self, f: impl FnOnce() -> T) -> T {
        self.inner.within(f)
    }
}

impl<R: Runtime> Blocking for Hooked<R> {
    fn run_blocking(&self, job: Job) {
        self.inner.run_blocking(job);
    }

    fn with_blocking_threads(&self, threads: usize) -> Self {
        Self { inner: self.inner.with_blocking_threads(threads), hook: self.hook.clone() }
    }

    fn block_until(&self, condition: &mut dyn FnMut() -> bool) {
        self.inner.block_until(condition);
    }
}

impl<R: Runtime> CpuPool for Hooked<R> {
    fn run_cpu(&self, job: Job) {
        self.inner.run_cpu(job);
    }
}

impl<R: Runtime> Timer for Hooked<R> {
    type Sleep = HookedSleep<R::Sleep>;

    fn sleep_until(&self, deadline: Instant) -> Self::Sleep {
        HookedSleep { sleep: Box::pin(self.inner.sleep_until(deadline)), hook: self.hook.clone() }
    }

    fn now(&self) -> Instant {
        self.inner.now()
    }
}

pub(crate) struct HookedSleep<S> {
    sleep: Pin<Box<S>>,
    hook: Hook,
}

impl<S: Sleep> Future for HookedSleep<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        (self.hook)();
        self.sleep.as_mut().poll(cx)
    }
}

impl<S: Sleep> Sleep for HookedSleep<S> {
    fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
        self.sleep.as_mut().reset(deadline);
    }
}
