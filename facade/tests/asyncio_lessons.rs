//! The error-handling programs of common asyncio lessons, each with the output that its lesson
//! states. What sleeps there sleeps a tenth as long here; no output depends on how long.

#![cfg(any(feature = "tokio", feature = "smol", feature = "async-std"))]

#[path = "support/bounded.rs"]
mod bounded;
#[path = "support/each.rs"]
mod each;

use std::fmt::Display;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyscope::prelude::*;
use anyscope::{Failure, Policy, Supervise, TaskId, Verdict, handle};

use each::on_each;

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct ValueError(String);

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct RuntimeError(&'static str);

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct ConnectionError(String);

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct TimeoutError(String);

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct AbortError(&'static str);

/// What the program prints.
#[derive(Clone, Default)]
struct Out(Arc<Mutex<Vec<String>>>);

impl Out {
    fn print(&self, line: impl Display) {
        self.0.lock().unwrap().push(line.to_string());
    }

    #[track_caller]
    fn is(&self, expected: &[&str]) {
        assert_eq!(*self.0.lock().unwrap(), expected);
    }
}

async fn sleep_tenths(tenths: f64) {
    sleep(Duration::from_secs_f64(tenths / 100.0)).await;
}

/// `except* ValueError as eg`, over `eg.exceptions`.
#[test]
fn what_happens_when_a_task_fails() {
    async fn good_task(name: &str) -> Result<String, BoxError> {
        sleep_tenths(5.0).await;
        Ok(format!("{name} OK"))
    }
    async fn bad_task(name: &str) -> Result<String, BoxError> {
        sleep_tenths(3.0).await;
        Err(ValueError(format!("{name} failed!")))?
    }
    on_each(async || {
        let out = Out::default();
        let outcome = group(async |g| {
            g.spawn(good_task("A"));
            g.spawn(bad_task("B"));
            g.spawn(good_task("C"));
            Ok(())
        });
        let error = outcome.await.unwrap_err();
        handle!(match error {
            ValueError as eg => {
                out.print(format!("Caught {} ValueError(s):", eg.len()));
                for failure in &eg {
                    out.print(format!("  - {}", failure.as_error()));
                }
            },
        })
        .unwrap();
        out.is(&["Caught 1 ValueError(s):", "  - B failed!"]);
    });
}

/// Both `except*` blocks run because the group contains both types. The siblings must go on for
/// that: under fail-fast, there and here, the slower one is cancelled.
#[test]
fn multiple_exception_types() {
    on_each(async || {
        let out = Out::default();
        let outcome = group(async |g| {
            g.spawn::<_, ()>(async {
                sleep_tenths(1.0).await;
                Err(ValueError("bad value".into()))?
            });
            g.spawn::<_, ()>(async {
                sleep_tenths(2.0).await;
                Err(RuntimeError("something broke"))?
            });
            Ok(())
        });
        let error = outcome.policy(Supervise).await.unwrap_err();
        handle!(match error {
            ValueError as eg => {
                out.print("ValueErrors:");
                eg.iter().for_each(|one| out.print(format!("  - {}", one.as_error())));
            },
            RuntimeError as eg => {
                out.print("RuntimeErrors:");
                eg.iter().for_each(|one| out.print(format!("  - {}", one.as_error())));
            },
        })
        .unwrap();
        out.is(&["ValueErrors:", "  - bad value", "RuntimeErrors:", "  - something broke"]);
    });
}

/// Exception classification: operations 1 to 6, each kind handled by itself, and a summary.
#[test]
fn exception_classification() {
    async fn flaky_operation(id: u32) -> Result<String, BoxError> {
        sleep_tenths(f64::from(id)).await;
        match id % 3 {
            0 => Err(ConnectionError(format!("op {id}: connection lost")))?,
            1 => Err(TimeoutError(format!("op {id}: timed out")))?,
            _ => Ok(format!("op {id}: success")),
        }
    }
    on_each(async || {
        let tasks = Mutex::new(Vec::new());
        let outcome = group(async |g| {
            *tasks.lock().unwrap() = (1..=6).map(|id| g.spawn(flaky_operation(id))).collect();
            Ok(())
        });
        let error = outcome.policy(Supervise).await.unwrap_err();
        let (mut lost, mut late) = (Vec::new(), Vec::new());
        error
            .handle(|error: &ConnectionError| lost.push(error.to_string()))
            .handle(|error: &TimeoutError| late.push(error.to_string()))
            .finish()
            .unwrap();
        let mut fine = Vec::new();
        for task in tasks.into_inner().unwrap() {
            fine.extend(task.await.ok());
        }
        lost.sort();
        late.sort();
        assert_eq!(lost, ["op 3: connection lost", "op 6: connection lost"]);
        assert_eq!(late, ["op 1: timed out", "op 4: timed out"]);
        assert_eq!(fine, ["op 2: success", "op 5: success"]);
    });
}

/// `print("Caught ValueError group:", eg)`, and which delay failed.
#[test]
fn handling_exceptions_in_a_task_group() {
    async fn maybe_failing_call(delay: f64) -> Result<f64, BoxError> {
        if delay > 2.0 {
            Err(ValueError(format!("Bad delay: {delay}")))?;
        }
        sleep_tenths(delay).await;
        Ok(delay)
    }
    on_each(async || {
        let out = Out::default();
        let outcome = group(async |g| {
            for delay in [1.0, 3.0, 0.5] {
                g.task(maybe_failing_call(delay)).name(format!("delay {delay}")).spawn();
            }
            Ok(())
        });
        let error = outcome.await.unwrap_err();
        handle!(match error {
            ValueError as eg => {
                assert_eq!(eg.first().task().name(), Some("delay 3"));
                out.print(format!("Caught ValueError group: {} in it", eg.len()));
                let line = eg.to_string();
                assert!(line.starts_with("group failed: 1 failure; first: task #"), "{line}");
                assert!(line.ends_with(": Bad delay: 3"), "{line}");
            },
        })
        .unwrap();
        out.is(&["Caught ValueError group: 1 in it"]);
    });
}

/// The practice problem: a call for each delay, a callback that tells how each ended, and which delay
/// failed.
#[test]
fn which_delay_failed() {
    async fn call(delay: f64) -> Result<f64, BoxError> {
        sleep_tenths(delay).await;
        match delay {
            3.5 => Err(ValueError("connection refused".into()))?,
            delay => Ok(delay),
        }
    }
    on_each(async || {
        let out = Out::default();
        let outcome = group(async |g| {
            for delay in [0.5, 1.0, 2.5, 3.5] {
                let out = out.clone();
                let on_done = move |outcome: Result<&f64, &TaskError>| match outcome {
                    Err(error) if error.is_failed() => out.print(format!("delay {delay}: failed")),
                    _ => {}
                };
                g.task(call(delay)).name(format!("delay {delay}")).on_done(on_done).spawn();
            }
            Ok(())
        });
        let error = outcome.await.unwrap_err();
        handle!(match error {
            ValueError as eg => {
                let failed = eg.first();
                let name = failed.task().name().unwrap();
                out.print(format!("Cancelled the rest because of {name}: {}", failed.as_error()));
            },
        })
        .unwrap();
        let because = "Cancelled the rest because of delay 3.5: connection refused";
        out.is(&["delay 3.5: failed", because]);
    });
}

#[test]
fn risky_task() {
    async fn risky_task(n: u32) -> Result<String, BoxError> {
        if n == 2 {
            Err(ValueError(format!("Error in task {n}")))?;
        }
        sleep_tenths(f64::from(n)).await;
        Ok(format!("Task {n} done"))
    }
    on_each(async || {
        let out = Out::default();
        let outcome = group(async |g| {
            (1..=3).for_each(|n| drop(g.spawn(risky_task(n))));
            Ok(())
        });
        let error = outcome.await.unwrap_err();
        error.handle(|error: &ValueError| out.print(format!("Caught: {error}"))).finish().unwrap();
        out.is(&["Caught: Error in task 2"]);
    });
}

#[test]
fn timeout_with_a_task_group() {
    on_each(async || {
        let out = Out::default();
        let outcome = group(async |g| {
            g.spawn::<_, ()>(async { std::future::pending().await });
            Ok(())
        });
        let error = outcome.deadline(Duration::from_millis(10)).await.unwrap_err();
        error.handling().cancelled(|_| out.print("Tasks timed out")).finish().unwrap();
        out.is(&["Tasks timed out"]);

        let slow = timeout(Duration::from_millis(10), std::future::pending::<()>()).await;
        if slow.is_err() {
            out.print("Operation timed out!");
        }
        out.is(&["Tasks timed out", "Operation timed out!"]);
    });
}

async fn might_fail(n: u32) -> Result<u32, BoxError> {
    match n {
        2 => Err(ValueError("oops!".into()))?,
        n => Ok(n * 10),
    }
}

#[test]
fn exceptions_as_values() {
    on_each(async || {
        let out = Out::default();
        let tasks = Mutex::new(Vec::new());
        let outcome = group(async |g| {
            *tasks.lock().unwrap() = (1..=3).map(|n| g.spawn(might_fail(n))).collect();
            Ok(())
        });
        let error = outcome.policy(Supervise).await.unwrap_err();
        let of = |id: TaskId| error.leaves().find(move |leaf| leaf.task().id() == id).unwrap();
        for task in tasks.into_inner().unwrap() {
            let id = task.id();
            match task.await {
                Ok(value) => out.print(format!("Result: {value}")),
                Err(_) => out.print(format!("Error: {}", of(id).as_error())),
            }
        }
        out.is(&["Result: 10", "Error: oops!", "Result: 30"]);
    });
}

#[test]
fn siblings_of_a_failed_task_are_cancelled() {
    on_each(async || {
        let out = Out::default();
        let outcome = group(async |g| {
            (1..=3).for_each(|n| drop(g.spawn(might_fail(n))));
            Ok(())
        });
        let error = outcome.await.unwrap_err();
        handle!(match error {
            exc: ValueError => out.print(format!("Caught: {exc}")),
        })
        .unwrap();
        out.is(&["Caught: oops!"]);
    });
}

/// There the clean-up catches `CancelledError` and raises it again; here it is a destructor.
#[test]
fn task_cancellation() {
    struct CleanUp(Out);
    impl Drop for CleanUp {
        fn drop(&mut self) {
            self.0.print("Task was cancelled! Cleaning up...");
        }
    }
    on_each(async || {
        let out = Out::default();
        let printed = out.clone();
        let outcome = group(async |g| {
            let (started, start) = futures_util::future::abortable(std::future::pending::<()>());
            let task = g.spawn::<_, ()>(async move {
                let clean_up = CleanUp(printed);
                clean_up.0.print("Working...");
                start.abort();
                std::future::pending().await
            });
            let _ = started.await;
            task.cancel();
            if task.await.unwrap_err().is_cancelled() {
                out.print("Confirmed: task is cancelled");
            }
            Ok(())
        });
        outcome.await.unwrap();
        out.is(&[
            "Working...",
            "Task was cancelled! Cleaning up...",
            "Confirmed: task is cancelled",
        ]);
    });
}

/// There a task that nobody awaits loses its exception, with a warning; here it is in the error.
#[test]
fn exception_that_was_never_retrieved() {
    on_each(async || {
        let outcome = group(async |g| {
            drop(g.spawn::<_, ()>(async { Err(RuntimeError("boom"))? }));
            Ok(())
        });
        let error = outcome.await.unwrap_err();
        assert!(error.leaves().next().unwrap().is::<RuntimeError>());
    });
}

async fn task_abort(out: Out, wait: f64, abort: bool) -> Result<(), BoxError> {
    sleep_tenths(wait).await;
    if abort {
        Err(AbortError("Aborting the task"))?;
    }
    out.print("Task complete");
    Ok(())
}

/// `gather`: one task errors, the rest run to completion.
#[test]
fn the_rest_goes_on_beside_an_error() {
    on_each(async || {
        let out = Out::default();
        let outcome = group(async |g| {
            for (wait, abort) in [(1.0, true), (2.0, false), (2.0, false)] {
                g.spawn(task_abort(out.clone(), wait, abort));
            }
            Ok(())
        });
        let error = outcome.policy(Supervise).await.unwrap_err();
        error
            .handle(|error: &AbortError| out.print(format!("AbortError: {error}")))
            .finish()
            .unwrap();
        out.is(&["Task complete", "Task complete", "AbortError: Aborting the task"]);
    });
}

/// Cancels at the second failure. Two tasks that abort at the same time both do so before asyncio
/// cancels anything; here the first would cancel the second.
struct AtTheSecond(AtomicUsize);

impl Policy<BoxError> for AtTheSecond {
    fn on_failure(&self, _: &Failure<BoxError>) -> Verdict {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => Verdict::Continue,
            _ => Verdict::Cancel,
        }
    }
}

async fn task_group_abort(out: Out) -> Result<(), GroupError> {
    let outcome = group(async |g| {
        for (wait, abort) in [(1.0, true), (1.0, true)] {
            g.spawn(task_abort(out.clone(), wait, abort));
        }
        for _ in 0..2 {
            let slower = task_abort(out.clone(), 2.0, false);
            g.spawn(async {
                std::future::pending::<()>().await;
                slower.await
            });
        }
        Ok(())
    });
    outcome.policy(AtTheSecond(AtomicUsize::new(0))).await
}

#[test]
fn exception_groups_by_subgroup_and_by_clause() {
    on_each(async || {
        let out = Out::default();
        let error = task_group_abort(out.clone()).await.unwrap_err();
        assert!(error.to_string().starts_with("group failed: 2 failures"), "{error}");
        let eg = error.into_failures().unwrap();
        if let Some(sub_group) = eg.subgroup(|leaf| leaf.is::<AbortError>()) {
            sub_group.iter().for_each(|e| out.print(format!("Got {}", e.as_error())));
        }
        out.is(&["Got Aborting the task"; 2]);

        let out = Out::default();
        let error = task_group_abort(out.clone()).await.unwrap_err();
        handle!(match error {
            e: AbortError => out.print(format!("Got {e}")),
        })
        .unwrap();
        out.is(&["Got Aborting the task"; 2]);
    });
}
