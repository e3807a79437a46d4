//! `init`: where a program that was started as a worker becomes one.

use std::collections::HashSet;
use std::env;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::job::AnyJob;
use crate::serve;

/// Makes this program's [jobs](crate::Job) known. Call it first in `main`: in a worker process it
/// runs jobs until the pool needs it no more and never returns; everywhere else it returns at once.
///
/// What stands before it is run in each worker too. A worker is recognised by its first argument,
/// `--anyscope-process-worker`, which programs that a job starts do not inherit. It has the
/// environment and the working directory of the program, and its stdout and stderr; its stdin is
/// empty. Jobs run on the main thread, one at a time.
///
/// # Panics
///
/// If two jobs have the same name and version.
///
/// # Examples
///
/// ```
/// use anyscope_process::Job;
///
/// const WORDS: Job<String, usize> = Job::new("words", 1, |text| text.split(' ').count());
/// const LINES: Job<String, usize> = Job::new("lines", 1, |text| text.lines().count());
///
/// fn main() {
///     anyscope_process::init(&[&WORDS, &LINES]);
///     // ...
/// }
/// ```
pub fn init(jobs: &[&dyn AnyJob]) {
    let mut ids = HashSet::new();
    for id in jobs.iter().map(|job| job.job_id()) {
        assert!(ids.insert((id.name, id.version)), "{id} is registered twice");
    }
    if is_worker() {
        serve::serve(jobs);
    }
    WAS_CALLED.store(true, Ordering::Relaxed);
}

/// Whether this process was started as a worker.
pub(crate) fn is_worker() -> bool {
    env::args_os().nth(1).is_some_and(|first| first == WORKER)
}

pub(crate) fn was_called() -> bool {
    WAS_CALLED.load(Ordering::Relaxed)
}

/// The first argument of a worker. An environment variable would be inherited by what jobs start.
pub(crate) const WORKER: &str = "--anyscope-process-worker";

/// Guards no other data: a hint for those who forgot it.
static WAS_CALLED: AtomicBool = AtomicBool::new(false);
