//! A test on a thread of its own, with a time limit, and with what is alive when that is over.

use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use anyscope_core::{LiveGroup, LiveWatch, Root};

/// Runs `test` on a thread with this name, and raises its panic here.
///
/// # Panics
///
/// If it is not done within the limit, with what is alive then. Its thread is left behind.
pub(super) fn bounded(limit: Duration, runtime: &str, test: impl FnOnce(Report) + Send + 'static) {
    let (ended, end) = channel();
    let (reports, report) = channel();
    let name = thread::current().name().unwrap_or(runtime).to_owned();
    let run = move || {
        let report = Report { watch: Arc::new(LiveWatch::start()), reports };
        let outcome = catch_unwind(AssertUnwindSafe(|| test(report)));
        let _ = ended.send(outcome);
    };
    // The name of the test, so that the message of its panic bears it.
    thread::Builder::new().name(name).spawn(run).expect("a thread for the test");
    match end.recv_timeout(limit) {
        Ok(Ok(())) => {}
        Ok(Err(panic)) => resume_unwind(panic),
        Err(RecvTimeoutError::Disconnected) => unreachable!("each end is sent"),
        Err(RecvTimeoutError::Timeout) => {
            let alive = report.try_recv().map(|alive: Alive| alive.describe()).unwrap_or_default();
            panic!("on {runtime}: not done after {limit:?}{alive}");
        }
    }
}

/// What a test tells about its runtime before it begins.
pub(super) struct Report {
    watch: Arc<LiveWatch>,
    reports: Sender<Alive>,
}

impl Report {
    pub(super) fn about(self, root: &Root) {
        let Self { watch, reports } = self;
        let _ = reports.send(Alive { watch, root: root.clone() });
    }
}

/// What can be looked at from another thread.
struct Alive {
    watch: Arc<LiveWatch>,
    root: Root,
}

impl Alive {
    fn describe(&self) -> String {
        describe(&self.watch.groups(&self.root))
    }
}

/// A line for each group, and for each task in it.
pub(super) fn describe(groups: &[LiveGroup]) -> String {
    let mut text = String::new();
    for group in groups {
        let what = if group.is_root() { "left to the runtime" } else { "group" };
        let _ = write!(text, "\n  {what} {}", group.id());
        if let Some(cause) = group.cause() {
            let _ = write!(text, ", cancelled: {cause}");
        }
        for task in group.tasks() {
            let kind = if task.is_body() { "body, " } else { "" };
            let _ = write!(text, "\n    {kind}{}", task.info());
        }
    }
    if text.is_empty() { text } else { format!("; alive:{text}") }
}
