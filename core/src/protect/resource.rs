//! `acquire`: a resource that is released exactly once, however its task ends (C5).

use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::cancel::CancelCause;
use crate::context::TaskContext;
use crate::error::BoxError;
use crate::group::Group;
use crate::protect::{Cleanup, CleanupOutcome, ExitKind, Hold, Registration, shield};
use crate::runtime::AnyRuntime;
use crate::stack::{self, CleanupOwner};
use crate::sync::{Mutex, lock};
use crate::unhandled::{self, UnhandledKind};

/// Opens a resource that is released when the task ends, not when this is dropped, nor when the function
/// returns in which it is called (C5). In a loop, put a group around each turn, as in the example: its
/// body ends with the turn.
///
/// Opening it and registering its release is one step, which no cancellation can cut in between: `open`
/// runs [shielded](crate::shield()), and when it has given a value, `release` is registered as by
/// [`defer`](crate::defer) in the same poll.
///
/// `release` runs exactly once: as a clean-up when the task has ended, or earlier by
/// [`Resource::release`], which the clean-up finishes if it is cut. Where the resource is kept
/// longer than its task, it is released when it is dropped, on the task's runtime.
///
/// Semantics as of `acquireRelease` in ZIO, whose `Scope` is the task here, and as of `AsyncExitStack` in
/// Python.
///
/// # Errors
///
/// The error of `open`; then there is nothing to release.
///
/// # Panics
///
/// With a panic of `open`. And outside any task or body, in a plain `#[tokio::main]` say, before `open` is
/// polled: a library that may be called from anywhere opens a group itself, and calls this in its body.
///
/// # Cancel safety
///
/// Dropping it drops `open`; what that had opened half-way is its own business.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use anyscope_core::{BoxError, Group, GroupError, Runtime, Timer, acquire};
///
/// struct Connection;
///
/// impl Connection {
///     async fn open() -> Result<Self, BoxError> {
///         Ok(Self)
///     }
///     async fn query(&mut self) -> usize {
///         7
///     }
///     async fn close(self) {}
/// }
///
/// async fn ask() -> Result<usize, BoxError> {
///     let mut conn = acquire(Connection::open(), |conn, _exit| conn.close()).await?;
///     Ok(conn.query().await)
/// }
///
/// async fn ask_each_hour<R: Runtime>(rt: &R) -> Result<(), GroupError> {
///     loop {
///         let answer = rt.group(async |_| ask().await).await?; // the connection is closed
///         println!("{answer}");
///         rt.sleep(Duration::from_secs(3600)).await;
///     }
/// }
/// ```
pub fn acquire<T, E, O, C, F>(open: O, release: C) -> Acquire<O, C>
where
    O: Future<Output = Result<T, E>>,
    C: FnOnce(T, ExitKind) -> F + Send + 'static,
    F: Future<Output: CleanupOutcome> + Send + 'static,
    T: Send + 'static,
{
    Acquire { open, release: Some(release), hold: None }
}

pin_project! {
    /// The future of [`acquire`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct Acquire<O, C> {
        #[pin]
        open: O,
        release: Option<C>,
        hold: Option<Hold>,
    }
}

impl<T, E, O, C, F> Future for Acquire<O, C>
where
    O: Future<Output = Result<T, E>>,
    C: FnOnce(T, ExitKind) -> F + Send + 'static,
    F: Future<Output: CleanupOutcome> + Send + 'static,
    T: Send + 'static,
{
    type Output = Result<Resource<T>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let owner = stack::cleanup_owner().expect(
            "`acquire` was polled outside any task or body, or in a job, where nothing would release the \
             resource: await it in a task or body, or open a group around it",
        );
        let hold = this.hold.get_or_insert_with(Hold::new);
        let opened = hold.run(|| this.open.poll(cx));
        let opened = ready!(opened);
        let release = this.release.take().expect("it is not polled after it has returned");
        let resource = opened.map(|value| Resource::new(value, release, &owner));
        *this.hold = None;
        Poll::Ready(resource)
    }
}

impl<O, C> fmt::Debug for Acquire<O, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire").finish_non_exhaustive()
    }
}

/// A resource that is released when its task has ended: from [`acquire`].
///
/// It lends the value; dropping it keeps the value until the task's clean-ups run. One that is
/// forgotten ([`std::mem::forget`]) is not released.
#[must_use = "it is kept until the task has ended; call `release` to have that earlier"]
pub struct Resource<T: Send + 'static> {
    /// `None` once it was given back.
    value: Option<T>,
    place: Arc<Place<T>>,
    /// That of the clean-up that has the same place.
    cleanup: Registration,
}

/// Where the value waits for its release.
struct Place<T> {
    /// Locked to move parts in and out; dropped and called outside.
    parts: Mutex<Parts<T>>,
    /// For a value that comes back after the clean-ups have run.
    runtime: Option<AnyRuntime>,
}

struct Parts<T> {
    /// Given back, not released yet.
    value: Option<T>,
    /// Until it is called.
    release: Option<Release<T>>,
    /// Begun, and cut.
    current: Option<Releasing>,
    /// The clean-ups have run, or were dropped, while the value was lent.
    late: Option<ExitKind>,
}

