//! `defer`: asynchronous clean-ups that run when their task's future is gone (C5).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::cancel::CancelCause;
use crate::error::BoxError;
use crate::group::Unit;
use crate::panics::{Payload, catch, drop_contained};
use crate::protect::{Cover, Hold};
use crate::stack::{self, Doing, run_as};
use crate::sync::WakerId;
use crate::task::TaskInfo;
use crate::unhandled::{self, UnhandledKind};

/// How a task or body ended, as its clean-ups are told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExitKind {
    /// With a value.
    Value,
    /// With an `Err`.
    Failed,
    /// With a panic, of its future or of that one's destructor.
    Panicked,
    /// It was cancelled, and its future dropped.
    Cancelled(CancelCause),
}

impl fmt::Display for ExitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value => f.write_str("with a value"),
            Self::Failed => f.write_str("failed"),
            Self::Panicked => f.write_str("panicked"),
            Self::Cancelled(cause) => write!(f, "cancelled: {cause}"),
        }
    }
}

/// What a clean-up may return: nothing, or a result whose error goes to the
/// [unhandled-failure hook](crate::unhandled).
pub trait CleanupOutcome: Send + 'static {
    /// As a result.
    #[expect(clippy::missing_errors_doc, reason = "it only converts")]
    fn into_result(self) -> Result<(), BoxError>;
}

impl CleanupOutcome for () {
    fn into_result(self) -> Result<(), BoxError> {
        Ok(())
    }
}

impl<E: Into<BoxError> + Send + 'static> CleanupOutcome for Result<(), E> {
    fn into_result(self) -> Result<(), BoxError> {
        self.map_err(Into::into)
    }
}

/// Registers a clean-up of the current task or body: it runs when the task ends, not when the function
/// returns in which this is called. It runs after the task's future is gone, however that came, and before
/// the task counts as ended (C5). In a loop, put a group around each turn, whose body is what the clean-up
/// belongs to then: `rt.group(async |_| one().await).await?`.
///
/// Clean-ups run one after the other, the last registered first, [shielded](crate::shield()) from
/// cancellation, and are told how the task ended. They may await, open groups, and defer more. Where
/// a group's future is dropped from outside, its body's clean-ups run on the runtime, and the
/// enclosing group waits for them. An error or panic of a clean-up goes to the
/// [unhandled-failure hook](crate::unhandled), and the others run (P3). On a runtime that is being
/// shut down they are dropped unpolled, and reported there too.
///
/// In a child of a [local scope](crate::scope) they run in place; if the scope's future is dropped,
/// they are dropped unpolled and reported (S2).
///
/// Semantics as of finalizers of a `Scope` in ZIO, and of `AsyncExitStack` in Python.
///
/// # Panics
///
/// Outside any task or body, in a plain `#[tokio::main]` say, and in a job: there is nothing that would run
/// it. A library that may be called from anywhere opens a group itself, and defers in its body. In a
/// done-callback it is too late: what is deferred there is dropped and reported.
///
/// # Examples
///
/// ```
/// use anyscope_core::{BoxError, ExitKind, Group, GroupError, Runtime, defer};
///
/// # async fn write(_: &str) -> Result<(), BoxError> { Ok(()) }
/// # async fn remove(_: &str) {}
/// /// Whoever calls it: the group's body is what the clean-up belongs to.
/// async fn save<R: Runtime>(rt: &R, file: &'static str) -> Result<(), GroupError> {
///     rt.group(async |_| {
///         defer(async move |exit| {
///             if exit != ExitKind::Value {
///                 remove(file).await; // it is half-written
///             }
///         });
///         write(file).await
///     })
///     .await
/// }
/// ```
#[track_caller]
pub fn defer<C, F>(cleanup: C)
where
    C: FnOnce(ExitKind) -> F + Send + 'static,
    F: Future<Output: CleanupOutcome> + Send + 'static,
{
    let registered = try_defer(cleanup);
    assert!(
        registered.is_ok(),
        "`defer` was called outside any task or body, or in a job, where nothing would run the \
         clean-up: call it in a task or body, or `try_defer`, which gives the clean-up back"
    );
}

