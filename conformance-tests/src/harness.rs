//! What a backend brings to the suite: a way to start its runtime, and what it cannot do.

use std::future::Future;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyscope_core::{AnyRuntime, Runtime, panic_message};

use crate::cases::{self, Case};
use crate::env::Env;
use crate::{quiet_panics, reported};

/// A native runtime that was started for one case.
pub trait Harness: 'static {
    /// The backend's runtime value.
    type Runtime: Runtime;

    /// A value of the started runtime.
    fn runtime(&self) -> Self::Runtime;

    /// Drives a future to its end on this thread, with whatever else must run for tasks to proceed.
    /// A panic of the future is the caller's.
    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>);

    /// How many CPU jobs run at once: that many and no more (U1). `None` where each has a thread of its own,
    /// or where nobody knows; then the cases about it prove little.
    fn cpu_threads(&self) -> Option<usize> {
        None
    }

    /// Shuts the native runtime down: tasks that are left are dropped before this returns, queued
    /// jobs will never run. Only called for a flavour that [says so](Flavour::can_shut_down).
    fn shut_down(self: Box<Self>) {}
}

/// One way to run a backend: with so many threads, on this or that executor.
pub struct Flavour {
    pub(crate) name: String,
    pub(crate) cases: Vec<ReadyCase>,
    limit: Duration,
}

/// A case whose runtime type is fixed: all that is left is to run it.
#[derive(Clone)]
pub(crate) struct ReadyCase {
    pub(crate) name: String,
    pub(crate) ignored: bool,
    pub(crate) limit: Duration,
    pub(crate) run: Arc<dyn Fn() + Send + Sync>,
}

impl Flavour {
    /// A flavour of this name; `start` starts a native runtime for one case.
    pub fn new<H, S>(name: impl Into<String>, start: S) -> Self
    where
        H: Harness,
        S: Fn() -> H + Clone + Send + Sync + 'static,
    {
        Self { name: name.into(), cases: Vec::new(), limit: LIMIT }
            .with_cases(cases::all(), start.clone(), "", |runtime| runtime)
            .with_cases(cases::erased(), start, "any/", AnyRuntime::new)
    }

    /// A flavour whose runs are decided by seeds, each case under all of these; through `AnyRuntime` alone.
    ///
    /// With more than one seed the process prints no panics any more, as many cases cause some on purpose.
    pub fn seeded<H, S>(name: impl Into<String>, seeds: Range<u64>, start: S) -> Self
    where
        H: Harness,
        S: Fn(u64) -> H + Clone + Send + Sync + 'static,
    {
        let ready = cases::erased().into_iter().map(|case| {
            let (start, seeds) = (start.clone(), seeds.clone());
            let Case { name, needs_shutdown, run } = case;
            let under = move |seed| {
                let host = start(seed);
                let runtime = AnyRuntime::new(host.runtime());
                run(&Env::new(runtime, Box::new(host), Some(seed)));
            };
            ReadyCase {
                name: name.to_owned(),
                ignored: needs_shutdown,
                limit: LIMIT,
                run: Arc::new(move || seeds.clone().for_each(|seed| under_seed(seed, &under))),
            }
        });
        let cases = ready.collect();
        if seeds.count() > 1 {
            quiet_panics::hush();
        }
        Self { name: name.into(), cases, limit: LIMIT }
    }

    /// The native runtime can be shut down while values of it are alive: without this the cases
    /// about shutdown are listed as ignored.
    pub fn can_shut_down(mut self) -> Self {
        self.cases.iter_mut().for_each(|case| case.ignored = false);
        self
    }

    /// How long a case may take before it counts as hanging. The default is a minute.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self.cases.iter_mut().for_each(|case| case.limit = limit);
        self
    }

    fn with_cases<H, R, S>(
        mut self,
        cases: Vec<Case<R>>,
        start: S,
        prefix: &str,
        erase: fn(H::Runtime) -> R,
    ) -> Self
    where
        H: Harness,
        R: Runtime,
        S: Fn() -> H + Clone + Send + Sync + 'static,
    {
        let ready = cases.into_iter().map(|case| {
            let start = start.clone();
            let Case { name, needs_shutdown, run } = case;
            ReadyCase {
                name: format!("{prefix}{name}"),
                ignored: needs_shutdown,
                limit: self.limit,
                run: Arc::new(move || {
                    let host = start();
                    let runtime = erase(host.runtime());
                    run(&Env::new(runtime, Box::new(host), None));
                }),
            }
        });
        self.cases.extend(ready);
        self
    }
}

/// Names the seed in the failure of a case.
fn under_seed(seed: u64, run: &impl Fn(u64)) {
    quiet_panics::forget();
    let outcome = catch_unwind(AssertUnwindSafe(|| run(seed)));
    reported::forget();
    if let Err(payload) = outcome {
        let text = panic_message(&*payload);
        panic!("under seed {seed}: {}", quiet_panics::last_of(text).as_deref().unwrap_or(text));
    }
}

/// Generous: only a hang reaches it.
const LIMIT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::panic::resume_unwind;

    use super::*;

    fn text_of(seed: u64, run: impl Fn(u64)) -> String {
        let failure = catch_unwind(AssertUnwindSafe(|| under_seed(seed, &run)));
        panic_message(&*failure.unwrap_err()).to_owned()
    }

    fn contained(text: &'static str) -> Box<dyn std::any::Any + Send> {
        catch_unwind(|| panic!("{text}")).unwrap_err()
    }

    #[test]
    fn failure_has_its_own_text_and_place() {
        quiet_panics::hush();
        let text = text_of(1, |_| panic!("the failure"));
        assert!(text.contains("harness.rs:") && text.contains("the failure"), "{text}");
        let failure = |_| {
            let failure = contained("the failure");
            contained("something else");
            resume_unwind(failure)
        };
        assert_eq!(text_of(2, failure), "under seed 2: the failure");
    }

    #[test]
    fn failure_has_no_place_of_one_under_another_seed() {
        quiet_panics::hush();
        under_seed(1, &|_| drop(contained("the failure")));
        let failure = |_| resume_unwind(Box::new("the failure"));
        assert_eq!(text_of(2, failure), "under seed 2: the failure");
    }
}
