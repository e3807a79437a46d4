//! Completion policies: what the end of one task means for its siblings (G16).

use std::fmt;
use std::marker::PhantomData;

use crate::cancel::CancelCause;
use crate::error::Failure;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::task::TaskInfo;
use crate::unhandled::{self, UnhandledKind};

/// What a group does after one of its tasks has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The siblings go on, and a failure stays in the group's error.
    Continue,
    /// The siblings go on, and the failure is dropped: the policy has dealt with it, and the group keeps
    /// nothing of it. Whoever awaits the task is told that it failed, and fails by that if it is passed on.
    /// To a failure of the body, and in other answers, it is as `Continue`.
    Discard,
    /// The group is cancelled: after a failure with cause
    /// [`SiblingFailed`](crate::CauseKind::SiblingFailed), after a success with cause
    /// [`FirstSuccess`](crate::CauseKind::FirstSuccess).
    Cancel,
}

/// A task that has ended, for a [`Policy`]; what it is called is looked up when asked for.
pub struct EndedTask<'a> {
    info: &'a dyn Fn() -> TaskInfo,
    cause: Option<&'a CancelCause>,
}

impl<'a> EndedTask<'a> {
    pub(crate) fn succeeded(info: &'a dyn Fn() -> TaskInfo) -> Self {
        Self { info, cause: None }
    }

    pub(crate) fn expired(info: &'a dyn Fn() -> TaskInfo, cause: &'a CancelCause) -> Self {
        Self { info, cause: Some(cause) }
    }

    /// Its id, name and spawn location.
    pub fn info(&self) -> TaskInfo {
        (self.info)()
    }

    /// Why it came back cancelled; `None` where it ended with a value.
    pub fn cause(&self) -> Option<&CancelCause> {
        self.cause
    }
}

impl fmt::Debug for EndedTask<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndedTask").field("info", &self.info()).field("cause", &self.cause).finish()
    }
}

/// A completion policy: a value that is told how each task and job of a group ended (G16).
///
/// # Implementing
///
/// The methods may be called from several threads at once and must not block. A panic in one of
/// them is reported to the [unhandled-failure hook](crate::unhandled) and counts as
/// [`Verdict::Cancel`].
///
/// # Examples
///
/// A group that stops after the third failure, and not before:
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
/// use anyscope_core::{Failure, Policy, Verdict};
///
/// struct MaxFailures(AtomicUsize);
///
/// impl<E> Policy<E> for MaxFailures {
///     fn on_failure(&self, _: &Failure<E>) -> Verdict {
///         if self.0.fetch_add(1, Relaxed) + 1 < 3 { Verdict::Continue } else { Verdict::Cancel }
///     }
/// }
/// ```
///
/// A group that has what it wants when three tasks have a value, whatever the others do:
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
/// use anyscope_core::{EndedTask, Failure, Policy, Verdict};
///
/// #[derive(Default)]
/// struct Quorum(AtomicUsize);
///
/// impl<E> Policy<E> for Quorum {
///     fn on_failure(&self, _: &Failure<E>) -> Verdict {
///         Verdict::Continue
///     }
///
///     fn on_success(&self, _: &EndedTask<'_>) -> Verdict {
///         if self.0.fetch_add(1, Relaxed) + 1 < 3 { Verdict::Continue } else { Verdict::Cancel }
///     }
///
///     // The failures of those that were not needed are dropped.
///     fn forgives(&self) -> bool {
///         self.0.load(Relaxed) >= 3
///     }
/// }
/// ```
pub trait Policy<E>: Send + Sync + 'static {
    /// A task, job or the body has failed. The failure is in the group's error, unless the answer is
    /// [`Verdict::Discard`].
    fn on_failure(&self, failure: &Failure<E>) -> Verdict;

    /// A task or job has ended with a value. The body is not reported here.
    fn on_success(&self, _task: &EndedTask<'_>) -> Verdict {
        Verdict::Continue
    }

    /// A task came back cancelled by the deadline of a group that it had opened. That is a cause and never a
    /// failure (E6); the default lets it end this group too, so that it is not lost. Not asked once this
    /// group is cancelled itself, by a deadline further out say.
    fn on_expired(&self, _task: &EndedTask<'_>) -> Verdict {
        Verdict::Cancel
    }

    /// Whether the group succeeds with its body's value although there were failures. Asked once,
    /// after all children have ended; the failures are then dropped.
    fn forgives(&self) -> bool {
        false
    }
}

/// The first failure cancels the group (G3). The default.
#[derive(Clone, Copy, Debug, Default)]
pub struct FailFast;

impl<E> Policy<E> for FailFast {
    fn on_failure(&self, _: &Failure<E>) -> Verdict {
        Verdict::Cancel
    }
}

/// Failures are collected, siblings go on (G16). A panic cancels the group all the same, unless
/// [`panics`](crate::GroupFuture::panics) makes a failure of it.
///
/// All failures are kept until the group returns. For a group that lives long, a server's, there is
/// [`Supervise::reporting`], which keeps none. A task whose own inner group was cut by a deadline is
/// cancelled, which is no failure: here only its handle says so (E6).
#[derive(Clone, Copy, Debug, Default)]
pub struct Supervise;

