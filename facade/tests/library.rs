//! A library that names no runtime: generic and erased, on each enabled backend, and `Send`.

use std::future::Future;

use anyscope::ItemError;
use anyscope::prelude::*;

/// As a library writes it: one more generic, and its own error type.
async fn squares<R: Runtime>(rt: &R, numbers: Vec<u32>) -> Result<u32, GroupError<TaskError>> {
    rt.group(async |g| {
        let tasks: Vec<_> =
            numbers.into_iter().map(|n| g.spawn(async move { Ok(n * n) })).collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await?;
        }
        Ok(sum)
    })
    .await
}

/// The error type of a library that uses the combinators.
#[derive(Debug)]
enum SquareError {
    Task(TaskError),
}

impl From<TaskError> for SquareError {
    fn from(error: TaskError) -> Self {
        Self::Task(error)
    }
}

impl std::fmt::Display for SquareError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a square is missing")
    }
}

impl std::error::Error for SquareError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let Self::Task(error) = self;
        Some(error)
    }
}

/// With combinators, at most two tasks at once for the second list.
async fn gathered<R: Runtime>(rt: R, numbers: Vec<u32>) -> Result<u32, GroupError<SquareError>> {
    rt.group(async |g| {
        let tasks: Vec<_> = numbers.iter().map(|&n| g.spawn(async move { Ok(n * n) })).collect();
        let all = gather(tasks).await?;
        let again = map_concurrent(numbers, 2, |n| g.spawn(async move { Ok(n * n) })).await;
        assert_eq!(again.map_err(ItemError::into_error)?, all);
        Ok(all.into_iter().sum())
    })
    .await
}

/// The same as a task needs it: nothing is borrowed.
async fn owned_squares<R: Runtime>(rt: R) -> u32 {
    squares(&rt, vec![1, 2, 3]).await.unwrap()
}

/// A group in a group, and a body that borrows.
async fn nested<R: Runtime>(rt: R, text: String) -> usize {
    let length = rt.group::<BoxError, _>(async |g| {
        let inner = g.spawn_group(async |h| Ok(h.spawn(async { Ok(1) }).await?));
        let job = g.spawn_blocking(|| 2);
        Ok(text.len() + inner.await? + job.await?)
    });
    length.await.unwrap()
}

async fn ambient() -> u32 {
    let sum = group(async |g| Ok(g.spawn(async { Ok(1) }).await? + spawn_cpu(|| 2).await?));
    sum.await.unwrap()
}

fn spawnable<F: Future + Send + 'static>(future: F) -> F {
    future
}

/// The compiler proves it for every runtime here, in the library, and not where it is used.
#[expect(dead_code, reason = "only compiled")]
fn the_futures_of_a_library_can_be_spawned<R: Runtime>(rt: R) {
    drop(spawnable(owned_squares(rt.clone())));
    drop(spawnable(gathered(rt.clone(), Vec::new())));
    drop(spawnable(nested(rt, String::new())));
    drop(spawnable(ambient()));
}

#[cfg(any(feature = "tokio", feature = "smol", feature = "async-std"))]
#[path = "support/bounded.rs"]
mod bounded;

#[cfg(any(feature = "tokio", feature = "smol", feature = "async-std"))]
async fn all_of_it<R: Runtime>(rt: R) {
    assert_eq!(squares(&rt, vec![1, 2, 3]).await.unwrap(), 14);
    assert_eq!(squares(&AnyRuntime::new(rt.clone()), vec![1, 2, 3]).await.unwrap(), 14);
    assert_eq!(rt.spawn_detached(owned_squares(rt.clone())).await.unwrap(), 14);
    assert_eq!(gathered(rt.clone(), vec![1, 2, 3]).await.unwrap(), 14);
    assert_eq!(rt.spawn_detached(nested(rt.clone(), "abc".into())).await.unwrap(), 6);
    assert_eq!(rt.spawn_detached(ambient()).await.unwrap(), 3);
}

#[cfg(feature = "tokio")]
#[test]
fn it_runs_on_tokio() {
    bounded::bounded("tokio", || {
        anyscope::tokio::run(async {
            let rt = anyscope::tokio::Tokio::current().unwrap();
            all_of_it(rt.clone()).await;
            assert_eq!(tokio::spawn(owned_squares(rt)).await.unwrap(), 14);
            assert_eq!(tokio::spawn(ambient()).await.unwrap(), 3);
        });
    });
}

#[cfg(feature = "smol")]
#[test]
fn it_runs_on_smol() {
    bounded::bounded("smol", || anyscope::smol::run(all_of_it(anyscope::smol::Smol::global())));
}

#[cfg(feature = "async-std")]
#[test]
fn it_runs_on_async_std() {
    bounded::bounded("async-std", || {
        anyscope::async_std::run(all_of_it(anyscope::async_std::AsyncStd::global()));
    });
}
