//! The ambient functions: groups, scopes, jobs and timers without naming a runtime.

use std::future::Future;
use std::panic::Location;
use std::time::{Duration, Instant};

use anyscope_core::{
    AnyRuntime, AsDynError, BoxError, Elapsed, Group, GroupBody, GroupFuture, GroupHandle,
    JobBuilder, Scope, ScopeFuture, TaskHandle, Timer, late,
};

use crate::default_runtime::{current_runtime, runtime_for};

/// Opens a group on the [current runtime](current_runtime), which is looked for at the first poll.
/// Its error type is [`BoxError`], so that `?` takes any error and `Ok(())` needs no annotation;
/// [`group_of`] is for an error type of your own.
///
/// Runs `body` with a handle to spawn with, and returns when the body and every descendant have
/// ended (G1). Otherwise it is [`Group::group`].
///
/// # Errors
///
/// A [`GroupError`](crate::GroupError) with the cause, if the group was cancelled, and all failures,
/// if there were any (G7).
///
/// # Panics
///
/// When polled, if there is no current runtime; and with the first panic of its body and tasks,
/// after all have ended (P1), unless [`GroupFuture::panics`] says otherwise.
///
/// # Cancel safety
///
/// Dropping the future cancels all descendants at once and does not block; the enclosing group, or
/// `run`, waits for them (G2).
///
/// # Examples
///
/// ```
/// use anyscope::prelude::*;
///
/// async fn both() -> Result<i32, GroupError> {
///     group(async |g| {
///         let a = g.spawn(async { Ok("1".parse::<i32>()?) });
///         let b = g.spawn_blocking(|| 2);
///         Ok(a.await? + b.await?)
///     })
///     .await
/// }
/// # #[cfg(feature = "tokio")]
/// assert_eq!(anyscope::tokio::run(both()).unwrap(), 3);
/// ```
///
/// A task cannot borrow what may be gone before it, for it may run on another thread and longer than
/// the caller's frame; [`scope`] is for that:
///
/// ```compile_fail,E0597
/// use anyscope::prelude::*;
///
/// async fn count(text: String) -> Result<usize, GroupError> {
///     group(async |g| Ok(g.spawn(async { Ok(text.len()) }).await?)).await
/// }
/// ```
///
/// Nor can it hold or give what must stay on its thread:
///
/// ```compile_fail,E0277
/// use anyscope::prelude::*;
///
/// let _ = group(async |g| {
///     let shared = std::rc::Rc::new(1);
///     g.spawn(std::future::ready(Ok(shared)));
///     Ok(())
/// });
/// ```
#[track_caller]
pub fn group<B>(body: B) -> GroupFuture<AnyRuntime, BoxError, B>
where
    B: GroupBody<GroupHandle<BoxError, AnyRuntime>, Error = BoxError>
        + FnOnce(GroupHandle<BoxError, AnyRuntime>) -> B::Future,
{
    group_of(body)
}

/// Like [`group()`], with an error type of your own, which goes through untouched and unboxed (E6).
/// It needs `From<TaskError>` where handles are awaited with `?`, and `From<ItemError<TaskError>>` where
/// [`map_concurrent`](crate::map_concurrent) is, or `.map_err(ItemError::into_error)?` there.
///
/// # Examples
///
/// ```
/// use anyscope::prelude::*;
///
/// async fn sum() -> Result<u32, GroupError<TaskError>> {
///     anyscope::group_of(async |g| {
///         let a = g.spawn(async { Ok(1) });
///         Ok(a.await? + 1)
///     })
///     .await
/// }
/// # #[cfg(feature = "tokio")]
/// assert_eq!(anyscope::tokio::run(sum()).unwrap(), 2);
/// ```
#[track_caller]
pub fn group_of<E, B>(body: B) -> GroupFuture<AnyRuntime, E, B>
where
    E: AsDynError,
    B: GroupBody<GroupHandle<E, AnyRuntime>, Error = E>
        + FnOnce(GroupHandle<E, AnyRuntime>) -> B::Future,
{
    GroupFuture::with_late_runtime(runtime_for, body)
}

