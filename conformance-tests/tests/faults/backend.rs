//! A backend with one fault, put where a backend has power: core decides the rest.

use std::future::{Future, poll_fn};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use anyscope_conformance::Harness;
use anyscope_core::{
    Blocking, CpuPool, Job, NativeHandle, RemoteHandle, Root, Spawner, Timer, remote,
};
use futures_executor::ThreadPool;

use crate::threads::{Alarm, Threads};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    SwallowsPanic,
    LeaksTask,
    DropsTask,
    ResolvesEarly,
    IgnoresForeignWakes,
    LosesWakesInPoll,
    RunsJobsInPlace,
    ForgetsJobs,
    RunsCpuInPlace,
    FiresEarly,
    NeverFires,
}

#[derive(Clone)]
pub(crate) struct Faulty {
    inner: Threads,
    fault: Fault,
}

impl Faulty {
    pub(crate) fn start(fault: Fault) -> Self {
        let pool = ThreadPool::builder().pool_size(2).name_prefix(WORKER).create().unwrap();
        Self { inner: Threads { pool, root: Root::new() }, fault }
    }
}

const WORKER: &str = "worker-";

impl Spawner for Faulty {
    type Handle<T: Send + 'static> = FaultyHandle<T>;

    fn start<F>(&self, future: F) -> FaultyHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let fault = self.fault;
        let inner = match fault {
            Fault::LeaksTask => {
                let (future, handle) = remote(future);
                mem::forget(future);
                handle
            }
            Fault::DropsTask => {
                drop(future);
                let (never, handle) = remote(poll_fn(|_| Poll::Pending));
                mem::forget(never);
                handle
            }
            _ => self.inner.start(with_faulty_wakes(fault, future)),
        };
        FaultyHandle { inner, fault }
    }

    fn root(&self) -> &Root {
        self.inner.root()
    }
}

pub(crate) struct FaultyHandle<T> {
    inner: RemoteHandle<T>,
    fault: Fault,
}

impl<T: Send + 'static> NativeHandle<T> for FaultyHandle<T> {
    fn poll_join(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        match self.fault {
            Fault::ResolvesEarly => Poll::Ready(None),
            _ => self.inner.poll_join(cx),
        }
    }
}

/// Polls the future with a waker that loses some of its wake-ups.
async fn with_faulty_wakes<F: Future>(fault: Fault, future: F) -> F::Output {
    let mut future = pin!(future);
    let polling = Arc::new(AtomicBool::new(false));
    poll_fn(|cx| {
        let (inner, polling) = (cx.waker().clone(), polling.clone());
        let waker = Waker::from(Arc::new(FaultyWaker { inner, fault, polling: polling.clone() }));
        polling.store(true, Ordering::SeqCst);
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        polling.store(false, Ordering::SeqCst);
        polled
    })
    .await
}

struct FaultyWaker {
    inner: Waker,
    fault: Fault,
    polling: Arc<AtomicBool>,
}

impl Wake for FaultyWaker {
    fn wake(self: Arc<Self>) {
        let is_lost = match self.fault {
            Fault::IgnoresForeignWakes => !on_worker(),
            Fault::LosesWakesInPoll => self.polling.load(Ordering::SeqCst),
            _ => false,
        };
        if !is_lost {
            self.inner.wake_by_ref();
        }
    }
}

fn on_worker() -> bool {
    thread::current().name().is_some_and(|name| name.starts_with(WORKER))
}

impl Blocking for Faulty {
    fn run_blocking(&self, job: Job) {
        match self.fault {
            Fault::RunsJobsInPlace => job.run(),
            Fault::ForgetsJobs => mem::forget(job),
            _ => self.inner.run_blocking(job),
        }
    }
}

impl CpuPool for Faulty {
    fn run_cpu(&self, job: Job) {
        match self.fault {
            Fault::RunsCpuInPlace => job.run(),
            _ => self.inner.run_cpu(job),
        }
    }
}

impl Timer for Faulty {
    type Sleep = Alarm;

    fn sleep_until(&self, deadline: Instant) -> Alarm {
        let at = match self.fault {
            Fault::FiresEarly => Instant::now(),
            Fault::NeverFires => Instant::now() + Duration::from_secs(3600),
            _ => deadline,
        };
        self.inner.sleep_until(at)
    }
}

impl Harness for Faulty {
    type Runtime = Self;

    fn runtime(&self) -> Self {
        self.clone()
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.inner.block_on(future)));
        match outcome {
            Err(payload) if self.fault != Fault::SwallowsPanic => {
                std::panic::resume_unwind(payload)
            }
            _ => {}
        }
    }
}
