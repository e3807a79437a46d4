//! A runtime for models: each task and each job is a thread of loom's, of which there may be five.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use anyscope_core::{Blocking, CpuPool, Job, RemoteHandle, Root, Sleep, Spawner, Timer, remote};
use loom::sync::Notify;
use loom::thread;

/// Made anew for each run of a model. Its clock stands still, and its CPU pool has no threads.
#[derive(Clone)]
pub(crate) struct Threads {
    root: Root,
    now: Instant,
    /// CPU jobs, which stay in their queue.
    queued: Arc<Mutex<Vec<Job>>>,
}

impl Threads {
    pub(super) fn new() -> Self {
        Self { root: Root::new(), now: Instant::now(), queued: Arc::default() }
    }
}

impl Spawner for Threads {
    type Handle<T: Send + 'static> = RemoteHandle<T>;

    fn start<F>(&self, future: F) -> RemoteHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (future, handle) = remote(future);
        thread::spawn(move || block_on(future));
        handle
    }

    fn root(&self) -> &Root {
        &self.root
    }
}

impl Blocking for Threads {
    fn run_blocking(&self, job: Job) {
        thread::spawn(move || job.run());
    }

    /// There is no bound: each job has a thread.
    fn with_blocking_threads(&self, _: usize) -> Self {
        self.clone()
    }
}

impl CpuPool for Threads {
    fn run_cpu(&self, job: Job) {
        self.queued.lock().unwrap().push(job);
    }
}

impl Timer for Threads {
    type Sleep = Alarm;

    fn sleep_until(&self, deadline: Instant) -> Alarm {
        Alarm { rings: deadline <= self.now }
    }

    fn now(&self) -> Instant {
        self.now
    }
}

/// A timer that rings at once or never.
pub(crate) struct Alarm {
    rings: bool,
}

impl Future for Alarm {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.rings { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Sleep for Alarm {
    fn reset(self: Pin<&mut Self>, _: Instant) {
        unreachable!("core makes a new one")
    }
}

/// An instant that has passed.
pub(crate) fn past(runtime: &Threads) -> Instant {
    runtime.now() - Duration::from_nanos(1)
}

/// Drives a future on the current thread.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let parker = Arc::new(Parker(Notify::new()));
    let waker = Waker::from(parker.clone());
    let cx = &mut Context::from_waker(&waker);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(cx) {
            return value;
        }
        parker.0.wait();
    }
}

/// Polls a future once, whatever comes of it.
pub(crate) async fn poll_once<F: Future>(mut future: Pin<&mut F>) {
    poll_fn(|cx| {
        let _ = future.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await;
}

/// Not loom's own `block_on`, whose reference counts are more orders to go through.
struct Parker(Notify);

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.notify();
    }
}
