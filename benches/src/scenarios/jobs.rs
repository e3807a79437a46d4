//! Closures on other threads, and in other processes.

use std::future::Future;
use std::hint::spin_loop;
use std::process::Command;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyscope_core::{GroupHandle, Runtime, TaskError, TaskHandle};
use anyscope_process::{Job, ProcessError, ProcessPool};
use futures_executor::block_on;
use futures_util::FutureExt;

use crate::{Backend, Build, Contender, Plan, Sample, Scenario, Setting, Skipped};

const SETTINGS: &[Setting] = &[Setting::TokioMt, Setting::SmolGlobal, Setting::AsyncStd];

const JOBS: Scenario = Scenario { settings: SETTINGS, at_least: 1, ..Scenario::TASKS };

pub(super) const BLOCKING_ROUND_TRIP: Scenario = Scenario {
    name: "blocking-round-trip",
    about: "a job on the blocking pool that does nothing, awaited before the next one",
    full: Plan { sizes: &[2_000], rounds: 15 },
    quick: Plan { sizes: &[500], rounds: 5 },
    heap: Some(500),
    contenders: |setting| setting.build(BlockingJobs(How::OneByOne)),
    ..JOBS
};

pub(super) const BLOCKING_IN_FLIGHT: Scenario = Scenario {
    name: "blocking-in-flight",
    about: "jobs on the blocking pool that do nothing, all at once",
    full: Plan { sizes: &[10_000], rounds: 15 },
    quick: Plan { sizes: &[10_000], rounds: 5 },
    contenders: |setting| setting.build(BlockingJobs(How::AllAtOnce)),
    ..JOBS
};

pub(super) const CPU_ITEMS: Scenario = Scenario {
    name: "cpu-items",
    about: "jobs on the CPU pool that keep a core busy until a millisecond has passed on the clock, all \
            at once; more threads than cores gain by that, since time passes for those that wait too",
    full: Plan { sizes: &[64], rounds: 15 },
    quick: Plan { sizes: &[64], rounds: 5 },
    heap: None,
    contenders: |setting| cpu_contenders(setting, How::Millisecond),
    ..JOBS
};

pub(super) const CPU_ROUND_TRIP: Scenario = Scenario {
    name: "cpu-round-trip",
    about: "a job on the CPU pool that does nothing, awaited before the next one",
    full: Plan { sizes: &[2_000], rounds: 15 },
    quick: Plan { sizes: &[500], rounds: 5 },
    heap: Some(500),
    contenders: |setting| cpu_contenders(setting, How::OneByOne),
    ..JOBS
};

pub(super) const CPU_IN_FLIGHT: Scenario = Scenario {
    name: "cpu-in-flight",
    about: "jobs on the CPU pool that do nothing, all at once",
    full: Plan { sizes: &[10_000], rounds: 15 },
    quick: Plan { sizes: &[10_000], rounds: 5 },
    contenders: |setting| cpu_contenders(setting, How::AllAtOnce),
    ..JOBS
};

/// In what way the jobs are submitted, and what they do.
#[derive(Clone, Copy)]
enum How {
    OneByOne,
    AllAtOnce,
    /// All at once, and each computes for a millisecond.
    Millisecond,
}

impl How {
    async fn run<F: Future<Output = u64>>(self, n: usize, mut submit: impl FnMut(u64) -> F) -> u64 {
        let mut sum = 0;
        if let Self::OneByOne = self {
            for i in 0..n as u64 {
                sum += submit(i).await;
            }
            return sum;
        }
        let jobs: Vec<_> = (0..n as u64).map(submit).collect();
        for job in jobs {
            sum += job.await;
        }
        sum
    }

    fn job(self, i: u64) -> impl FnOnce() -> u64 + Send + 'static {
        move || {
            if let Self::Millisecond = self {
                compute(Duration::from_millis(1));
            }
            i
        }
    }
}

/// Keeps the thread busy.
fn compute(time: Duration) {
    let begin = Instant::now();
    while begin.elapsed() < time {
        spin_loop();
    }
}

struct BlockingJobs(How);

impl Build for BlockingJobs {
    fn build<B: Backend>(self, b: &B) -> Vec<Contender> {
        let how = self.0;
        vec![
            Contender::task("bare", b, move |_, n| async move {
                how.run(n, |i| B::unblock(how.job(i))).await
            }),
            Contender::task("group", b, move |b, n| {
                in_group(b.runtime().clone(), n, how, Pool::Blocking)
            }),
            Contender::task("tokio spawn_blocking", b, move |_, n| tokio_blocking(n, how)),
            Contender::task("blocking::unblock", b, move |_, n| async move {
                how.run(n, |i| smol::unblock(how.job(i))).await
            }),
            Contender::task("std threads", b, move |_, n| threads(n, how)).up_to(2_000),
        ]
    }
}

struct CpuJobs(How);

impl Build for CpuJobs {
    fn build<B: Backend>(self, b: &B) -> Vec<Contender> {
        let how = self.0;
        vec![
            Contender::task("rayon + oneshot", b, move |_, n| async move {
                how.run(n, |i| on_rayon(how.job(i))).await
            }),
            Contender::task("group", b, move |b, n| {
                in_group(b.runtime().clone(), n, how, Pool::Cpu)
            }),
            Contender::task("tokio spawn_blocking", b, move |_, n| tokio_blocking(n, how)),
            Contender::task("std threads", b, move |_, n| threads(n, how)).up_to(2_000),
        ]
    }
}