type Release<T> = Box<dyn FnOnce(T, ExitKind) -> Releasing + Send>;
type Releasing = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

impl<T: Send + 'static> Place<T> {
    /// The clean-up of the task: releases the value, or leaves that to whoever gives it back.
    async fn clean_up(&self, exit: ExitKind) -> Result<(), BoxError> {
        let (current, value, release) = {
            let mut parts = lock(&self.parts);
            let value = parts.value.take();
            let release = value.as_ref().and_then(|_| parts.release.take());
            parts.late = Some(exit.clone());
            (parts.current.take(), value, release)
        };
        match (current, value, release) {
            (Some(current), ..) => current.await,
            (None, Some(value), Some(release)) => release(value, exit).await,
            _ => Ok(()),
        }
    }

    /// A release that was begun comes back. It goes on now, if its task has ended before.
    fn leave(&self, current: Releasing) {
        let late = {
            let mut parts = lock(&self.parts);
            match parts.late {
                Some(_) => Some(current),
                None => parts.current.replace(current),
            }
        };
        if let Some(releasing) = late {
            release_late(self.runtime.as_ref(), releasing);
        }
    }

    /// The value comes back. What is to be done with it now, if its task has ended before.
    fn give_back(&self, value: T) -> Option<Releasing> {
        let (value, release, exit) = {
            let mut parts = lock(&self.parts);
            let Some(exit) = parts.late.take() else {
                parts.value = Some(value);
                return None;
            };
            (value, parts.release.take()?, exit)
        };
        Some(release(value, exit))
    }
}

/// The clean-up's hold on the place.
struct CleansUp<T>(Arc<Place<T>>);

impl<T> Drop for CleansUp<T> {
    /// Dropped before it began, with its local scope: a value that is lent is released when it comes back.
    fn drop(&mut self) {
        let unrun = || ExitKind::Cancelled(CancelCause::dropped());
        lock(&self.0.parts).late.get_or_insert_with(unrun);
    }
}

impl<T: Send + 'static> Resource<T> {
    fn new<C, F>(value: T, release: C, owner: &CleanupOwner) -> Self
    where
        C: FnOnce(T, ExitKind) -> F + Send + 'static,
        F: Future<Output: CleanupOutcome> + Send + 'static,
    {
        let release: Release<T> = Box::new(|value, exit| {
            Box::pin(async move { release(value, exit).await.into_result() })
        });
        let parts = Parts { value: None, release: Some(release), current: None, late: None };
        let runtime = TaskContext::current().and_then(|context| context.runtime());
        let place = Arc::new(Place { parts: Mutex::new(parts), runtime });
        let kept = CleansUp(place.clone());
        let cleanup = Cleanup::new(move |exit| async move { kept.0.clean_up(exit).await });
        Self { value: Some(value), place, cleanup: owner.push(cleanup) }
    }

    /// Releases it now, [shielded](crate::shield()), as one whose task has ended with a value.
    ///
    /// # Errors
    ///
    /// What the release returned.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped, what is left of the release is done by the task's clean-ups.
    pub async fn release(mut self) -> Result<(), BoxError> {
        let release = lock(&self.place.parts).release.take();
        let (Some(value), Some(release)) = (self.value.take(), release) else {
            return Ok(());
        };
        let current = Some(release(value, ExitKind::Value));
        let released = shield(Current { current, place: self.place.clone() }).await;
        // A task that goes on for long keeps nothing of what it has released (G13).
        self.cleanup.withdraw();
        released
    }
}

/// A release under way; dropped before its end, it is left to the clean-ups.
struct Current<T: Send + 'static> {
    current: Option<Releasing>,
    place: Arc<Place<T>>,
}

impl<T: Send + 'static> Future for Current<T> {
    type Output = Result<(), BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Taken out meanwhile: one that has panicked is not left to anybody.
        let Some(mut current) = self.current.take() else {
            return Poll::Ready(Ok(()));
        };
        let polled = current.as_mut().poll(cx);
        if polled.is_pending() {
            self.current = Some(current);
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Current<T> {
    fn drop(&mut self) {
        if let Some(current) = self.current.take() {
            self.place.leave(current);
        }
    }
}

impl<T: Send + 'static> Drop for Resource<T> {
    fn drop(&mut self) {
        let Some(value) = self.value.take() else { return };
        if let Some(releasing) = self.place.give_back(value) {
            release_late(self.place.runtime.as_ref(), releasing);
        }
    }
}

/// Its task has ended before it: the release is a detached task of the runtime.
fn release_late(runtime: Option<&AnyRuntime>, releasing: Releasing) {
    let Some(runtime) = runtime else {
        unhandled::report_text(UnhandledKind::Cleanup, None, "a resource was not released");
        return;
    };
    drop(runtime.spawn_detached(async {
        if let Err(error) = releasing.await {
            unhandled::report_error(UnhandledKind::Cleanup, None, error.as_error());
        }
    }));
}

impl<T: Send + 'static> Deref for Resource<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect("only `release` and `drop` take the value")
    }
}

impl<T: Send + 'static> DerefMut for Resource<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("only `release` and `drop` take the value")
    }
}

impl<T: Send + fmt::Debug + 'static> fmt::Debug for Resource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Resource").field(&self.value).finish()
    }
}