impl Supervise {
    /// Siblings go on, and each failure goes to `report` and no further: the group keeps nothing of it and
    /// does not fail by it (G16). `report` is called where the task ended, by several threads perhaps at
    /// once, and must not block.
    ///
    /// A task whose own inner group was cut by a deadline has not failed (E6): that goes to the
    /// [unhandled-failure hook](crate::unhandled), or to what [`expired`](Reporting::expired) is given.
    ///
    /// # Examples
    ///
    /// ```
    /// use anyscope_core::{BoxError, Group, GroupError, Runtime, Supervise};
    ///
    /// async fn answer(_request: u32) -> Result<(), BoxError> {
    ///     Err(BoxError::msg("connection reset"))
    /// }
    ///
    /// async fn serve<R: Runtime>(rt: &R, requests: Vec<u32>) -> Result<(), GroupError> {
    ///     let all = rt.group(async |g| {
    ///         for request in requests {
    ///             g.task(answer(request)).name("request").spawn();
    ///         }
    ///         Ok(())
    ///     });
    ///     all.policy(Supervise::reporting(|failure| eprintln!("{failure}"))).await
    /// }
    /// ```
    pub fn reporting<E, F>(report: F) -> Reporting<E, F>
    where
        F: Fn(&Failure<E>) + Send + Sync + 'static,
    {
        Reporting { report, expired: Box::new(report_expired), error: PhantomData }
    }
}

/// The policy of [`Supervise::reporting`].
pub struct Reporting<E, F> {
    report: F,
    expired: Box<dyn Fn(&EndedTask<'_>) + Send + Sync>,
    error: PhantomData<fn(&E)>,
}

impl<E, F> Reporting<E, F> {
    /// Calls `report` for each task that came back cancelled by the deadline of a group of its own, or by the
    /// shutdown of one, in place of the hook. As the other it must not block.
    ///
    /// # Examples
    ///
    /// ```
    /// use anyscope_core::{BoxError, Failure, Supervise};
    ///
    /// let policy = Supervise::reporting(|failure: &Failure<BoxError>| eprintln!("{failure}"))
    ///     .expired(|task| eprintln!("{} was out of time", task.info()));
    /// ```
    pub fn expired(self, report: impl Fn(&EndedTask<'_>) + Send + Sync + 'static) -> Self {
        Self { expired: Box::new(report), ..self }
    }
}

fn report_expired(task: &EndedTask<'_>) {
    let text = task.cause().map(CancelCause::to_string).unwrap_or_default();
    unhandled::report_text(UnhandledKind::Expired, Some(&task.info()), &text);
}

impl<E, F> fmt::Debug for Reporting<E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporting").finish_non_exhaustive()
    }
}

impl<E, F> Policy<E> for Reporting<E, F>
where
    E: 'static,
    F: Fn(&Failure<E>) + Send + Sync + 'static,
{
    fn on_failure(&self, failure: &Failure<E>) -> Verdict {
        (self.report)(failure);
        Verdict::Discard
    }

    fn on_expired(&self, task: &EndedTask<'_>) -> Verdict {
        (self.expired)(task);
        Verdict::Continue
    }
}

impl<E> Policy<E> for Supervise {
    fn on_failure(&self, _: &Failure<E>) -> Verdict {
        Verdict::Continue
    }

    fn on_expired(&self, _: &EndedTask<'_>) -> Verdict {
        Verdict::Continue
    }
}

/// The first task that ends with a value wins: the others are cancelled and have ended before the
/// group returns. If all fail, the group fails with all failures (G16).
///
/// The body should return the handles; the winner's value is then taken from its handle (T4). A body
/// that is still running when a task wins is dropped like any other child, and then the group has no
/// value: it fails with the cause [`FirstSuccess`](crate::CauseKind::FirstSuccess). Where all tasks have
/// failed a body that goes on is still waited for.
///
/// # Examples
///
/// ```
/// use anyscope_core::{BoxError, FirstSuccess, Group, Runtime, first_ok};
///
/// async fn fetch(mirror: u32) -> Result<String, BoxError> {
///     if mirror == 1 { Err(BoxError::msg("not found")) } else { Ok(format!("from {mirror}")) }
/// }
///
/// async fn fastest<R: Runtime>(rt: &R, mirrors: Vec<u32>) -> Result<String, BoxError> {
///     let tasks = rt.group(async |g| {
///         let fetch = |mirror| g.spawn(fetch(mirror));
///         Ok(mirrors.into_iter().map(fetch).collect::<Vec<_>>())
///     });
///     let tasks = tasks.policy(FirstSuccess::default()).await?; // if all failed, with all failures
///     Ok(first_ok(tasks).await?) // they have ended: this takes the winner's value
/// }
/// ```
#[derive(Debug, Default)]
pub struct FirstSuccess {
    /// Set by the first success, read after the last child has ended; the group's count orders them.
    won: AtomicBool,
}

impl<E> Policy<E> for FirstSuccess {
    fn on_failure(&self, _: &Failure<E>) -> Verdict {
        Verdict::Continue
    }

    fn on_success(&self, _: &EndedTask<'_>) -> Verdict {
        self.won.store(true, Ordering::Relaxed);
        Verdict::Cancel
    }

    fn on_expired(&self, _: &EndedTask<'_>) -> Verdict {
        Verdict::Continue
    }

    fn forgives(&self) -> bool {
        self.won.load(Ordering::Relaxed)
    }
}
