//! How a tree of failures is printed: one line, or one line per failure with branches.

use std::error::Error;
use std::fmt;

use crate::error::{AsDynError, ErrorGroup, Failure, FailureKind};

/// "1 failure", "3 failures": direct ones only, like Python's exception groups.
pub(crate) fn count_line<E>(f: &mut fmt::Formatter<'_>, group: &ErrorGroup<E>) -> fmt::Result {
    let plural = if group.len() == 1 { "" } else { "s" };
    write!(f, "group failed: {} failure{plural}", group.len())
}

/// The one line: the counts from the top down to the first failure that is no group, with a limit
/// on the levels that are written and without recursion (E4).
pub(crate) fn line<E: AsDynError>(
    f: &mut fmt::Formatter<'_>,
    suffix: &str,
    group: &ErrorGroup<E>,
) -> fmt::Result {
    count_line(f, group)?;
    f.write_str(suffix)?;
    let (mut failure, mut level) = (group.first(), 0);
    while let FailureKind::Group(inner) = failure.kind() {
        let Some(group) = inner.failures() else { break };
        level += 1;
        if level <= LEVELS_IN_LINE {
            write!(f, "; first: {}: ", failure.task())?;
            count_line(f, group)?;
            f.write_str(&inner.suffix())?;
        }
        failure = group.first();
    }
    if level > LEVELS_IN_LINE {
        write!(f, "; {} levels below", level - LEVELS_IN_LINE)?;
    }
    write!(f, "; first: {}: ", failure.task())?;
    match failure.kind() {
        FailureKind::Error(error) => write!(f, "{}", error.as_dyn_error()),
        FailureKind::Panic(panic) => write!(f, "{panic}"),
        FailureKind::Group(inner) => f.write_str(&inner.suffix()),
    }
}

const LEVELS_IN_LINE: usize = 4;

/// Draws the tree without recursion, so that depth does not use the stack (E4).
pub(crate) fn draw<E: AsDynError>(
    f: &mut fmt::Formatter<'_>,
    suffix: &str,
    group: &ErrorGroup<E>,
) -> fmt::Result {
    count_line(f, group)?;
    f.write_str(suffix)?;
    let mut levels = vec![group.iter()];
    while let Some(level) = levels.last_mut() {
        let Some(failure) = level.next() else {
            levels.pop();
            continue;
        };
        let indent = Indent { levels: &levels };
        write!(f, "\n{indent}{}: ", failure.task())?;
        if let Some(inner) = draw_failure(f, failure, &levels)? {
            levels.push(inner.iter());
        }
    }
    Ok(())
}

type Levels<'a, E> = [std::slice::Iter<'a, Failure<E>>];

/// Writes one failure and gives the group inside it, if it is one.
fn draw_failure<'a, E: AsDynError>(
    f: &mut fmt::Formatter<'_>,
    failure: &'a Failure<E>,
    levels: &Levels<'_, E>,
) -> Result<Option<&'a ErrorGroup<E>>, fmt::Error> {
    match failure.kind() {
        FailureKind::Error(error) => draw_chain(f, error.as_dyn_error(), levels)?,
        FailureKind::Panic(panic) => write!(f, "{panic}")?,
        FailureKind::Group(inner) => {
            let group = inner.failures();
            if let Some(group) = group {
                count_line(f, group)?;
                f.write_str(&inner.suffix())?;
            }
            return Ok(group);
        }
    }
    Ok(None)
}

/// The error and what caused it, up to a limit because a chain may be cyclic.
fn draw_chain<E>(
    f: &mut fmt::Formatter<'_>,
    error: &(dyn Error + 'static),
    levels: &Levels<'_, E>,
) -> fmt::Result {
    write!(f, "{error}")?;
    let mut next = error.source();
    for _ in 0..CHAIN_LIMIT {
        let Some(source) = next else { return Ok(()) };
        write!(f, "\n{}   caused by: {source}", Bars { levels })?;
        next = source.source();
    }
    next.map_or(Ok(()), |_| f.write_str("\n   …"))
}

const CHAIN_LIMIT: usize = 16;

/// From here on levels are counted instead of drawn, so that a deep tree takes linear space.
const LEVELS_DRAWN: usize = 32;

/// A bar for each level that has more failures to come.
struct Bars<'a, 'b, E> {
    levels: &'a Levels<'b, E>,
}

impl<E> fmt::Display for Bars<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (drawn, deeper) = self.levels.split_at(self.levels.len().min(LEVELS_DRAWN));
        for level in drawn {
            f.write_str(if level.len() == 0 { "   " } else { "│  " })?;
        }
        match deeper.len() {
            0 => Ok(()),
            more => write!(f, "[+{more}] "),
        }
    }
}

/// The bars of the outer levels, then the branch of this one.
struct Indent<'a, 'b, E> {
    levels: &'a Levels<'b, E>,
}

impl<E> fmt::Display for Indent<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (last, outer) = self.levels.split_last().expect("a failure stands on a level");
        Bars { levels: outer }.fmt(f)?;
        f.write_str(if last.len() == 0 { "└─ " } else { "├─ " })
    }
}
