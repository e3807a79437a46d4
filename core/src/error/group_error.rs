//! `GroupError`: how a group ends when it has no value: its cause, its failures, or both (G7, G21).

use std::error::Error;
use std::fmt;

use crate::cancel::{CancelCause, Cancelled, CauseKind};
use crate::error::{
    AsDynError, BoxError, ErrorGroup, Failure, Handled, Handling, Leaf, Leaves, Tree, line, split,
};
use crate::group::GroupId;
use crate::task::TaskInfo;

/// Why a group has no value: it was cancelled, it failed, or both (G7, G21).
///
/// `Display` is one line; the alternate form (`{:#}`) and `Debug` draw the tree of failures (E5).
///
/// # Examples
///
/// ```
/// use anyscope_core::{BoxError, GroupError};
///
/// fn report(error: &GroupError<BoxError>) {
///     if let Some(cause) = error.cause() {
///         eprintln!("cancelled: {cause}");
///     }
///     for failure in error.failures().into_iter().flatten() {
///         eprintln!("{failure}");
///     }
/// }
/// ```
pub struct GroupError<E = crate::BoxError> {
    cancelled: Option<Cancelled>,
    /// At least one of the two fields is there.
    failures: Option<ErrorGroup<E>>,
}

impl<E> GroupError<E> {
    /// `None` if there is neither a cause nor a failure: then there is no error.
    pub(crate) fn new(cause: Option<CancelCause>, failures: Vec<Failure<E>>) -> Option<Self> {
        let failures = ErrorGroup::from_failures(failures);
        (cause.is_some() || failures.is_some())
            .then(|| Self { cancelled: cause.map(Cancelled::from), failures })
    }

    /// A mere cancellation.
    pub(crate) fn cancelled(cause: impl Into<Cancelled>) -> Self {
        Self { cancelled: Some(cause.into()), failures: None }
    }

    /// Names those who did not stop within a grace period, which is part of having been cancelled.
    pub(crate) fn with_overdue(self, overdue: Vec<TaskInfo>) -> Self {
        let cancelled = self.cancelled.map(|cancelled| cancelled.with_overdue(overdue));
        Self { cancelled, ..self }
    }

    pub(crate) fn failed(failures: ErrorGroup<E>, cancelled: Option<Cancelled>) -> Self {
        Self { cancelled, failures: Some(failures) }
    }

    /// Why the group was cancelled, if it was. A fail-fast group that failed was cancelled by its
    /// first failure.
    pub fn cause(&self) -> Option<&CancelCause> {
        self.cancelled.as_ref().map(Cancelled::cause)
    }

    /// The failures, if there were any.
    pub fn failures(&self) -> Option<&ErrorGroup<E>> {
        self.failures.as_ref()
    }

    /// The failures by value, if there were any.
    pub fn into_failures(self) -> Option<ErrorGroup<E>> {
        self.failures
    }