/// Like [`defer`], for code that does not know where it runs, such as a destructor: outside any task
/// or body, and in a job, it gives the clean-up back.
///
/// # Errors
///
/// The clean-up, if there is nothing that would run it.
///
/// # Examples
///
/// ```
/// use anyscope_core::try_defer;
///
/// assert!(try_defer(async |_exit| {}).is_err(), "there is no task here");
/// ```
pub fn try_defer<C, F>(cleanup: C) -> Result<(), C>
where
    C: FnOnce(ExitKind) -> F + Send + 'static,
    F: Future<Output: CleanupOutcome> + Send + 'static,
{
    let Some(owner) = stack::cleanup_owner() else { return Err(cleanup) };
    owner.push(Cleanup::new(cleanup));
    Ok(())
}

/// A clean-up that has not begun.
pub(crate) struct Cleanup(Box<dyn FnOnce(ExitKind) -> CleanupFuture + Send>);

type CleanupFuture = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

impl Cleanup {
    pub(crate) fn new<C, F>(cleanup: C) -> Self
    where
        C: FnOnce(ExitKind) -> F + Send + 'static,
        F: Future<Output: CleanupOutcome> + Send + 'static,
    {
        // The closure is called in the first poll, where its panic is caught.
        Self(Box::new(|exit| Box::pin(async move { cleanup(exit).await.into_result() })))
    }
}

/// The clean-ups of one unit on their way. Dropped early, it reports those that did not run.
pub(crate) struct CleanupRun {
    exit: ExitKind,
    /// For reports.
    task: Option<TaskInfo>,
    current: Option<CleanupFuture>,
    /// Holds those that are left; they may add to it.
    cover: Arc<Cover>,
    hold: Option<Hold>,
}

impl CleanupRun {
    pub(crate) fn new(exit: ExitKind, task: Option<TaskInfo>, cover: Arc<Cover>) -> Self {
        Self { exit, task, current: None, cover, hold: None }
    }

    /// Runs them until all have ended. Called in the context of the unit.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let current = match &mut self.current {
                Some(current) => current,
                None => match self.cover.pop() {
                    Some(Cleanup(begin)) => self.current.insert(begin(self.exit.clone())),
                    None => return Poll::Ready(()),
                },
            };
            let hold = self.hold.get_or_insert_with(Hold::new);
            let outcome = match catch(|| hold.run(|| current.as_mut().poll(cx))) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(outcome)) => Ok(outcome),
                Err(payload) => Err(payload),
            };
            let ended = self.current.take();
            let dropped = catch(|| hold.run(|| drop(ended)));
            self.report(outcome);
            self.report(dropped.map(Ok));
        }
    }

    /// The same in the context of their unit, which comes back. It is parked while they go on: a timeout in
    /// one may wait for a shield that ends elsewhere, and whoever polls a body has a time to see to.
    pub(crate) fn poll_as(&mut self, unit: Unit, cx: &mut Context<'_>) -> (Unit, Poll<()>) {
        let doing = Doing::Poll(WakerId::of(cx.waker()));
        let (mut unit, polled) = run_as(unit, doing, || self.poll(cx));
        if let Ok(Poll::Pending) = polled {
            unit.park(cx.waker());
        }
        (unit, polled.unwrap_or(Poll::Ready(())))
    }

    /// What is left belongs to whom `heir` covers.
    pub(crate) fn handed_to(mut self, heir: Arc<Cover>) -> Self {
        self.cover.hand_over(&heir);
        self.cover = heir;
        self
    }

    /// Goes on elsewhere, shielded as before.
    pub(crate) fn moved(mut self) -> Self {
        self.hold.iter_mut().for_each(Hold::moved);
        self
    }

    fn report(&self, outcome: Result<Result<(), BoxError>, Payload>) {
        let (kind, task) = (UnhandledKind::Cleanup, self.task.as_ref());
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                unhandled::report_error(kind, task, error.as_error());
                drop_contained(error);
            }
            Err(payload) => {
                unhandled::report_panic(kind, task, payload);
            }
        }
    }

    fn drop_unrun(&self, cleanup: impl Sized) {
        unhandled::report_text(
            UnhandledKind::Cleanup,
            self.task.as_ref(),
            "dropped before its end",
        );
        self.report(catch(|| drop(cleanup)).map(Ok));
    }
}

impl Drop for CleanupRun {
    fn drop(&mut self) {
        if let Some(current) = self.current.take() {
            self.drop_unrun(current);
        }
        while let Some(cleanup) = self.cover.pop() {
            self.drop_unrun(cleanup);
        }
    }
}