/// Opens a local scope: children may borrow from the caller and need not be `Send`; they run
/// concurrently inside the caller's task, on any executor, and no runtime is needed (S1).
///
/// Its error type is [`BoxError`], so that `?` takes any error; [`scope_of`] is for one of your own,
/// and says the rest.
///
/// # Errors
///
/// A [`GroupError`](crate::GroupError), as from [`group()`].
///
/// # Panics
///
/// With the first panic of its body and children, after all have ended (P1).
///
/// # Cancel safety
///
/// Dropping the future drops the body and all children in place, before the drop returns.
///
/// # Examples
///
/// ```
/// use anyscope::prelude::*;
///
/// async fn total(lines: &[&str]) -> Result<i64, GroupError> {
///     let (head, tail) = lines.split_at(lines.len() / 2);
///     let sum = async |part: &[&str]| -> Result<i64, BoxError> {
///         part.iter().map(|line| Ok(line.parse::<i64>()?)).sum()
///     };
///     scope(async |s| {
///         let a = s.spawn(sum(head));
///         let b = s.spawn(sum(tail));
///         Ok(a.await? + b.await?)
///     })
///     .await
/// }
/// # #[cfg(feature = "smol")]
/// assert_eq!(anyscope::smol::run(total(&["1", "2", "3"])).unwrap(), 6);
/// ```
///
/// Its future stays on its thread and is not `Send`: a task of a group cannot await it, nor can what is
/// given to `tokio::spawn`, which may move between threads:
///
/// ```compile_fail
/// use anyscope::prelude::*;
///
/// async fn nothing() -> Result<(), GroupError> {
///     group(async |g| Ok(g.spawn(async { Ok(scope(async |_| Ok(())).await?) }).await?)).await
/// }
/// ```
///
/// There plain futures may borrow, and run concurrently, in a [`gather`](crate::gather()) of
/// [`in_place`](crate::in_place()):
///
/// ```
/// use anyscope::prelude::*;
///
/// async fn count(line: &str) -> Result<usize, BoxError> {
///     Ok(line.len())
/// }
///
/// async fn total(lines: Vec<String>) -> Result<usize, GroupError> {
///     group(async |g| {
///         let task = g.spawn(async move {
///             let counts = gather(lines.iter().map(|line| in_place(count(line)))).await?;
///             Ok(counts.into_iter().sum())
///         });
///         Ok(task.await?)
///     })
///     .await
/// }
/// # #[cfg(feature = "smol")]
/// assert_eq!(anyscope::smol::run(total(vec!["one".into(), "three".into()])).unwrap(), 8);
/// ```
#[track_caller]
pub fn scope<'env, B>(body: B) -> ScopeFuture<'env, BoxError, B>
where
    B: GroupBody<Scope<'env, BoxError>, Error = BoxError, Value: 'env, Future: 'env>
        + FnOnce(Scope<'env, BoxError>) -> B::Future,
{
    scope_of(body)
}

/// Like [`scope`], with an error type of your own.
///
/// What holds for a [group](group()) holds here, as far as no thread and no spawned task is involved
/// (S2). There is no parallelism: borrowing and running on several threads at once cannot be had
/// together in safe Rust without blocking in a destructor.
#[track_caller]
pub fn scope_of<'env, E, B>(body: B) -> ScopeFuture<'env, E, B>
where
    E: AsDynError,
    B: GroupBody<Scope<'env, E>, Error = E, Value: 'env, Future: 'env>
        + FnOnce(Scope<'env, E>) -> B::Future,
{
    anyscope_core::scope(body)
}

/// Runs a closure that blocks on the blocking pool of the [current runtime](current_runtime) (B1).
///
/// It is a job of whatever group encloses the caller, which waits for it and cancels it before it
/// starts (B3); where none does, it is left to the runtime. Its value is plain: what to do with a
/// `Result` is the caller's business, and its panic is a value at the handle (P4). Dropping the
/// handle lets it run on (B4).
///
/// # Panics
///
/// If there is no current runtime.
///
/// # Examples
///
/// ```
/// use anyscope::prelude::*;
///
/// async fn manifest() -> Result<String, BoxError> {
///     Ok(spawn_blocking(|| std::fs::read_to_string("Cargo.toml")).await??)
/// }
/// # #[cfg(feature = "tokio")]
/// assert!(anyscope::tokio::run(manifest()).unwrap().contains("anyscope"));
/// ```
#[track_caller]
pub fn spawn_blocking<C, T>(job: C) -> TaskHandle<T>
where
    C: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    current_runtime().spawn_blocking(job)
}

/// Runs a computation on the CPU pool, which is apart from async and blocking threads (U1); otherwise
/// as [`spawn_blocking`]. A long one should ask [`check_cancelled`](crate::check_cancelled) now and
/// then (U3).
///
/// # Panics
///
/// If there is no [current runtime](current_runtime).
///
/// # Examples
///
/// ```
/// use anyscope::prelude::*;
///
/// async fn sum(numbers: Vec<u64>) -> Result<u64, TaskError> {
///     spawn_cpu(move || numbers.iter().sum()).await
/// }
/// # #[cfg(feature = "tokio")]
/// assert_eq!(anyscope::tokio::run(sum(vec![1, 2, 3])).unwrap(), 6);
/// ```
#[track_caller]
pub fn spawn_cpu<C, T>(job: C) -> TaskHandle<T>
where
    C: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    current_runtime().spawn_cpu(job)
}

