//! The ambient functions, on each enabled backend.

#![cfg(any(feature = "tokio", feature = "smol", feature = "async-std"))]

#[path = "support/bounded.rs"]
mod bounded;
#[path = "support/each.rs"]
mod each;

use std::error::Error;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use std::{fmt, io};

use anyscope::prelude::*;
use anyscope::{CauseKind, TaskContext, current_runtime, group_of};

use each::on_each;

#[test]
fn a_group_runs_tasks_and_jobs() {
    on_each(async || {
        let sum = group(async |g| {
            let a = g.spawn(async { Ok(1) });
            let b = g.task(async { Ok(2) }).name("b").spawn();
            let c = g.spawn_blocking(|| 3);
            let d = g.spawn_cpu(|| 4);
            Ok(a.await? + b.await? + c.await? + d.await?)
        });
        assert_eq!(sum.await.unwrap(), 10);
    });
}

#[test]
fn different_errors_meet_in_one_group_by_question_mark() {
    on_each(async || {
        let error = group(async |g| {
            g.spawn(async {
                "x".parse::<i32>()?;
                Ok(())
            });
            g.spawn(async {
                Err(io::Error::other("disk"))?;
                Ok(())
            });
            Ok(())
        })
        .policy(anyscope::Supervise)
        .await
        .unwrap_err();
        let failures = error.failures().unwrap();
        assert_eq!(failures.len(), 2);
        let is = |found: fn(&BoxError) -> bool| {
            failures.iter().filter_map(|failure| failure.error()).any(found)
        };
        assert!(is(BoxError::is::<std::num::ParseIntError>));
        assert!(is(BoxError::is::<io::Error>));
    });
}

#[derive(Debug)]
struct Own(TaskErrorOr<u8>);

#[derive(Debug)]
enum TaskErrorOr<T> {
    Task(TaskError),
    Else(T),
}

impl From<TaskError> for Own {
    fn from(error: TaskError) -> Self {
        Self(TaskErrorOr::Task(error))
    }
}

impl fmt::Display for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl Error for Own {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            TaskErrorOr::Task(error) => Some(error),
            TaskErrorOr::Else(_) => None,
        }
    }
}

#[test]
fn an_error_type_of_ones_own_goes_through_unboxed() {
    on_each(async || {
        let error = group_of(async |g| {
            let failing = g.spawn(async { Err::<(), _>(Own(TaskErrorOr::Else(7))) });
            failing.await?;
            Ok(())
        })
        .await
        .unwrap_err();
        let failures = error.failures().unwrap();
        assert_eq!(failures.len(), 1, "{error:#}");
        assert!(matches!(failures.first().error(), Some(Own(TaskErrorOr::Else(7)))));
    });
}

#[test]
fn a_failure_cancels_the_sibling_and_the_body() {
    on_each(async || {
        let error = group(async |g| {
            g.spawn(pending::<Result<(), BoxError>>());
            g.spawn(async { Err::<(), _>(BoxError::msg("first")) });
            pending::<()>().await;
            Ok(())
        })
        .await
        .unwrap_err();
        assert_eq!(error.failures().unwrap().len(), 1);
        assert!(matches!(error.cause().unwrap().kind(), CauseKind::SiblingFailed(_)));
    });
}

#[test]
fn an_error_names_who_did_not_stop_in_time() {
    on_each(async || {
        for fails in [false, true] {
            let outcome: Result<(), GroupError> = group(async |g| {
                g.task(pending::<Result<(), BoxError>>()).name("stays").spawn();
                sleep(Duration::from_millis(1)).await;
                g.cancel();
                if !fails {
                    pending::<()>().await;
                }
                Err(BoxError::msg("failed"))
            })
            .grace(Duration::from_millis(5))
            .await;
            let error = outcome.unwrap_err();
            assert!(error.overdue().iter().any(|task| task.name() == Some("stays")));
            for text in [format!("{error}"), format!("{error:?}")] {
                let first = text.lines().next().expect("it has one");
                assert!(first.contains("; not stopped in time: task #"), "{text}");
            }
        }
    });
}

