//! The tree of failures as text, a branch for each, within bounds (E5).

use std::error::Error;
use std::fmt;
use std::slice;

use crate::cancel::CancelCause;
use crate::error::line::{Count, count, late};
use crate::error::{AsDynError, ErrorGroup, Failure, escape};
use crate::task::TaskInfo;

/// An error drawn as a tree, with options: what [`ErrorGroup::tree`] and
/// [`GroupError::tree`](crate::GroupError::tree) give. The alternate form `{:#}` is the tree with the
/// default options.
///
/// Each failure stands on a line of its own, with its task's id, name and spawn location, below it
/// what its `source()` chain says. What goes beyond the bounds is counted. Control characters in
/// texts are escaped.
///
/// # Examples
///
/// ```
/// use anyscope_core::{ErrorGroup, Failure};
///
/// let bad = |text: &str| Failure::from_error(text.parse::<u8>().unwrap_err()).named(text.to_owned());
/// let group = ErrorGroup::from_failures(["x", "y", "z"].map(bad)).unwrap();
/// let text = group.tree().ascii().max_width(2).to_string();
/// assert!(text.starts_with("group failed: 3 failures\n+- task #"));
/// assert!(text.ends_with("\n`- ... 1 more"));
/// ```
#[must_use = "it is written by `Display`"]
pub struct Tree<'a, E> {
    /// `None` for a mere cancellation.
    group: Option<&'a ErrorGroup<E>>,
    cause: Option<&'a CancelCause>,
    overdue: &'a [TaskInfo],
    options: Options,
}

#[derive(Clone, Copy)]
pub(crate) struct Options {
    ascii: bool,
    elapsed: bool,
    pub(crate) depth: usize,
    pub(crate) width: usize,
    pub(crate) sources: usize,
}

impl<'a, E> Tree<'a, E> {
    pub(crate) fn new(group: Option<&'a ErrorGroup<E>>, cause: Option<&'a CancelCause>) -> Self {
        let options = Options { ascii: false, elapsed: false, depth: 16, width: 32, sources: 16 };
        Self { group, cause, overdue: &[], options }
    }

    /// With those who did not stop in time.
    pub(crate) fn with_overdue(self, overdue: &'a [TaskInfo]) -> Self {
        Self { overdue, ..self }
    }

    /// Draws with ASCII characters, and escapes all others in the texts.
    pub fn ascii(mut self) -> Self {
        self.options.ascii = true;
        self
    }

    /// Shows how long its group had run at each failure, in seconds.
    pub fn elapsed(mut self) -> Self {
        self.options.elapsed = true;
        self
    }

    /// How many levels of failures are shown, 16 if nothing is said. At least one is.
    pub fn max_depth(mut self, levels: usize) -> Self {
        self.options.depth = levels.max(1);
        self
    }

    /// How many failures of each group are shown, 32 if nothing is said. At least one is.
    pub fn max_width(mut self, failures: usize) -> Self {
        self.options.width = failures.max(1);
        self
    }

    /// How many steps of each `source()` chain are shown, 16 if nothing is said. A chain may be
    /// cyclic.
    pub fn max_sources(mut self, steps: usize) -> Self {
        self.options.sources = steps;
        self
    }

    #[cfg(feature = "serde")]
    pub(crate) fn parts(&self) -> (Option<&'a ErrorGroup<E>>, Option<&'a CancelCause>, Options) {
        (self.group, self.cause, self.options)
    }
}

impl<E: AsDynError> fmt::Display for Tree<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ascii = self.options.ascii;
        let Some(group) = self.group else {
            f.write_str("group cancelled")?;
            self.cause.map_or(Ok(()), |cause| {
                f.write_str(": ")?;
                escape::write(f, cause, None, ascii)
            })?;
            return late(f, self.overdue, ascii);
        };
        count(f, group, self.cause, ascii)?;
        late(f, self.overdue, ascii)?;
        let mut pen = Pen { f, options: self.options, levels: vec![Level::of(group)] };
        pen.notes(group)?;
        pen.draw()
    }
}

impl<E: AsDynError> fmt::Debug for Tree<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Draws without recursion, so that depth does not use the stack (E4).
struct Pen<'f, 'b, 'a, E> {
    f: &'f mut fmt::Formatter<'b>,
    options: Options,
    /// The open levels, the outermost first.
    levels: Vec<Level<'a, E>>,
}

