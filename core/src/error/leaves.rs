//! The failures of a tree one after the other, each with the way that leads to it (E4).

use std::fmt;
use std::ops::Deref;
use std::slice;
use std::sync::Arc;

use crate::error::{AsDynError, ErrorGroup, Failure, escape};

/// A failure that is not a group, as [`ErrorGroup::leaves`] finds it. It is a [`Failure`], and knows
/// where in the tree it stands.
///
/// `Display` is one line: the names of the tasks on its path, then the failure.
pub struct Leaf<'a, E> {
    failure: &'a Failure<E>,
    /// All nested nodes of the tree.
    steps: Arc<Steps<'a, E>>,
    /// The one that holds this leaf.
    above: Option<usize>,
}

/// The nested nodes of a tree in the order in which they are met. Shared by all its leaves, so that a
/// tree of any shape is walked in linear time.
type Steps<'a, E> = Vec<Step<'a, E>>;

/// A nested node on the way to a leaf.
struct Step<'a, E> {
    node: &'a Failure<E>,
    depth: usize,
    above: Option<usize>,
}

impl<'a, E> Leaf<'a, E> {
    /// The failure.
    pub fn failure(&self) -> &'a Failure<E> {
        self.failure
    }

    /// The nested nodes that lead to it, the outermost first; none for a direct failure.
    pub fn path(&self) -> Vec<&'a Failure<E>> {
        let step = |at: Option<usize>| at.map(|at| &self.steps[at]);
        let steps = std::iter::successors(step(self.above), |below| step(below.above));
        let mut path: Vec<_> = steps.map(|step| step.node).collect();
        path.reverse();
        path
    }

    /// How many nested nodes lead to it.
    pub fn depth(&self) -> usize {
        self.above.map_or(0, |at| self.steps[at].depth)
    }
}

impl<E> Deref for Leaf<'_, E> {
    type Target = Failure<E>;

    fn deref(&self) -> &Failure<E> {
        self.failure
    }
}

impl<E> Clone for Leaf<'_, E> {
    fn clone(&self) -> Self {
        Self { failure: self.failure, steps: self.steps.clone(), above: self.above }
    }
}

impl<E: AsDynError> fmt::Display for Leaf<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape::write(f, Line(self), None, false)
    }
}

/// What a leaf says, with the line breaks that are in names and texts.
struct Line<'l, 'a, E>(&'l Leaf<'a, E>);

impl<E: AsDynError> fmt::Display for Line<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for node in self.0.path() {
            node.task().write_label(f)?;
            f.write_str(" / ")?;
        }
        write!(f, "{}: {}", self.0.task(), self.0.as_error())
    }
}

impl<E: AsDynError> fmt::Debug for Leaf<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Leaf({self})")
    }
}

/// The iterator of [`ErrorGroup::leaves`].
pub struct Leaves<'a, E> {
    walk: Walk<'a, E>,
    steps: Arc<Steps<'a, E>>,
}

impl<'a, E> Leaves<'a, E> {
    /// `None` has no leaves.
    pub(crate) fn new(group: Option<&'a ErrorGroup<E>>) -> Self {
        let mut steps: Steps<'_, E> = Vec::new();
        for visit in Walk::new(group) {
            if visit.failure.group().is_some() {
                let depth = visit.above.map_or(0, |at| steps[at].depth) + 1;
                steps.push(Step { node: visit.failure, depth, above: visit.above });
            }
        }
        Self { walk: Walk::new(group), steps: Arc::new(steps) }
    }
}

impl<'a, E> Iterator for Leaves<'a, E> {
    type Item = Leaf<'a, E>;

    fn next(&mut self) -> Option<Self::Item> {
        let Visit { failure, above } = self.walk.find(|visit| visit.failure.group().is_none())?;
        Some(Leaf { failure, steps: self.steps.clone(), above })
    }
}

impl<E> fmt::Debug for Leaves<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaves").field("groups", &self.steps.len()).finish_non_exhaustive()
    }
}

/// All nodes of a tree, each before what is below it.
struct Walk<'a, E> {
    /// What is left of each level down to the one that is being walked, and whose level it is.
    levels: Vec<(slice::Iter<'a, Failure<E>>, Option<usize>)>,
    /// How many nested nodes have been met.
    met: usize,
}

struct Visit<'a, E> {
    failure: &'a Failure<E>,
    /// The number of the nested node that holds it.
    above: Option<usize>,
}

impl<'a, E> Walk<'a, E> {
    fn new(group: Option<&'a ErrorGroup<E>>) -> Self {
        Self { levels: group.map(|group| (group.iter(), None)).into_iter().collect(), met: 0 }
    }
}

impl<'a, E> Iterator for Walk<'a, E> {
    type Item = Visit<'a, E>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (level, above) = self.levels.last_mut()?;
            let Some(failure) = level.next() else {
                self.levels.pop();
                continue;
            };
            let above = *above;
            if let Some(inner) = failure.group() {
                self.levels.push((inner.nested().iter(), Some(self.met)));
                self.met += 1;
            }
            return Some(Visit { failure, above });
        }
    }
}