#[test]
fn a_deadline_ends_a_group_that_would_not_end() {
    on_each(async || {
        let error = group(async |g| {
            g.spawn(pending::<Result<(), BoxError>>()).await?;
            Ok(())
        })
        .deadline(Duration::from_millis(1))
        .await
        .unwrap_err();
        assert!(error.is_cancelled());
        assert!(matches!(error.cause().unwrap().kind(), CauseKind::Deadline(_)));
    });
}

#[test]
fn a_group_inside_a_task_uses_the_tasks_runtime() {
    on_each(async || {
        let outer = format!("{:?}", current_runtime());
        let inner = group(async |g| {
            let in_task = g.spawn(async {
                let nested = group(async |h| Ok(format!("{:?}", h.runtime()))).await?;
                Ok([nested, format!("{:?}", current_runtime())])
            });
            let in_job = g.spawn_blocking(|| format!("{:?}", current_runtime()));
            let in_cpu_job = g.spawn_cpu(|| format!("{:?}", current_runtime()));
            let [nested, in_task] = in_task.await?;
            Ok([nested, in_task, in_job.await?, in_cpu_job.await?])
        });
        for found in inner.await.unwrap() {
            assert_eq!(found, outer);
        }
    });
}

#[test]
fn jobs_give_their_value() {
    on_each(async || {
        assert_eq!(spawn_blocking(|| 1).await.unwrap(), 1);
        assert_eq!(spawn_cpu(|| 2).await.unwrap(), 2);
        let text = async || -> Result<String, BoxError> {
            Ok(spawn_blocking(|| std::fs::read_to_string("Cargo.toml")).await??)
        };
        assert!(text().await.unwrap().contains("anyscope"));
    });
}

#[test]
fn a_panic_of_a_job_is_a_value() {
    on_each(async || {
        for job in [spawn_blocking(|| panic!("blocking")), spawn_cpu(|| panic!("cpu"))] {
            let job: TaskHandle<()> = job;
            let mut error = job.await.unwrap_err();
            assert!(error.is_panic());
            let text = error.panic_message().unwrap().to_owned();
            assert!(["blocking", "cpu"].contains(&text.as_str()), "{text}");
            let payload = error.take_panic().expect("the payload is here, once");
            assert_eq!(anyscope::panic_message(&*payload), text);
            assert!(error.take_panic().is_none());
        }
        assert_eq!(spawn_blocking(|| 1).await.unwrap(), 1, "the pool survives");
        assert_eq!(spawn_cpu(|| 1).await.unwrap(), 1, "the pool survives");
    });
}

#[test]
fn a_group_waits_for_an_ambient_job_whose_handle_is_gone() {
    on_each(async || {
        let ended = Arc::new(AtomicBool::new(false));
        let flag = ended.clone();
        group(async move |_| {
            let (_until_the_body_has_ended, gate) = channel::<()>();
            drop(spawn_blocking(move || {
                assert!(gate.recv().is_err());
                flag.store(true, Ordering::SeqCst);
            }));
            Ok(())
        })
        .await
        .unwrap();
        assert!(ended.load(Ordering::SeqCst));
    });
}

#[test]
fn an_ambient_job_sees_the_cause_of_its_group() {
    on_each(async || {
        let (started, has_started) = channel();
        let (said, cause) = channel();
        group(async move |g| {
            drop(spawn_blocking(move || {
                started.send(()).unwrap();
                while check_cancelled().is_ok() {
                    std::thread::yield_now();
                }
                said.send(TaskContext::current().unwrap().cause()).unwrap();
            }));
            let has_started = g.spawn_blocking(move || has_started.recv());
            has_started.await??;
            g.cancel_because("enough");
            Ok(())
        })
        .await
        .unwrap();
        let cause = cause.recv().unwrap().expect("it was cancelled");
        assert!(cause.to_string().contains("enough"), "{cause}");
    });
}

#[test]
fn sleep_waits_at_least_as_long() {
    on_each(async || {
        let begin = Instant::now();
        sleep(Duration::ZERO).await;
        sleep(Duration::from_millis(5)).await;
        assert!(begin.elapsed() >= Duration::from_millis(5));
    });
}

