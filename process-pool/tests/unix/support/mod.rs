//! What the tests share: a `main` that is also that of the workers, runtimes, bounded waits.

pub(crate) mod jobs;
pub(crate) mod processes;

use std::env;
use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use anyscope_core::{AnyRuntime, BoxError, GroupError, TaskContext, Timer};
use anyscope_process::ProcessPool;
use libtest_mimic::{Arguments, Failed, Trial};

pub(crate) type Outcome<T> = Result<T, GroupError<BoxError>>;

/// The `main` of a test, and of its workers: those know what is meant by an argument. One test at a
/// time, because they count the processes of this one.
pub(crate) fn main(tests: Vec<Trial>) -> ExitCode {
    jobs::before_init();
    anyscope_process::init(&jobs::ALL);
    if env::args().nth(1).is_some_and(|first| first == PARENT) {
        jobs::be_a_parent();
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(1);
    libtest_mimic::run(&arguments, tests).exit_code()
}

/// A test on each runtime.
pub(crate) fn on_each(name: &'static str, test: fn(On)) -> [Trial; 3] {
    [On::Tokio, On::Smol, On::AsyncStd]
        .map(|on| Trial::test(format!("{name}::{on:?}"), move || bounded(move || test(on))))
}

/// A test that needs no runtime.
pub(crate) fn once(name: &'static str, test: fn()) -> [Trial; 1] {
    [Trial::test(name, move || bounded(test))]
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum On {
    Tokio,
    Smol,
    AsyncStd,
}

impl On {
    /// Runs a future on a runtime of this kind.
    pub(crate) fn run<T, F: Future<Output = T>>(self, test: impl FnOnce(AnyRuntime) -> F) -> T {
        let main = async {
            let rt = TaskContext::current().and_then(|context| context.runtime());
            test(rt.expect("`run` has a task")).await
        };
        match self {
            Self::Tokio => anyscope_tokio::run(main),
            Self::Smol => anyscope_smol::run(main),
            Self::AsyncStd => anyscope_async_std::run(main),
        }
    }
}

/// Fails a test that hangs.
fn bounded(test: impl FnOnce() + Send + 'static) -> Result<(), Failed> {
    let (ended, end) = channel::<()>();
    let running = thread::spawn(move || {
        let _ended = ended;
        test();
    });
    match end.recv_timeout(BOUND) {
        Err(std::sync::mpsc::RecvTimeoutError::Timeout) => Err("no end in sight".into()),
        _ => running.join().map_err(|panic| {
            let text = anyscope_core::panic_message(&*panic).to_owned();
            Failed::from(text)
        }),
    }
}

/// A pool of `workers` workers, which only its end retires.
pub(crate) fn pool(workers: usize) -> ProcessPool {
    ProcessPool::builder().workers(workers).idle_timeout(Duration::MAX).build().unwrap()
}

/// Waits until something is so, in a future.
pub(crate) async fn until(rt: &AnyRuntime, what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "not so in time: {what}");
        rt.sleep(Duration::from_millis(1)).await;
    }
}

/// Waits until something is so, on a thread.
pub(crate) fn until_sync(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "not so in time: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// A directory of a test's own, which goes with it.
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("anyscope-process-{}-{count}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// This program under a name that may be removed.
    pub(crate) fn own_program(&self) -> PathBuf {
        let (own, path) = (env::current_exe().unwrap(), self.path("program"));
        fs::hard_link(&own, &path).or_else(|_| fs::copy(&own, &path).map(drop)).unwrap();
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The numbers that jobs have written into a file, a line each.
pub(crate) fn numbers(file: &Path) -> Vec<u64> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().map(|line| line.parse().unwrap()).collect()
}

/// How often a test does what is to go well each time.
pub(crate) const TIMES: u64 = 100;
/// Far more than any test needs.
const BOUND: Duration = Duration::from_secs(120);
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The first argument of a program that is a parent of workers, for a test that kills it.
pub(crate) const PARENT: &str = "--be-a-parent";
