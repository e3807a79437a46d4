//! A tokio runtime that anyscope has not made: its ambient functions find it.

#![cfg(feature = "tokio")]

#[path = "support/bounded.rs"]
mod bounded;
#[path = "support/panics.rs"]
mod panics;

use anyscope::prelude::*;
use tokio::runtime::{Builder, Runtime as Native};

use bounded::bounded;
use panics::panic_of;

fn each_flavour(case: impl AsyncFn() + Copy + Send + 'static) {
    let multi: fn() -> Native =
        || Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let current: fn() -> Native = || Builder::new_current_thread().enable_all().build().unwrap();
    bounded("tokio, two workers", move || multi().block_on(case()));
    bounded("tokio, current thread", move || current().block_on(case()));
}

#[test]
fn ambient_groups_and_jobs_run_on_it() {
    each_flavour(async || {
        let value = group(async |g| {
            let task = g.spawn(async { Ok(tokio::runtime::Handle::current().id()) });
            Ok((task.await?, spawn_blocking(|| tokio::runtime::Handle::current().id()).await?))
        });
        let here = tokio::runtime::Handle::current().id();
        assert_eq!(value.await.unwrap(), (here, here));
        assert_eq!(spawn_cpu(|| 7).await.unwrap(), 7);
    });
}

#[test]
fn a_group_is_a_task_of_tokio_like_any_future() {
    each_flavour(async || {
        let task = tokio::spawn(group(async |g| {
            let one = g.spawn(async { Ok(1) });
            Ok(one.await? + 1)
        }));
        assert_eq!(task.await.unwrap().unwrap(), 2);
    });
}

#[test]
fn a_group_that_an_abort_drops_is_drained_by_its_runtime() {
    each_flavour(async || {
        let (held, gone) = std::sync::mpsc::channel::<()>();
        let (polled, is_polled) = futures_util::future::abortable(std::future::pending::<()>());
        let task = tokio::spawn(group(async move |g| {
            g.spawn(async move {
                let _held = held;
                is_polled.abort();
                std::future::pending::<Result<(), BoxError>>().await
            });
            Ok(())
        }));
        let _ = polled.await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        anyscope::current_runtime().drained().await;
        assert!(gone.try_recv() == Err(std::sync::mpsc::TryRecvError::Disconnected));
    });
}

#[test]
fn run_inside_it_panics_and_says_to_await() {
    each_flavour(async || {
        let text = panic_of(|| anyscope::tokio::run(async {}));
        assert!(text.contains("inside a tokio runtime"), "{text}");
        assert!(text.contains("await the future instead"), "{text}");
    });
}
