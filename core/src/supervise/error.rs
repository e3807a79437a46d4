//! `SupervisorError`: why a supervisor has ended, with the history that led to it (V5).

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::cancel::{CancelCause, Cancelled};
use crate::error::{AsDynError, ErrorGroup, Failure, FailureKind, GroupError, escape};
use crate::supervise::InstanceEnd;

/// Why a supervisor ended otherwise than by the end of its children: it gave up, or was cancelled.
///
/// `Display` is one line; the alternate form (`{:#}`) and `Debug` list the history. A mere
/// cancellation is recognised by groups as such (G4).
pub struct SupervisorError<E> {
    kind: Kind,
    history: Vec<InstanceEnd<E>>,
}

enum Kind {
    GaveUp { restarts: usize, period: Duration },
    Cancelled(Cancelled),
}

impl<E> SupervisorError<E> {
    pub(super) fn giving_up(
        restarts: usize,
        period: Duration,
        history: Vec<InstanceEnd<E>>,
    ) -> Self {
        Self { kind: Kind::GaveUp { restarts, period }, history }
    }

    pub(super) fn cancelled(cause: CancelCause, history: Vec<InstanceEnd<E>>) -> Self {
        Self { kind: Kind::Cancelled(cause.into()), history }
    }

    /// A group that the supervisor runs in was cut.
    pub(super) fn cut(cause: Option<&CancelCause>) -> Self {
        Self::cancelled(cause.cloned().unwrap_or_else(CancelCause::requested), Vec::new())
    }

    /// What the group has returned that a supervisor is the only task of.
    pub(super) fn from_group(error: GroupError<Self>) -> Self {
        let cut = Self::cut(error.cause());
        let failures = error.into_failures().map(ErrorGroup::into_failures);
        match failures.into_iter().flatten().map(Failure::into_kind).next() {
            Some(FailureKind::Error(error)) => error,
            _ => cut,
        }
    }

    /// Whether it gave up: there were more restarts than its
    /// [intensity](crate::supervise::Supervisor::intensity) allows (V5).
    pub fn gave_up(&self) -> bool {
        matches!(self.kind, Kind::GaveUp { .. })
    }

    /// Why it was cancelled, if it was.
    pub fn cause(&self) -> Option<&CancelCause> {
        match &self.kind {
            Kind::Cancelled(marker) => Some(marker.cause()),
            Kind::GaveUp { .. } => None,
        }
    }

    /// The ends that led to it, in order of occurrence: of a supervisor that gave up, those within
    /// its period, and failures of children that were stopped; of one that was cancelled, the
    /// failures while it stopped.
    pub fn history(&self) -> &[InstanceEnd<E>] {
        &self.history
    }

    /// The same by value.
    pub fn into_history(self) -> Vec<InstanceEnd<E>> {
        self.history
    }

    /// The latest end that was a failure; a cancellation is none, and must not look like the source.
    fn last_failure(&self) -> Option<&GroupError<E>> {
        self.history.iter().rev().find_map(InstanceEnd::failure)
    }
}

impl<E: AsDynError> fmt::Display for SupervisorError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::GaveUp { restarts, period } => {
                write!(f, "supervisor gave up: more than {restarts} restarts in {period:?}")?;
            }
            Kind::Cancelled(marker) => {
                escape::write(f, format_args!("supervisor {marker}"), None, false)?;
            }
        }
        if f.alternate() {
            return self.history.iter().try_for_each(|end| write!(f, "\n- {end}"));
        }
        self.history.last().map_or(Ok(()), |end| write!(f, "; last {end}"))
    }
}

impl<E: AsDynError> fmt::Debug for SupervisorError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:#}")
    }
}

impl<E: AsDynError> Error for SupervisorError<E> {
    /// The latest failure; without any, what says that it was cancelled.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match (self.last_failure(), &self.kind) {
            (Some(failure), _) => Some(failure),
            (None, Kind::Cancelled(marker)) => Some(marker),
            (None, Kind::GaveUp { .. }) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::error::BoxError;

    #[test]
    fn it_is_one_line_whatever_users_wrote() {
        let end = InstanceEnd::<BoxError>::new("a\nname".into(), Instant::now(), false, Ok(()));
        let error = SupervisorError::cancelled(CancelCause::because("a\nreason"), vec![end]);
        assert_eq!(
            error.to_string(),
            "supervisor cancelled: requested: a\\nreason; last child `a\\nname` returned"
        );
        assert_eq!(format!("{error:#}").lines().count(), 2);
    }
}
