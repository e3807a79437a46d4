//! A runtime whose pools keep their jobs queued until they are told to run them: to decide what comes
//! before a job's start.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyscope_core::{Blocking, CpuPool, Job, Root, Runtime, Spawner, Timer};

/// The backend's runtime, with queues in front of its pools.
#[derive(Clone)]
pub(crate) struct Queued<R> {
    inner: R,
    queue: Arc<Mutex<Queue>>,
}

#[derive(Default)]
struct Queue {
    /// Drops what comes, as a pool does that is shut down.
    refuses: bool,
    blocking: Vec<Job>,
    cpu: Vec<Job>,
}

impl<R: Runtime> Queued<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, queue: Arc::default() }
    }

    /// How many jobs have been queued and not been released.
    pub(crate) fn len(&self) -> usize {
        let queue = self.queue.lock().unwrap();
        queue.blocking.len() + queue.cpu.len()
    }

    /// Hands all jobs to the real pools.
    pub(crate) fn release(&self) {
        let Queue { blocking, cpu, .. } = self.take();
        blocking.into_iter().for_each(|job| self.inner.run_blocking(job));
        cpu.into_iter().for_each(|job| self.inner.run_cpu(job));
    }

    /// Drops all jobs, as a pool does that is shut down.
    pub(crate) fn drop_jobs(&self) {
        drop(self.take());
    }

    /// Drops all jobs, and each that comes from now on.
    pub(crate) fn refuse(&self) {
        self.queue.lock().unwrap().refuses = true;
        self.drop_jobs();
    }

    fn take(&self) -> Queue {
        let mut queue = self.queue.lock().unwrap();
        let refuses = queue.refuses;
        std::mem::replace(&mut *queue, Queue { refuses, ..Queue::default() })
    }

    /// A job that is refused is dropped outside the lock.
    fn push(&self, job: Job, into: fn(&mut Queue) -> &mut Vec<Job>) {
        let mut queue = self.queue.lock().unwrap();
        if !queue.refuses {
            into(&mut queue).push(job);
            return;
        }
        drop(queue);
        drop(job);
    }
}

impl<R: Runtime> Spawner for Queued<R> {
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

impl<R: Runtime> Blocking for Queued<R> {
    fn run_blocking(&self, job: Job) {
        self.push(job, |queue| &mut queue.blocking);
    }

    fn with_blocking_threads(&self, threads: usize) -> Self {
        Self::new(self.inner.with_blocking_threads(threads))
    }

    fn block_until(&self, condition: &mut dyn FnMut() -> bool) {
        self.inner.block_until(condition);
    }
}

impl<R: Runtime> CpuPool for Queued<R> {
    fn run_cpu(&self, job: Job) {
        self.push(job, |queue| &mut queue.cpu);
    }
}

impl<R: Runtime> Timer for Queued<R> {
    type Sleep = R::Sleep;

    fn sleep_until(&self, deadline: Instant) -> R::Sleep {
        self.inner.sleep_until(deadline)
    }

    fn now(&self) -> Instant {
        self.inner.now()
    }
}
