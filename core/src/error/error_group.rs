//! `ErrorGroup`: the failures of one group, never empty, in order of occurrence (E1).

use std::error::Error;
use std::fmt;
use std::slice;
use std::sync::Arc;
use std::vec;

use crate::error::{
    AsDynError, Failure, FailureKind, Gravest, GroupError, Leaf, Leaves, Tree, line, split,
};
use crate::panics::drop_contained;
use crate::task::TaskInfo;

/// At least one failure, in order of occurrence (E1, G6).
///
/// Failures of inner groups are nested nodes (G14): [`iter`](Self::iter) gives the direct ones,
/// [`leaves`](Self::leaves) all that are not groups themselves, each with its path (E4).
///
/// `Display` is one line with the count; the alternate form (`{:#}`) draws the [tree](Self::tree)
/// (E5). `source()` leads to the first failure; in a group made by hand that is the first that says more than
/// that something was cancelled, or that another group has a failure (G4). Nothing here recurses over groups
/// that are nested in groups: depth does not use the stack.
///
/// Two are equal if they have the same shape, messages, notes, task names and errors. What differs in
/// each run is not compared: ids, locations, times. Panics are compared by their text.
///
/// # Examples
///
/// ```
/// use anyscope_core::ErrorGroup;
///
/// let bad = ["1", "x", "", "4"].into_iter().filter_map(|text| text.parse::<u8>().err());
/// let group = ErrorGroup::from_errors(bad).expect("two of them are no numbers");
/// assert_eq!(group.len(), 2);
///
/// let (empty, rest) = group.split(|leaf| leaf.error().unwrap().to_string().contains("empty"));
/// assert_eq!(empty.unwrap().len(), 1);
/// assert_eq!(rest.unwrap().first().error().unwrap().to_string(), "invalid digit found in string");
/// ```
pub struct ErrorGroup<E = crate::BoxError> {
    /// Never empty, except while it is taken apart.
    failures: Vec<Failure<E>>,
    label: Label,
    gravest: Gravest,
}

/// What a group is called and what was noted on it; shared by the parts of a group that was split.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Label(Option<Arc<LabelText>>);

#[derive(Clone, Default, PartialEq)]
struct LabelText {
    message: Option<String>,
    notes: Vec<String>,
}

impl<E> ErrorGroup<E> {
    /// A group of errors that no group has recorded, each with the caller's place as its location.
    /// `None` for no errors: an error group is never empty (G7).
    #[track_caller]
    pub fn from_errors(errors: impl IntoIterator<Item = E>) -> Option<Self> {
        let here = TaskInfo::here();
        let failure = |error| Failure::new(here.with_new_id(), FailureKind::Error(error));
        Self::from_failures(errors.into_iter().map(failure))
    }

    /// A group of these failures, in their order. `None` for no failures (G7).
    pub fn from_failures(failures: impl IntoIterator<Item = Failure<E>>) -> Option<Self> {
        Self::labelled(failures.into_iter().collect(), Label::default())
    }

    pub(crate) fn labelled(failures: Vec<Failure<E>>, label: Label) -> Option<Self> {
        let gravest = Gravest::default();
        (!failures.is_empty()).then_some(Self { failures, label, gravest })
    }

    /// A group of other failures with the message and notes of this one, as the parts of a
    /// [`split`](Self::split) have them. `None` for no failures.
    pub fn derive<F>(
        &self,
        failures: impl IntoIterator<Item = Failure<F>>,
    ) -> Option<ErrorGroup<F>> {
        ErrorGroup::labelled(failures.into_iter().collect(), self.label.clone())
    }

    /// What the group says of itself before the count. "group failed", unless it was given another.
    pub fn message(&self) -> &str {
        let given = self.label.0.as_ref().and_then(|text| text.message.as_deref());
        given.unwrap_or("group failed")
    }

