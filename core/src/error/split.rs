//! Taking a tree apart and building it up again in the same shape: `split`, `map`, `flatten`.
//!
//! All of it goes down and up with a list of open levels, so that depth does not use the stack (E4).

use std::time::Duration;
use std::vec;

use crate::cancel::Cancelled;
use crate::error::error_group::Label;
use crate::error::{AsDynError, ErrorGroup, Failure, FailureKind, GroupError, Leaf, PanicPayload};
use crate::group::report_failures;
use crate::task::TaskInfo;

/// Splits by what the predicate says of each leaf. It is asked of all before anything is moved: if
/// it panics, nothing has been lost or dropped, and all goes to the hook (C9).
pub(crate) fn split<E: AsDynError>(
    group: ErrorGroup<E>,
    cancelled: Option<Cancelled>,
    matches: impl FnMut(&Leaf<'_, E>) -> bool,
) -> [Option<GroupError<E>>; 2] {
    parts(group, cancelled, matches).map(|part| part.error)
}

/// What matches, and what is left with the first cause that would be lost with the rest (E3).
pub(crate) fn take<E: AsDynError>(
    group: ErrorGroup<E>,
    matches: impl FnMut(&Leaf<'_, E>) -> bool,
) -> (Option<ErrorGroup<E>>, Option<ErrorGroup<E>>, Option<Cancelled>) {
    let [matching, left] = parts(group, None, matches);
    let failures = |part: Part<E>| part.error.and_then(GroupError::into_failures);
    let gone = left.gone.clone();
    (failures(matching), failures(left), gone)
}

fn parts<E: AsDynError>(
    group: ErrorGroup<E>,
    cancelled: Option<Cancelled>,
    mut matches: impl FnMut(&Leaf<'_, E>) -> bool,
) -> [Part<E>; 2] {
    let asked = ReportIfDropped(Some(group));
    let leaves = asked.0.iter().flat_map(ErrorGroup::leaves);
    let mut answers = leaves.map(|leaf| matches(&leaf)).collect::<Vec<_>>().into_iter();
    let part = |leaf| match answers.next() {
        Some(true) => (0, leaf),
        _ => (1, leaf),
    };
    let group = asked.into_inner().expect("it was there to be asked about");
    rebuild(group, cancelled, part)
}

pub(crate) fn map<E, F>(
    group: ErrorGroup<E>,
    cancelled: Option<Cancelled>,
    mut f: impl FnMut(E) -> F,
) -> GroupError<F> {
    let [mapped] = rebuild(group, cancelled, |leaf| (0, leaf.map(&mut f)));
    mapped.error.expect("as many failures as before")
}

pub(crate) fn flatten<E>(mut group: ErrorGroup<E>) -> ErrorGroup<E> {
    let mut left = std::mem::take(group.failures_mut());
    left.reverse();
    while let Some(mut failure) = left.pop() {
        match failure.kind_mut() {
            FailureKind::Group(inner) => left.extend(inner.nested_mut().drain(..).rev()),
            _ => group.push(failure),
        }
    }
    group
}

/// Failures that go to the hook if the code that is asked about them panics.
struct ReportIfDropped<E: AsDynError>(Option<ErrorGroup<E>>);

impl<E: AsDynError> ReportIfDropped<E> {
    fn into_inner(mut self) -> Option<ErrorGroup<E>> {
        self.0.take()
    }
}

impl<E: AsDynError> Drop for ReportIfDropped<E> {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(|group| report_failures(group.into_failures()));
    }
}

/// A leaf on its way from one tree to another.
type Moved<E> = Result<E, PanicPayload>;

/// Puts each leaf into one of `N` trees of the original's shape, without the groups that would be
/// empty.
fn rebuild<E, F, const N: usize>(
    group: ErrorGroup<E>,
    cancelled: Option<Cancelled>,
    mut place: impl FnMut(Moved<E>) -> (usize, Moved<F>),
) -> [Part<F>; N] {
    let mut level = Level::open(group, cancelled, None);
    let mut outer = Vec::new();
    loop {
        let Some(failure) = level.left.next() else {
            let Some(above) = outer.pop() else { return level.close() };
            let closed = std::mem::replace(&mut level, above);
            level.add(closed);
            continue;
        };
        let (task, kind, elapsed) = failure.into_parts();
        let leaf = match kind {
            FailureKind::Error(error) => Ok(error),
            FailureKind::Panic(panic) => Err(panic),
            FailureKind::Group(inner) => {
                let (group, cancelled) = inner.into_nested();
                let inner = Level::open(group, cancelled, Some((task, elapsed)));
                outer.push(std::mem::replace(&mut level, inner));
                continue;
            }
        };
        let (part, leaf) = place(leaf);
        let kind = leaf.map_or_else(FailureKind::Panic, FailureKind::Error);
        level.parts[part].0.push(Failure::new(task, kind).at(elapsed));
    }
}

/// What one of the trees has of a group.
struct Part<E> {
    /// `None` if it has nothing.
    error: Option<GroupError<E>>,
    /// The first cause that went with a group of which it has nothing, and that stands for itself.
    gone: Option<Cancelled>,
}

/// A group that is being taken apart.
struct Level<E, F, const N: usize> {
    /// The task that ran it, and when it failed; `None` for the outermost.
    node: Option<(TaskInfo, Option<Duration>)>,
    label: Label,
    cancelled: Option<Cancelled>,
    left: vec::IntoIter<Failure<E>>,
    /// With what is [gone](Part::gone) from each.
    parts: [(Vec<Failure<F>>, Option<Cancelled>); N],
}

impl<E, F, const N: usize> Level<E, F, N> {
    fn open(
        group: ErrorGroup<E>,
        cancelled: Option<Cancelled>,
        node: Option<(TaskInfo, Option<Duration>)>,
    ) -> Self {
        let (label, left) = (group.label().clone(), group.into_iter());
        Self { node, label, cancelled, left, parts: [const { (Vec::new(), None) }; N] }
    }

    fn close(self) -> [Part<F>; N] {
        let Self { label, cancelled, parts, .. } = self;
        parts.map(|(failures, gone)| match ErrorGroup::labelled(failures, label.clone()) {
            Some(failures) => {
                let error = GroupError::failed(failures, cancelled.clone());
                Part { error: Some(error), gone }
            }
            None => {
                let own = cancelled.clone().filter(|marker| marker.cause().stands_alone());
                Part { error: None, gone: own.or(gone) }
            }
        })
    }

    /// Adds what became of an inner group.
    fn add(&mut self, mut closed: Self) {
        let node = closed.node.take();
        for ((failures, gone), inner) in self.parts.iter_mut().zip(closed.close()) {
            *gone = gone.take().or(inner.gone);
            if let (Some((task, elapsed)), Some(inner)) = (node.clone(), inner.error) {
                let kind = FailureKind::Group(Box::new(inner));
                failures.push(Failure::new(task, kind).at(elapsed));
            }
        }
    }
}
