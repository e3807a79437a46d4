//! A stranger's whole backend: the thread pool of `futures`, and crates for jobs and timers.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use anyscope_conformance::Harness;
use anyscope_core::{Blocking, CpuPool, Job, RemoteHandle, Root, Sleep, Spawner, Timer, remote};
use anyscope_pools::BlockingPool;
use futures_executor::{ThreadPool, block_on};

#[derive(Clone)]
pub struct Threads {
    pub pool: ThreadPool,
    pub blocking: BlockingPool,
    pub root: Root,
}

impl Spawner for Threads {
    type Handle<T: Send + 'static> = RemoteHandle<T>;

    fn start<F>(&self, future: F) -> RemoteHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (future, handle) = remote(future);
        self.pool.spawn_ok(future);
        handle
    }

    fn root(&self) -> &Root {
        &self.root
    }
}

impl Blocking for Threads {
    fn run_blocking(&self, job: Job) {
        self.blocking.run(job);
    }

    fn with_blocking_threads(&self, threads: usize) -> Self {
        Self { blocking: self.blocking.with_threads(threads), ..self.clone() }
    }
}

impl CpuPool for Threads {
    fn run_cpu(&self, job: Job) {
        anyscope_pools::cpu::spawn(move || job.run());
    }
}

pub struct Alarm(async_io::Timer);

impl Timer for Threads {
    type Sleep = Alarm;

    fn sleep_until(&self, deadline: Instant) -> Alarm {
        Alarm(async_io::Timer::at(deadline))
    }
}

impl Future for Alarm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}

impl Sleep for Alarm {
    fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
        self.0.set_at(deadline);
    }
}

impl Harness for Threads {
    type Runtime = Self;

    fn runtime(&self) -> Self {
        self.clone()
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        block_on(future);
    }
}
