//! The one line of an error: counts from the top down, then the first failure (E5).

use std::fmt;

use crate::cancel::{CancelCause, CauseKind};
use crate::error::{AsDynError, ErrorGroup, escape};
use crate::task::TaskInfo;

/// Goes down to the first failure that is no group, with a limit on the levels that are written and
/// without recursion (E4).
pub(crate) fn write<E: AsDynError>(
    f: &mut fmt::Formatter<'_>,
    group: &ErrorGroup<E>,
    cause: Option<&CancelCause>,
    overdue: &[TaskInfo],
) -> fmt::Result {
    count(f, group, cause, false)?;
    late(f, overdue, false)?;
    let (mut failure, mut level) = (group.first(), 0);
    while let Some(inner) = failure.group() {
        level += 1;
        if level <= LEVELS_WRITTEN {
            first(f, failure.task())?;
            count(f, inner.nested(), inner.cause(), false)?;
        }
        failure = inner.nested().first();
    }
    if level > LEVELS_WRITTEN {
        write!(f, "; {} levels below", level - LEVELS_WRITTEN)?;
    }
    first(f, failure.task())?;
    escape::write(f, failure.as_error(), None, false)
}

fn first(f: &mut fmt::Formatter<'_>, task: &TaskInfo) -> fmt::Result {
    f.write_str("; first: ")?;
    escape::write(f, task, None, false)?;
    f.write_str(": ")
}

/// "group failed: 3 failures", direct ones only, and a cause that is not one of them.
pub(crate) fn count<E>(
    f: &mut fmt::Formatter<'_>,
    group: &ErrorGroup<E>,
    cause: Option<&CancelCause>,
    ascii: bool,
) -> fmt::Result {
    escape::write(f, group.message(), None, ascii)?;
    write!(f, ": {}", Count(group.len()))?;
    match cause {
        Some(cause) if !is_own_failure(cause) => {
            f.write_str(", cancelled: ")?;
            escape::write(f, cause, None, ascii)
        }
        _ => Ok(()),
    }
}

/// Who had to be dropped when the grace period was over (C3): the first of them.
pub(crate) fn late(f: &mut fmt::Formatter<'_>, tasks: &[TaskInfo], ascii: bool) -> fmt::Result {
    let Some((task, more)) = tasks.split_first() else { return Ok(()) };
    f.write_str("; not stopped in time: ")?;
    escape::write(f, task, None, ascii)?;
    if more.is_empty() { Ok(()) } else { write!(f, " and {} more", more.len()) }
}

/// Whether the cause says no more than that there are failures.
pub(crate) fn is_own_failure(cause: &CancelCause) -> bool {
    matches!(cause.kind(), CauseKind::SiblingFailed(_))
}

/// "1 failure", "3 failures".
pub(crate) struct Count(pub(crate) usize);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0 == 1 { "" } else { "s" };
        write!(f, "{} failure{plural}", self.0)
    }
}

const LEVELS_WRITTEN: usize = 4;