/// A job with a name, or one that needs a permit of a [`Semaphore`](crate::Semaphore), for the
/// [current runtime](current_runtime): call one of the builder's `spawn` methods. Otherwise as
/// [`spawn_blocking`] and [`spawn_cpu`].
///
/// # Panics
///
/// If there is no current runtime.
///
/// # Examples
///
/// ```
/// use anyscope::prelude::*;
/// use anyscope::{Semaphore, job};
///
/// /// Whoever reads takes part in one bound.
/// async fn read(disk: &Semaphore, path: &'static str) -> Result<Vec<u8>, BoxError> {
///     let read = move || std::fs::read(path);
///     Ok(job(read).name("read").permit_of(disk).spawn_blocking().await??)
/// }
/// # #[cfg(feature = "tokio")]
/// assert!(anyscope::tokio::run(read(&Semaphore::new(4), "Cargo.toml")).is_ok());
/// ```
#[track_caller]
pub fn job<C>(job: C) -> JobBuilder<AnyRuntime, C> {
    current_runtime().job(job)
}

/// Waits for `duration` on the timer of the [current runtime](current_runtime). The time begins at
/// the first poll; zero is over at once (R4).
///
/// # Panics
///
/// When polled, if there is no current runtime.
///
/// # Cancel safety
///
/// Nothing is lost if it is dropped.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use anyscope::prelude::*;
///
/// # #[cfg(feature = "tokio")]
/// anyscope::tokio::run(async {
///     sleep(Duration::from_millis(1)).await;
/// });
/// ```
#[track_caller]
pub fn sleep(duration: Duration) -> impl Future<Output = ()> {
    let caller = Location::caller();
    async move { runtime_for(caller).sleep(duration).await }
}

/// The value of `future`, or [`Elapsed`] if it is not ready in time (D1). The time begins at the
/// first poll; a value that is ready at the same poll wins, and `future` is gone before this returns.
///
/// # Errors
///
/// [`Elapsed`], if the time was up.
///
/// # Panics
///
/// When polled, if there is no [current runtime](current_runtime).
///
/// # Cancel safety
///
/// Dropping it drops `future`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use anyscope::prelude::*;
///
/// # #[cfg(feature = "tokio")]
/// anyscope::tokio::run(async {
///     let hour = Duration::from_secs(3600);
///     assert_eq!(timeout(hour, async { 7 }).await, Ok(7));
///     assert!(timeout(Duration::ZERO, std::future::pending::<()>()).await.is_err());
/// });
/// ```
#[track_caller]
pub fn timeout<F: Future>(
    duration: Duration,
    future: F,
) -> impl Future<Output = Result<F::Output, Elapsed>> {
    let caller = Location::caller();
    late(move || runtime_for(caller).timeout(duration, future))
}

/// Like [`timeout`], with the instant at which the time is up; one that is past still polls `future`
/// once (D4).
///
/// # Errors
///
/// [`Elapsed`], if the time was up.
///
/// # Panics
///
/// When polled, if there is no [current runtime](current_runtime).
///
/// # Cancel safety
///
/// Dropping it drops `future`.
#[track_caller]
pub fn timeout_at<F: Future>(
    deadline: Instant,
    future: F,
) -> impl Future<Output = Result<F::Output, Elapsed>> {
    let caller = Location::caller();
    late(move || runtime_for(caller).timeout_at(deadline, future))
}

/// The value of `future`, or `None` if it is not ready after `duration`: [`timeout`] for those who
/// only want to move on. As `move_on_after` of Trio.
///
/// # Panics
///
/// When polled, if there is no [current runtime](current_runtime).
///
/// # Cancel safety
///
/// Dropping it drops `future`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use anyscope::prelude::*;
///
/// # #[cfg(feature = "tokio")]
/// anyscope::tokio::run(async {
///     let answer = move_on_after(Duration::from_millis(1), std::future::pending::<u32>()).await;
///     assert_eq!(answer.unwrap_or(7), 7);
/// });
/// ```
#[track_caller]
pub fn move_on_after<F: Future>(
    duration: Duration,
    future: F,
) -> impl Future<Output = Option<F::Output>> {
    let caller = Location::caller();
    late(move || runtime_for(caller).move_on_after(duration, future))
}

/// Like [`move_on_after`], with the instant at which the time is up.
///
/// # Panics
///
/// When polled, if there is no [current runtime](current_runtime).
///
/// # Cancel safety
///
/// Dropping it drops `future`.
#[track_caller]
pub fn move_on_at<F: Future>(
    deadline: Instant,
    future: F,
) -> impl Future<Output = Option<F::Output>> {
    let caller = Location::caller();
    late(move || runtime_for(caller).move_on_at(deadline, future))
}
