//! A backend with one fault, put where a backend has power: core decides the rest.

use std::future::{Future, poll_fn};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use anyscope_conformance::Harness;
use anyscope_core::{
    Blocking, CpuPool, Job, NativeHandle, RemoteHandle, Root, Sleep, Spawner, Timer, remote,
};
use anyscope_pools::{BlockingPool, DEFAULT_THREADS};
use futures_executor::ThreadPool;
use futures_util::task::AtomicWaker;

use crate::mortal::{Mortal, Workers};
use crate::threads::{Alarm, Threads};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    SwallowsPanic,
    LeaksTask,
    DropsTask,
    ResolvesEarly,
    CutsWithItsHandle,
    IgnoresForeignWakes,
    LosesWakesInPoll,
    HasManyRoots,
    RunsJobsInPlace,
    DropsJobs,
    ForgetsJobs,
    RunsCpuInPlace,
    HasOnePool,
    HasNoBound,
    SharesItsBound,
    ServesTheLastFirst,
    HasNoCpuBound,
    HasFewerThreads,
    FiresEarly,
    NeverFires,
    IgnoresReset,
    HasAStoppedClock,
    LeaksAtShutdown,
    TellsBeforeItDrops,
    KeepsWhatComesTooLate,
    PanicsWhenDead,
}

pub(crate) struct Faulty {
    fault: Fault,
    inner: Threads,
    /// Where there is one, it runs the tasks instead of the pool in `inner`.
    mortal: Option<Mortal>,
    /// Leads to one thread for all jobs.
    one_pool: mpsc::Sender<Job>,
    /// A job that waits for the one which is run before it.
    first: Arc<Mutex<Option<Job>>>,
    begin: Instant,
}

impl Faulty {
    fn new(fault: Fault, mortal: Option<Mortal>) -> Self {
        let pool = ThreadPool::builder().pool_size(2).name_prefix(WORKER).create().unwrap();
        let inner =
            Threads { pool, blocking: BlockingPool::new(DEFAULT_THREADS), root: Root::new() };
        let (one_pool, jobs) = mpsc::channel();
        thread::spawn(move || jobs.into_iter().for_each(Job::run));
        Self { fault, inner, mortal, one_pool, first: Arc::default(), begin: Instant::now() }
    }

    /// Keeps each job until there is another, which is run before it.
    fn run_second_first(&self, job: Job) {
        let first = self.first.lock().unwrap().take();
        match first {
            None => *self.first.lock().unwrap() = Some(job),
            Some(first) => {
                [job, first].into_iter().for_each(|job| self.one_pool.send(job).unwrap())
            }
        }
    }

    fn launch(&self, future: impl Future<Output = ()> + Send + 'static) {
        match &self.mortal {
            Some(mortal) => mortal.launch(Box::pin(future)),
            None => self.inner.pool.spawn_ok(future),
        }
    }
}

impl Clone for Faulty {
    fn clone(&self) -> Self {
        let mut inner = self.inner.clone();
        if self.fault == Fault::HasManyRoots {
            inner.root = Root::new();
        }
        let (mortal, one_pool) = (self.mortal.clone(), self.one_pool.clone());
        let first = self.first.clone();
        Self { fault: self.fault, inner, mortal, one_pool, first, begin: self.begin }
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
        let (fault, mortal) = (self.fault, self.mortal.clone());
        let (future, inner) = remote(future);
        let leash = Arc::new(Leash::default());
        match fault {
            Fault::LeaksTask => mem::forget(future),
            Fault::DropsTask => {
                drop(future);
                let (never, inner) = remote(poll_fn(|_| Poll::Pending));
                mem::forget(never);
                return FaultyHandle { inner, fault, mortal, leash };
            }
            Fault::CutsWithItsHandle => self.launch(on_leash(leash.clone(), future)),
            Fault::IgnoresForeignWakes | Fault::LosesWakesInPoll => {
                self.launch(with_faulty_wakes(fault, future));
            }
            _ => self.launch(future),
        }
        FaultyHandle { inner, fault, mortal, leash }
    }

    fn root(&self) -> &Root {
        self.inner.root()
    }
}

pub(crate) struct FaultyHandle<T> {
    inner: RemoteHandle<T>,
    fault: Fault,
    mortal: Option<Mortal>,
    leash: Arc<Leash>,
}

impl<T: Send + 'static> NativeHandle<T> for FaultyHandle<T> {
    fn poll_join(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let is_dead = || self.mortal.as_ref().is_some_and(Mortal::is_dead);
        match self.fault {
            Fault::ResolvesEarly => Poll::Ready(None),
            Fault::TellsBeforeItDrops if is_dead() => Poll::Ready(None),
            _ => self.inner.poll_join(cx),
        }
    }
}