/// A group that is being drawn.
struct Level<'a, E> {
    left: slice::Iter<'a, Failure<E>>,
    shown: usize,
}

impl<'a, E> Level<'a, E> {
    fn of(group: &'a ErrorGroup<E>) -> Self {
        Self { left: group.iter(), shown: 0 }
    }
}

impl<'a, E: AsDynError> Pen<'_, '_, 'a, E> {
    fn draw(&mut self) -> fmt::Result {
        while let Some(level) = self.levels.last_mut() {
            if level.shown == self.options.width && level.left.len() > 0 {
                let more = std::mem::take(&mut level.left).len();
                self.branch()?;
                write!(self.f, "{} {more} more", self.options.dots())?;
                self.levels.pop();
            } else if let Some(failure) = level.left.next() {
                level.shown += 1;
                self.failure(failure)?;
            } else {
                self.levels.pop();
            }
        }
        Ok(())
    }

    fn failure(&mut self, failure: &'a Failure<E>) -> fmt::Result {
        self.branch()?;
        escape::write(self.f, failure.task(), None, self.options.ascii)?;
        if let Some(elapsed) = failure.elapsed().filter(|_| self.options.elapsed) {
            write!(self.f, " after {:.3}s", elapsed.as_secs_f64())?;
        }
        self.f.write_str(": ")?;
        let Some(inner) = failure.group() else {
            return self.error(failure.as_error());
        };
        let group = inner.nested();
        count(self.f, group, inner.cause(), self.options.ascii)?;
        if self.levels.len() < self.options.depth {
            self.levels.push(Level::of(group));
            return self.notes(group);
        }
        let (bars, options) = (self.bars(), self.options);
        let (branch, dots, hidden) =
            (options.last(), options.dots(), Count(group.leaves().count()));
        write!(self.f, "{bars}{branch}{dots} {hidden} further down")
    }

    /// The text of an error that is no group, and what caused it.
    fn error(&mut self, error: &(dyn Error + 'static)) -> fmt::Result {
        let ascii = self.options.ascii;
        let bars = self.bars();
        escape::write(self.f, error, Some(&bars), ascii)?;
        let mut next = error.source();
        for _ in 0..self.options.sources {
            let Some(source) = next else { return Ok(()) };
            write!(self.f, "{bars}   caused by: ")?;
            escape::write(self.f, source, Some(&format_args!("{bars}   ")), ascii)?;
            next = source.source();
        }
        match next {
            Some(_) => write!(self.f, "{bars}   {}", self.options.dots()),
            None => Ok(()),
        }
    }

    /// What was noted on the group whose level was opened last.
    fn notes(&mut self, group: &ErrorGroup<E>) -> fmt::Result {
        let bars = self.bars();
        for note in group.notes() {
            write!(self.f, "{bars}note: ")?;
            escape::write(self.f, note, Some(&bars), self.options.ascii)?;
        }
        Ok(())
    }

    /// Begins a line: the bars of the outer levels, then the branch of the last.
    fn branch(&mut self) -> fmt::Result {
        let (last, outer) = self.levels.split_last().expect("a failure stands on a level");
        let branch = if last.left.len() == 0 { self.options.last() } else { self.options.branch() };
        write!(self.f, "{}{branch}", Bars::of(outer, self.options))
    }

    fn bars(&self) -> Bars {
        Bars::of(&self.levels, self.options)
    }
}

impl Options {
    fn dots(self) -> &'static str {
        if self.ascii { "..." } else { "…" }
    }

    fn branch(self) -> &'static str {
        if self.ascii { "+- " } else { "├─ " }
    }

    fn last(self) -> &'static str {
        if self.ascii { "`- " } else { "└─ " }
    }
}

/// A new line that begins with a bar for each level that has more failures to come.
struct Bars(String);

impl Bars {
    fn of<E>(levels: &[Level<'_, E>], options: Options) -> Self {
        let (drawn, deeper) = levels.split_at(levels.len().min(LEVELS_DRAWN));
        let mut bars = String::from("\n");
        for level in drawn {
            bars.push_str(match (level.left.len(), options.ascii) {
                (0, _) => "   ",
                (_, true) => "|  ",
                (_, false) => "│  ",
            });
        }
        if !deeper.is_empty() {
            bars.push_str(&format!("[+{}] ", deeper.len()));
        }
        Self(bars)
    }
}

impl fmt::Display for Bars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// From here on levels are counted instead of drawn, so that a deep tree takes linear space.
const LEVELS_DRAWN: usize = 32;