#[test]
fn timeout_gives_the_value_or_says_that_the_time_was_up() {
    on_each(async || {
        let hour = Duration::from_secs(3600);
        assert_eq!(timeout(hour, async { 7 }).await, Ok(7));
        assert_eq!(timeout(Duration::ZERO, async { 7 }).await, Ok(7), "a ready value wins");

        let (held, gone) = channel::<()>();
        let never = async move {
            let _held = held;
            pending::<()>().await;
        };
        assert!(timeout(Duration::from_millis(1), never).await.is_err());
        assert!(gone.try_recv() == Err(std::sync::mpsc::TryRecvError::Disconnected));
    });
}

#[test]
fn a_group_that_a_timeout_drops_has_ended_when_the_outer_one_returns() {
    on_each(async || {
        let (held, gone) = channel::<()>();
        group(async move |_| {
            let inner = group(async move |g| {
                let task = async move {
                    let _held = held;
                    pending::<Result<(), BoxError>>().await
                };
                g.spawn(task).await?;
                Ok(())
            });
            assert!(timeout(Duration::from_millis(1), inner).await.is_err());
            Ok(())
        })
        .await
        .unwrap();
        assert!(gone.try_recv() == Err(std::sync::mpsc::TryRecvError::Disconnected));
    });
}

#[test]
fn a_scope_borrows_and_takes_any_error() {
    on_each(async || {
        let words = String::from("1 2 x");
        let sum = async |text: &str| -> Result<i32, BoxError> { Ok(text.parse::<i32>()?) };
        let parts: Vec<_> = words.split(' ').collect();
        let total = scope(async |s| {
            let a = s.spawn(sum(parts[0]));
            let b = s.spawn(sum(parts[1]));
            Ok(a.await? + b.await?)
        });
        assert_eq!(total.await.unwrap(), 3);
        let failing = scope(async |s| Ok(s.spawn(sum(parts[2])).await?));
        assert_eq!(failing.await.unwrap_err().failures().unwrap().len(), 1);
    });
}

#[test]
fn a_panic_of_a_task_is_raised_again_after_all_have_ended() {
    on_each(async || {
        let (held, gone) = channel::<()>();
        let panicking = group(async move |g| {
            g.spawn(async move {
                let _held = held;
                pending::<Result<(), BoxError>>().await
            });
            g.spawn(async {
                if true {
                    panic!("a task's");
                }
                Ok(())
            });
            Ok(())
        });
        // One group further out the panic is a value, by option.
        let error = group(async move |_| {
            panicking.await?;
            Ok(())
        })
        .panics(anyscope::PanicPolicy::Capture)
        .await
        .unwrap_err();
        assert!(error.to_string().contains("a task's"), "{error}");
        assert!(gone.try_recv() == Err(std::sync::mpsc::TryRecvError::Disconnected));
    });
}

#[test]
fn the_runtime_of_a_group_is_found_at_its_first_poll() {
    // Made where there may be none, polled where there is one.
    async fn of(name: &str, made: impl Future<Output = Result<String, GroupError>>) {
        let found = made.await.unwrap();
        assert!(found.to_lowercase().contains(name), "{found}");
    }
    let make = || group(async |g| Ok(format!("{:?}", g.runtime())));
    #[cfg(feature = "tokio")]
    bounded::bounded("tokio", move || anyscope::tokio::run(of("tokio", make())));
    #[cfg(feature = "smol")]
    bounded::bounded("smol", move || anyscope::smol::run(of("smol", make())));
    #[cfg(feature = "async-std")]
    bounded::bounded("async-std", move || anyscope::async_std::run(of("async_std", make())));
}

#[test]
fn failures_carry_the_callers_line() {
    on_each(async || {
        let line = line!() + 1;
        let error = group(async |_| Err::<(), _>(io::Error::other("body").into()));
        let error = error.await.unwrap_err();
        let place = |error: &GroupError| error.leaves().next().unwrap().task().location();
        assert_eq!((place(&error).file(), place(&error).line()), (file!(), line));

        let line = line!() + 1;
        let error = scope(async |_| Err::<(), _>(io::Error::other("body").into()));
        let error = error.await.unwrap_err();
        assert_eq!((place(&error).file(), place(&error).line()), (file!(), line));
    });
}