impl<T> Drop for FaultyHandle<T> {
    fn drop(&mut self) {
        self.leash.cut.store(true, Ordering::SeqCst);
        self.leash.waker.wake();
    }
}

/// What a task holds whose handle is gone.
#[derive(Default)]
struct Leash {
    cut: AtomicBool,
    waker: AtomicWaker,
}

/// Drops the future as soon as the leash is cut.
async fn on_leash(leash: Arc<Leash>, future: impl Future<Output = ()>) {
    let mut future = pin!(future);
    poll_fn(|cx| {
        leash.waker.register(cx.waker());
        match leash.cut.load(Ordering::SeqCst) {
            true => Poll::Ready(()),
            false => future.as_mut().poll(cx),
        }
    })
    .await;
}

/// Polls the future with a waker that loses some of its wake-ups.
async fn with_faulty_wakes(fault: Fault, future: impl Future<Output = ()>) {
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
    .await;
}

struct FaultyWaker {
    inner: Waker,
    fault: Fault,
    polling: Arc<AtomicBool>,
}

impl Wake for FaultyWaker {
    fn wake(self: Arc<Self>) {
        let is_lost = match self.fault {
            Fault::LosesWakesInPoll => self.polling.load(Ordering::SeqCst),
            _ => !on_worker(),
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
            Fault::DropsJobs => drop(job),
            Fault::ForgetsJobs => mem::forget(job),
            Fault::HasOnePool => self.one_pool.send(job).unwrap(),
            Fault::HasNoBound => drop(thread::spawn(move || job.run())),
            Fault::ServesTheLastFirst => self.run_second_first(job),
            _ => self.inner.run_blocking(job),
        }
    }

    fn with_blocking_threads(&self, threads: usize) -> Self {
        let mut own = self.clone();
        match self.fault {
            Fault::SharesItsBound => {}
            Fault::HasFewerThreads => own.inner = self.inner.with_blocking_threads(1),
            _ => own.inner = self.inner.with_blocking_threads(threads),
        }
        own
    }
}

impl CpuPool for Faulty {
    fn run_cpu(&self, job: Job) {
        match self.fault {
            Fault::RunsCpuInPlace => job.run(),
            Fault::HasOnePool => self.one_pool.send(job).unwrap(),
            Fault::HasNoCpuBound => run_at_once(job),
            _ => self.inner.run_cpu(job),
        }
    }
}

/// On a thread of its own: this goes on when the job begins there, or is found to be cancelled.
fn run_at_once(job: Job) {
    let (begin, begun) = mpsc::channel();
    let tell = move || begin.send(()).unwrap_or_default();
    thread::spawn(move || job.run_after(tell));
    begun.recv().unwrap_or_default();
}

impl Timer for Faulty {
    type Sleep = FaultyAlarm;

    fn sleep_until(&self, deadline: Instant) -> FaultyAlarm {
        let at = match self.fault {
            Fault::FiresEarly => Instant::now(),
            Fault::NeverFires => Instant::now() + Duration::from_secs(3600),
            _ => deadline,
        };
        FaultyAlarm { inner: self.inner.sleep_until(at), fault: self.fault }
    }

    fn now(&self) -> Instant {
        match self.fault {
            Fault::HasAStoppedClock => self.begin,
            _ => self.inner.now(),
        }
    }
}

pub(crate) struct FaultyAlarm {
    inner: Alarm,
    fault: Fault,
}

impl Future for FaultyAlarm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.inner).poll(cx)
    }
}

impl Sleep for FaultyAlarm {
    fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
        if self.fault != Fault::IgnoresReset {
            Pin::new(&mut self.inner).reset(deadline);
        }
    }
}

/// The faulty backend as the suite starts it.
pub(crate) struct Host {
    backend: Faulty,
    _workers: Option<Workers>,
}

impl Host {
    pub(crate) fn start(fault: Fault) -> Self {
        Self { backend: Faulty::new(fault, None), _workers: None }
    }

    /// On the executor that can be shut down.
    pub(crate) fn start_mortal(fault: Fault) -> Self {
        let (mortal, workers) = Mortal::start(fault);
        Self { backend: Faulty::new(fault, Some(mortal)), _workers: Some(workers) }
    }
}

impl Harness for Host {
    type Runtime = Faulty;

    fn cpu_threads(&self) -> Option<usize> {
        Some(anyscope_pools::cpu::threads())
    }

    fn runtime(&self) -> Faulty {
        self.backend.clone()
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.backend.inner.block_on(future)));
        match outcome {
            Err(payload) if self.backend.fault != Fault::SwallowsPanic => resume_unwind(payload),
            _ => {}
        }
    }

    fn shut_down(self: Box<Self>) {
        drop(self);
    }
}