    /// Gives it another message.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.label.text().message = Some(message.into());
        self
    }

    /// What was noted on it, in order.
    pub fn notes(&self) -> &[String] {
        self.label.0.as_ref().map_or(&[], |text| &text.notes)
    }

    /// Notes something that a reader should know; the tree shows it below the message.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.label.text().notes.push(note.into());
        self
    }

    /// Adds a failure at the end.
    pub fn push(&mut self, failure: Failure<E>) {
        self.gravest = Gravest::default();
        self.failures.push(failure);
    }

    /// The direct failures in order.
    pub fn iter(&self) -> slice::Iter<'_, Failure<E>> {
        self.failures.iter()
    }

    /// All failures that are not groups themselves, in order, each with its path (E4).
    pub fn leaves(&self) -> Leaves<'_, E> {
        Leaves::new(Some(self))
    }

    /// How many direct failures there are: at least one. A nested group counts as one.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.failures.len()
    }

    /// The first failure; in a fail-fast group the one that cancelled it (G6).
    pub fn first(&self) -> &Failure<E> {
        &self.failures[0]
    }

    /// The direct failures by value, in order.
    pub fn into_failures(mut self) -> Vec<Failure<E>> {
        std::mem::take(&mut self.failures)
    }

    /// The tree as text, with options.
    pub fn tree(&self) -> Tree<'_, E> {
        Tree::new(Some(self), None)
    }

    /// Its leaves as direct failures: the shape is given up, and with it the causes, messages and
    /// notes of inner groups.
    #[must_use]
    pub fn flatten(self) -> Self {
        split::flatten(self)
    }

    /// Every error made another one; shape, order, tasks, messages and notes stay. Panics stay
    /// panics.
    ///
    /// # Panics
    ///
    /// If `f` does. Then all errors are dropped.
    #[must_use]
    pub fn map<F>(self, f: impl FnMut(E) -> F) -> ErrorGroup<F> {
        let mapped = GroupError::from(self).map(f);
        mapped.into_failures().expect("as many failures as before")
    }

    /// The leaves for which the predicate holds, and the rest. Together the parts have each leaf
    /// exactly once and in order. Both keep shape, message and notes; a nested group that would be
    /// empty is left out, and one with a single member stays a group (E2).
    ///
    /// The predicate is asked once for each leaf, and never for an inner group. Whoever wants whole
    /// subtrees looks at the leaf's [path](Leaf::path). By type:
    /// `group.split(|leaf| leaf.is::<io::Error>())`.
    ///
    /// # Panics
    ///
    /// If the predicate does. It is asked before anything is moved; the failures then go to the
    /// [unhandled-failure hook](crate::unhandled) (C9), so that they are not lost in silence.
    #[must_use = "the parts are all there is left of the group"]
    pub fn split(self, matches: impl FnMut(&Leaf<'_, E>) -> bool) -> (Option<Self>, Option<Self>)
    where
        E: AsDynError,
    {
        let (matching, rest) = GroupError::from(self).split(matches);
        (matching.and_then(GroupError::into_failures), rest.and_then(GroupError::into_failures))
    }

    /// The matching part of a [`split`](Self::split); the rest is dropped.
    ///
    /// # Panics
    ///
    /// If the predicate does, as `split`.
    #[must_use]
    pub fn subgroup(self, matches: impl FnMut(&Leaf<'_, E>) -> bool) -> Option<Self>
    where
        E: AsDynError,
    {
        self.split(matches).0
    }

    pub(crate) fn label(&self) -> &Label {
        &self.label
    }

    pub(crate) fn failures_mut(&mut self) -> &mut Vec<Failure<E>> {
        &mut self.failures
    }
}

impl Label {
    fn text(&mut self) -> &mut LabelText {
        Arc::make_mut(self.0.get_or_insert_default())
    }
}

impl<E> Drop for ErrorGroup<E> {
    /// Nested groups are emptied into one list first, so that depth does not use the stack (E4). A
    /// destructor that panics takes no other failure along (P3).
    fn drop(&mut self) {
        let mut left = std::mem::take(&mut self.failures);
        while let Some(mut failure) = left.pop() {
            if let FailureKind::Group(inner) = failure.kind_mut() {
                left.append(inner.nested_mut());
            }
            drop_contained(failure);
        }
    }
}

impl<'a, E> IntoIterator for &'a ErrorGroup<E> {
    type Item = &'a Failure<E>;
    type IntoIter = slice::Iter<'a, Failure<E>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<E> IntoIterator for ErrorGroup<E> {
    type Item = Failure<E>;
    type IntoIter = vec::IntoIter<Failure<E>>;

    fn into_iter(self) -> Self::IntoIter {
        self.into_failures().into_iter()
    }
}

impl<E: AsDynError> fmt::Display for ErrorGroup<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match f.alternate() {
            true => self.tree().fmt(f),
            false => line::write(f, self, None, &[]),
        }
    }
}

impl<E: AsDynError> fmt::Debug for ErrorGroup<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tree().fmt(f)
    }
}

impl<E: AsDynError> Error for ErrorGroup<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let errors = self.iter().map(|failure| failure.error().map(AsDynError::as_error));
        Some(self.failures[self.gravest.of(errors)].as_error())
    }
}