    /// All failures that are not groups themselves, in order, each with its path (E4). None for a
    /// mere cancellation.
    pub fn leaves(&self) -> Leaves<'_, E> {
        Leaves::new(self.failures())
    }

    /// Whether it is a mere cancellation, without a failure (G20). False for a group that has failed, though
    /// that has a [`cause`](Self::cause) as well.
    pub fn is_cancelled(&self) -> bool {
        self.failures.is_none()
    }

    /// The tasks, at whatever depth, that had not ended when the group's grace period was over (C3).
    /// They were dropped then; a job or a shielded task was still waited for. The error's text names the
    /// first of them.
    pub fn overdue(&self) -> &[TaskInfo] {
        self.cancelled.as_ref().map_or(&[], Cancelled::overdue)
    }

    pub(crate) fn is_deadline_of(&self, group: Option<GroupId>) -> bool {
        let deadline = |cause: &CancelCause| match cause.kind() {
            CauseKind::Deadline(owner) => Some(owner.id()),
            _ => None,
        };
        group.is_some() && self.cause().and_then(deadline) == group
    }

    /// The tree as text, with options.
    pub fn tree(&self) -> Tree<'_, E> {
        Tree::new(self.failures(), self.cause()).with_overdue(self.overdue())
    }

    /// [Notes](ErrorGroup::with_note) something on its failures. A mere cancellation has none and
    /// stays as it is.
    #[must_use]
    pub fn with_note(self, note: impl Into<String>) -> Self {
        Self { failures: self.failures.map(|group| group.with_note(note)), ..self }
    }

    /// Every error made another one, as [`ErrorGroup::map`] does; causes stay. So a group of one
    /// error type can be nested in a group of another (G14); see [`boxed`](Self::boxed) for the ambient one.
    ///
    /// # Panics
    ///
    /// If `f` does. Then all errors are dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use anyscope_core::{GroupError, Runtime};
    ///
    /// enum AppError {
    ///     Parse(ParseError),
    /// }
    /// # type ParseError = std::num::ParseIntError;
    /// async fn parse<R: Runtime>(rt: &R) -> Result<u32, GroupError<ParseError>> {
    ///     rt.group(async |_| "x".parse()).await
    /// }
    ///
    /// async fn start<R: Runtime>(rt: &R) -> Result<u32, GroupError<AppError>> {
    ///     parse(rt).await.map_err(|error| error.map(AppError::Parse))
    /// }
    /// ```
    #[must_use]
    pub fn map<F>(self, f: impl FnMut(E) -> F) -> GroupError<F> {
        match self.failures {
            Some(failures) => split::map(failures, self.cancelled, f),
            None => GroupError { cancelled: self.cancelled, failures: None },
        }
    }

    /// The same of a group whose errors are any: so it nests in one by `?` (G14). A `GroupError` of another
    /// type does not: by `?` it becomes a single error there, with all failures inside.
    ///
    /// # Examples
    ///
    /// ```
    /// use anyscope_core::{GroupError, GroupHandle, Runtime};
    ///
    /// # type ParseError = std::num::ParseIntError;
    /// async fn parse<R: Runtime>(rt: R) -> Result<u32, GroupError<ParseError>> {
    ///     rt.group(async |_| "x".parse()).await
    /// }
    ///
    /// fn spawn_it<R: Runtime>(g: &GroupHandle<anyscope_core::BoxError, R>, rt: R) {
    ///     g.spawn(async { Ok(parse(rt).await.map_err(GroupError::boxed)?) });
    /// }
    /// ```
    #[must_use]
    pub fn boxed(self) -> GroupError
    where
        E: Into<BoxError>,
    {
        self.map(Into::into)
    }

    /// Splits its failures as [`ErrorGroup::split`] does (E2). The cause stays with each part; a
    /// mere cancellation is all rest.
    ///
    /// # Panics
    ///
    /// If the predicate does. The failures then go to the [unhandled-failure
    /// hook](crate::unhandled) (C9).
    #[must_use = "the parts are all there is left of the error"]
    pub fn split(self, matches: impl FnMut(&Leaf<'_, E>) -> bool) -> (Option<Self>, Option<Self>)
    where
        E: AsDynError,
    {
        match self.failures {
            Some(failures) => split::split(failures, self.cancelled, matches).into(),
            None => (None, Some(self)),
        }
    }

    /// Handles failures by type, in the manner of `except*` (E3): each handler takes from what the
    /// ones before it have left, and [`finish`](Handling::finish) gives the rest. See [`Handling`].
    pub fn handling(self) -> Handling<E>
    where
        E: AsDynError,
    {
        Handling::of(self)
    }

    /// Begins [handling](Self::handling) with [`Handling::handle`].
    ///
    /// # Panics
    ///
    /// If `handler` does, as that says.
    pub fn handle<T, O>(self, handler: impl FnMut(&T) -> O) -> Handling<E>
    where
        E: AsDynError,
        T: Error + 'static,
        O: Handled<E>,
    {
        self.handling().handle(handler)
    }

    pub(crate) fn into_parts(self) -> (Option<ErrorGroup<E>>, Option<Cancelled>) {
        (self.failures, self.cancelled)
    }

    /// The failures of the error of a nested node.
    pub(crate) fn nested(&self) -> &ErrorGroup<E> {
        self.failures.as_ref().expect(NESTED_FAILED)
    }

    pub(crate) fn into_nested(self) -> (ErrorGroup<E>, Option<Cancelled>) {
        (self.failures.expect(NESTED_FAILED), self.cancelled)
    }

    /// The failures of a group about to be dropped, so that depth does not use the stack.
    pub(crate) fn nested_mut(&mut self) -> &mut Vec<Failure<E>> {
        self.failures.as_mut().expect(NESTED_FAILED).failures_mut()
    }
}

const NESTED_FAILED: &str = "a nested group has failures";

impl<E> From<ErrorGroup<E>> for GroupError<E> {
    /// The error of a group that was not cancelled.
    fn from(failures: ErrorGroup<E>) -> Self {
        Self::failed(failures, None)
    }
}

impl<E: AsDynError> fmt::Display for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.failures {
            Some(failures) if !f.alternate() => {
                line::write(f, failures, self.cause(), self.overdue())
            }
            _ => self.tree().fmt(f),
        }
    }
}

impl<E: AsDynError> fmt::Debug for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tree().fmt(f)
    }
}

impl<E: AsDynError> Error for GroupError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match (&self.failures, &self.cancelled) {
            (Some(failures), _) => failures.source(),
            (None, Some(marker)) => Some(marker),
            (None, None) => None,
        }
    }
}
