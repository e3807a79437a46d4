//! `AsDynError`: what a group asks of its error type, and how it recognises its own echoes.

use std::error::Error;
use std::sync::OnceLock;

use crate::cancel::{CancelCause, CancelMarker, Cancelled};
use crate::error::{BoxError, ErrorGroup, GroupError};
use crate::group::{GroupId, report_overdue};
use crate::panics::{answer, drop_contained};
use crate::task::Recorded;
use crate::unhandled::UnhandledKind;

/// An error type that a group can hold: every [`Error`] that is `Send + Sync + 'static`, and
/// [`BoxError`]. There is nothing to implement.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error type of a group",
    note = "it must implement `std::error::Error + Send + Sync + 'static`, or be `BoxError`",
    note = "`Box<dyn Error + Send + Sync>`, `anyhow::Error` and `eyre::Report` go into a group of `BoxError` by \
            `BoxError::from_box`, which says how the first two keep their type"
)]
pub trait AsDynError: Send + Sync + 'static {
    /// The error as a trait object. (Not `as_dyn_error`: by that name `thiserror` calls a trait of its own,
    /// and would find two where this one is imported.)
    fn as_error(&self) -> &(dyn Error + 'static);

    /// The inner group's error that this is, if the type can tell (G14): then it becomes a nested
    /// node instead of a leaf.
    ///
    /// # Errors
    ///
    /// Gives `self` back if it is not one.
    #[doc(hidden)]
    fn into_nested(self) -> Result<GroupError<Self>, Self>
    where
        Self: Sized,
    {
        Err(self)
    }
}

impl<E: Error + Send + Sync + 'static> AsDynError for E {
    fn as_error(&self) -> &(dyn Error + 'static) {
        self
    }
}

impl AsDynError for BoxError {
    fn as_error(&self) -> &(dyn Error + 'static) {
        BoxError::as_error(self)
    }

    fn into_nested(self) -> Result<GroupError<Self>, Self> {
        self.downcast().or_else(|error| error.downcast::<ErrorGroup>().map(GroupError::from))
    }
}

/// An error that came back through `?` and is not a failure of its own (G4).
#[derive(Debug)]
pub(crate) enum Echo {
    /// A mere cancellation.
    Cancelled(CancelCause),
    /// A failure or panic that the group already has.
    Recorded,
}

impl Echo {
    /// Looks for our own types in the `source()` chain of an error that a unit of `group` returned.
    pub(crate) fn of(error: &(dyn Error + 'static), group: GroupId) -> Option<Self> {
        chain(error).find_map(|error| {
            if let Some(marker) = error.downcast_ref::<CancelMarker>() {
                return Some(Self::Cancelled(marker.cause().clone()));
            }
            let recorded = error.downcast_ref::<Recorded>()?;
            recorded.is_echo_in(group).then_some(Self::Recorded)
        })
    }

    /// The same of the error of an inner group: a mere cancellation, or one whose failures, put into it by
    /// hand, are no more than echoes. Then its own cause is the echo, if that stands for itself.
    pub(crate) fn of_group<E: AsDynError>(inner: &GroupError<E>, group: GroupId) -> Option<Self> {
        let own = inner.cause().filter(|cause| cause.stands_alone());
        Self::of(inner, group).map(|echo| own.cloned().map_or(echo, Self::Cancelled))
    }

    /// The error becomes a failure of some other group: what it reports is part of it from now on,
    /// and going up inside that group's error it is no echo any more.
    pub(crate) fn end_in(error: &(dyn Error + 'static)) {
        let markers = chain(error).filter_map(|error| error.downcast_ref::<Recorded>());
        markers.for_each(Recorded::count);
    }
}

/// Drops an error that is no more than an echo. Who had to be dropped at the end of a grace period stands
/// nowhere else, and is reported (C3).
pub(crate) fn drop_echo(error: impl AsDynError) {
    let cancelled = chain(error.as_error()).find_map(|error| error.downcast_ref::<Cancelled>());
    report_overdue(cancelled.map_or(&[], Cancelled::overdue));
    drop_contained(error);
}

/// Whether an error only says that something was cancelled (G4).
pub(crate) fn is_cancellation(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|error| error.is::<CancelMarker>())
}

/// Whether an error only says that a group has a failure or panic.
fn is_report(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|error| error.downcast_ref().is_some_and(Recorded::is_uncounted))
}

/// Which of several errors stands for all of them, where only one can: the first that is a failure of its
/// own, else the first that is a report of one, else the first. So none is taken for a mere echo while there
/// is a failure in it (G4).
///
/// Looked for once: errors of this kind may hold others of it, and to look at all below at each level would
/// take exponential time.
#[derive(Debug, Default)]
pub(crate) struct Gravest(OnceLock<usize>);

impl Gravest {
    /// Its position; `None` stands for what is known to be a failure.
    pub(crate) fn of<'a, I>(&self, errors: I) -> usize
    where
        I: Iterator<Item = Option<&'a (dyn Error + 'static)>> + Clone,
    {
        if let Some(known) = self.0.get() {
            return *known;
        }
        let is_news = |error| !is_cancellation(error);
        let is_own = |error| is_news(error) && !is_report(error);
        let own = errors.clone().position(|error| error.is_none_or(is_own));
        let news = || errors.clone().position(|error| error.is_none_or(is_news));
        let position = own.or_else(news).unwrap_or(0);
        // Not in `get_or_init`, which would be a lock that is held while users' errors are asked for sources.
        *self.0.get_or_init(|| position)
    }
}

/// The error and its sources, up to a limit because a chain may be cyclic.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| source(*error)).take(64)
}

/// None where the error panics when it is asked: it is asked where a panic would lose the end of its task.
fn source<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    answer(UnhandledKind::Panic, None, || error.source())
}
