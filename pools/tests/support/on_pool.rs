//! A runtime that has a blocking pool, and nothing else: its tasks are dropped.

use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use anyscope_core::{Blocking, CpuPool, Job, RemoteHandle, Root, Sleep, Spawner, Timer, remote};
use anyscope_pools::BlockingPool;

/// Far more than any wait needs.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

#[derive(Clone)]
pub(crate) struct OnPool {
    pool: BlockingPool,
    root: Root,
}

impl OnPool {
    pub(crate) fn new(pool: BlockingPool) -> Self {
        Self { pool, root: Root::new() }
    }
}

/// What a future comes to, up to the bound of all waits.
pub(crate) fn outcome<F: Future>(future: F) -> F::Output {
    let (mut future, waker) = (pin!(future), Waker::from(Arc::new(Unpark(thread::current()))));
    let begin = Instant::now();
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        let left = BOUND.checked_sub(begin.elapsed());
        thread::park_timeout(left.expect("it ends within the bound of all waits"));
    }
}

/// Polls a future once, with a waker that does nothing.
pub(crate) fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl Blocking for OnPool {
    fn run_blocking(&self, job: Job) {
        self.pool.run(job);
    }

    fn with_blocking_threads(&self, threads: usize) -> Self {
        Self::new(self.pool.with_threads(threads))
    }
}

impl Spawner for OnPool {
    type Handle<T: Send + 'static> = RemoteHandle<T>;

    fn start<F>(&self, future: F) -> RemoteHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        remote(future).1
    }

    fn root(&self) -> &Root {
        &self.root
    }
}

impl CpuPool for OnPool {
    fn run_cpu(&self, job: Job) {
        drop(job);
    }
}

impl Timer for OnPool {
    type Sleep = Never;

    fn sleep_until(&self, _: Instant) -> Never {
        Never(Box::pin(pending()))
    }
}

pub(crate) struct Never(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Future for Never {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl Sleep for Never {
    fn reset(self: Pin<&mut Self>, _: Instant) {}
}