/// What runs in threads, and what runs in other processes.
fn cpu_contenders(setting: Setting, how: How) -> Vec<Contender> {
    let mut all = setting.build(CpuJobs(how));
    if let How::Millisecond = how {
        all.insert(0, Contender::plain("bare threads", bare_threads));
    }
    if setting == Setting::TokioMt {
        all.extend(processes(how));
    }
    all
}

/// Workers in processes of their own.
fn processes(how: How) -> Vec<Contender> {
    vec![
        Contender::new("process pool", move |n| process_pool(n, how)).elsewhere(),
        Contender::new("Python ProcessPoolExecutor", move |n| python(n, how)).elsewhere(),
    ]
}

/// What `main` has to call first: here a program becomes a worker.
pub fn init_workers() {
    anyscope_process::init(&[&NOTHING, &MILLISECOND]);
}

const NOTHING: Job<u64, u64> = Job::new("nothing", 1, |i| How::OneByOne.job(i)());
const MILLISECOND: Job<u64, u64> = Job::new("millisecond", 1, |i| How::Millisecond.job(i)());

/// Measured like the one in Python: without the start of its workers.
fn process_pool(n: usize, how: How) -> Result<Sample, Skipped> {
    let job = if let How::Millisecond = how { &MILLISECOND } else { &NOTHING };
    let pool = ProcessPool::builder().workers(anyscope_pools::cpu::threads()).build();
    let pool = pool.map_err(|error| Skipped(format!("no worker processes: {error}")))?;
    let value =
        |ended: Result<u64, ProcessError>| ended.map_err(|error| Skipped(error.to_string()));
    let run = |n| how.run(n, |i| pool.run(job, i).map(|ended| value(ended).unwrap_or(0)));
    block_on(pool.run(job, 0)).map_err(|error| Skipped(error.to_string()))?;
    block_on(run(10));
    let begin = Instant::now();
    let sum = block_on(run(n));
    Ok(Sample { value: begin.elapsed().as_nanos() as f64, sum })
}

/// On one of the group's pools.
#[derive(Clone, Copy)]
enum Pool {
    Blocking,
    Cpu,
}

impl Pool {
    fn submit<R: Runtime>(
        self,
        g: &GroupHandle<TaskError, R>,
        job: impl FnOnce() -> u64 + Send + 'static,
    ) -> TaskHandle<u64, R> {
        match self {
            Self::Blocking => g.spawn_blocking(job),
            Self::Cpu => g.spawn_cpu(job),
        }
    }
}

async fn in_group<R: Runtime>(rt: R, n: usize, how: How, pool: Pool) -> u64 {
    let all = rt.group::<TaskError, _>(move |g| async move {
        let value = |ended: Result<u64, TaskError>| ended.expect("no job panics");
        Ok(how.run(n, |i| pool.submit(&g, how.job(i)).map(value)).await)
    });
    all.await.expect("no job fails")
}

async fn tokio_blocking(n: usize, how: How) -> u64 {
    static POOL: std::sync::LazyLock<tokio::runtime::Runtime> = std::sync::LazyLock::new(|| {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime of tokio")
    });
    let handle = POOL.handle();
    how.run(n, |i| handle.spawn_blocking(how.job(i)).map(|joined| joined.expect("no panic"))).await
}

fn on_rayon(job: impl FnOnce() -> u64 + Send + 'static) -> impl Future<Output = u64> {
    let (sender, receiver) = oneshot::async_channel();
    rayon::spawn(move || drop(sender.send(job())));
    receiver.map(|value| value.expect("the job sends"))
}

/// A new thread for each job.
async fn threads(n: usize, how: How) -> u64 {
    let on_thread = |i| {
        let (sender, receiver) = oneshot::async_channel();
        let job = how.job(i);
        thread::spawn(move || drop(sender.send(job())));
        receiver.map(|value| value.expect("the job sends"))
    };
    how.run(n, on_thread).await
}

/// As many threads as there are cores, which take the next item from a counter.
fn bare_threads(n: usize) -> u64 {
    let (next, sum) = (AtomicUsize::new(0), AtomicU64::new(0));
    let work = || {
        loop {
            let i = next.fetch_add(1, Relaxed);
            if i >= n {
                return;
            }
            sum.fetch_add(How::Millisecond.job(i as u64)(), Relaxed);
        }
    };
    thread::scope(|scope| {
        for _ in 0..anyscope_pools::cpu::threads() {
            scope.spawn(work);
        }
    });
    sum.into_inner()
}

/// The script measures itself, without the start of its pool.
fn python(n: usize, how: How) -> Result<Sample, Skipped> {
    let how = match how {
        How::OneByOne => "one-by-one",
        How::AllAtOnce => "all-at-once",
        How::Millisecond => "millisecond",
    };
    let script = ["-c", include_str!("process_pool.py"), how, &n.to_string()];
    let output = Command::new("python3").args(script).output();
    let output = output.map_err(|error| Skipped(format!("python3: {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut numbers = text.split_whitespace().map(str::parse::<u64>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(nanos)), Some(Ok(sum))) => Ok(Sample { value: nanos as f64, sum }),
        _ => Err(Skipped(format!("python3: {}", String::from_utf8_lossy(&output.stderr)))),
    }
}
