//! Handlers by type, in the manner of `except*` (E3): the chain and its macro.

use std::error::Error;
use std::fmt;
use std::mem;

use crate::cancel::{CancelCause, Cancelled};
use crate::error::error_group::Label;
use crate::error::line::is_own_failure;
use crate::error::{AsDynError, ErrorGroup, Failure, FailureKind, GroupError, Leaf, split};
use crate::group::report_failures;
use crate::task::TaskInfo;

/// An error that is being handled, by one handler after the other (E3).
///
/// Each handler runs at once, on what the handlers before it have left: a failure goes to the first
/// that matches, wherever in the tree it stands. What no handler took comes out of
/// [`finish`](Self::finish) in its original shape. [`handle!`](crate::handle) is the same as a
/// `match`.
///
/// A handler returns nothing, or a `Result` of the group's error type. What it returns as an error
/// joins what is left as a direct failure, after all others, with the task of the failure that was
/// handled; later handlers do not see it. A [`GroupError`] or `ErrorGroup` of boxed errors is a nested node
/// there (G14).
///
/// Where all failures of an inner group were taken and it was cancelled by a deadline, a request or the
/// like, its cause is left in the place of the group's own, if that has none that stands for itself: a
/// timeout below does not pass for a success (G21).
///
/// A handler that panics ends the handling: the panic goes on to the caller, and what is left, what
/// handlers returned as errors and what [`handle`](Self::handle) or [`handle_each`](Self::handle_each)
/// was just handling go to the [unhandled-failure hook](crate::unhandled) (C9). So does all that is
/// left if the chain is dropped without `finish`.
///
/// # Examples
///
/// ```
/// use std::fmt;
/// use std::num::{IntErrorKind, ParseFloatError, ParseIntError};
///
/// use anyscope_core::{BoxError, ErrorGroup, GroupError};
///
/// fn read() -> GroupError {
///     let errors: [BoxError; 3] = [
///         "x".parse::<u8>().unwrap_err().into(),
///         "y".parse::<f64>().unwrap_err().into(),
///         fmt::Error.into(),
///     ];
///     ErrorGroup::from_errors(errors).unwrap().into()
/// }
///
/// let left = read()
///     .handle(|bad: &ParseIntError| eprintln!("not a number: {bad}"))
///     .handle_group(|leaf| leaf.is::<ParseFloatError>(), |group| eprintln!("{group:#}"))
///     .cancelled(|cause| eprintln!("stopped: {cause}"))
///     .finish();
/// assert!(left.unwrap_err().failures().unwrap().first().is::<fmt::Error>());
/// ```
#[must_use = "`finish` gives what no handler took"]
pub struct Handling<E: AsDynError> {
    left: Option<ErrorGroup<E>>,
    cancelled: Option<Cancelled>,
    /// Whether it had failures as it came: a cause may be one of them.
    has_failed: bool,
    /// What handlers returned as errors.
    raised: Vec<Failure<E>>,
    /// Of the error as it came.
    label: Label,
    /// What a handler is looking at, kept here for the case that it panics.
    current: Option<ErrorGroup<E>>,
}

impl<E: AsDynError> Handling<E> {
    /// Begins with all failures and the cause of an error.
    pub fn of(error: impl Into<GroupError<E>>) -> Self {
        let (left, cancelled) = error.into().into_parts();
        let label = left.as_ref().map(|group| group.label().clone()).unwrap_or_default();
        let has_failed = left.is_some();
        Self { left, cancelled, has_failed, raised: Vec::new(), label, current: None }
    }

    /// Calls the handler with each error that is a `T`, in order: the group's own error type, what
    /// is inside a [`BoxError`](crate::BoxError), or [`PanicPayload`](crate::PanicPayload).
    ///
    /// # Panics
    ///
    /// If the handler does.
    pub fn handle<T, O>(self, mut handler: impl FnMut(&T) -> O) -> Self
    where
        T: Error + 'static,
        O: Handled<E>,
    {
        self.handle_each(
            |leaf| leaf.is::<T>(),
            |leaf| leaf.downcast_ref().map_or(Ok(()), |error| handler(error).into_result()),
        )
    }

    /// Calls the handler with each failure for which the predicate holds, in order.
    ///
    /// # Panics
    ///
    /// If the predicate or the handler does.
    pub fn handle_each<O: Handled<E>>(
        mut self,
        matches: impl FnMut(&Leaf<'_, E>) -> bool,
        mut handler: impl FnMut(&Leaf<'_, E>) -> O,
    ) -> Self {
        self.current = self.take(matches);
        for leaf in self.current.iter().flat_map(ErrorGroup::leaves) {
            let outcome = handler(&leaf).into_result();
            join(&mut self.raised, leaf.task(), outcome);
        }
        self.current = None;
        self
    }

    /// Calls the handler with the group of all failures for which the predicate holds, in their
    /// original shape, if there are any.
    ///
    /// # Panics
    ///
    /// If the predicate or the handler does; the group was the handler's.
    pub fn handle_group<O: Handled<E>>(
        mut self,
        matches: impl FnMut(&Leaf<'_, E>) -> bool,
        handler: impl FnOnce(ErrorGroup<E>) -> O,
    ) -> Self {
        if let Some(group) = self.take(matches) {
            let task = group.first().task().clone();
            let outcome = handler(group).into_result();
            join(&mut self.raised, &task, outcome);
        }
        self
    }

    /// Calls the handler with the cause, if the group was cancelled by something else than its own
    /// first failure: a deadline, a request, an enclosing group; or with that of an inner group of which
    /// nothing is left. The cause then counts as handled.
    /// An error that the handler returns has the id of no task, and this place as its location.
    ///
    /// # Panics
    ///
    /// If the handler does.
    #[track_caller]
    pub fn cancelled<O: Handled<E>>(mut self, handler: impl FnOnce(CancelCause) -> O) -> Self {
        if self.has_cause_of_its_own() {
            if let Some(marker) = self.cancelled.take() {
                let outcome = handler(marker.cause().clone()).into_result();
                join(&mut self.raised, &TaskInfo::here(), outcome);
            }
        }
        self
    }

    /// What no handler took, in its original shape, and what handlers returned as errors.
    ///
    /// # Errors
    ///
    /// The rest, if there is any: failures, or a cause that was not [handled](Self::cancelled).
    pub fn finish(mut self) -> Result<(), GroupError<E>> {
        let cause_left = self.has_cause_of_its_own();
        let (mut left, raised) = (self.left.take(), mem::take(&mut self.raised));
        match &mut left {
            Some(group) => raised.into_iter().for_each(|failure| group.push(failure)),
            None => left = ErrorGroup::labelled(raised, self.label.clone()),
        }
        match (left, self.cancelled.take()) {
            (Some(failures), cancelled) => Err(GroupError::failed(failures, cancelled)),
            (None, Some(marker)) if cause_left => Err(GroupError::cancelled(marker)),
            (None, _) => Ok(()),
        }
    }

    /// Takes what matches out of what is left. The cause of an inner group that goes with it is left.
    fn take(&mut self, matches: impl FnMut(&Leaf<'_, E>) -> bool) -> Option<ErrorGroup<E>> {
        let (matching, left, gone) = split::take(self.left.take()?, matches);
        self.left = left;
        if gone.is_some() && !self.has_cause_of_its_own() {
            self.cancelled = gone;
        }
        matching
    }

    /// A cause that names a failure is one of its own, unless there were none: then it came with the error of
    /// another group's task.
    fn has_cause_of_its_own(&self) -> bool {
        let is_apart = |marker: &Cancelled| !(self.has_failed && is_own_failure(marker.cause()));
        self.cancelled.as_ref().is_some_and(is_apart)
    }
}

/// What a handler gives back: nothing, or a `Result` of the group's error type. `?` converts into
/// that.
pub trait Handled<E> {
    /// As a result.
    ///
    /// # Errors
    ///
    /// What the handler failed with.
    fn into_result(self) -> Result<(), E>;
}

impl<E> Handled<E> for () {
    fn into_result(self) -> Result<(), E> {
        Ok(())
    }
}

impl<E> Handled<E> for Result<(), E> {
    fn into_result(self) -> Result<(), E> {
        self
    }
}

/// A handler that does not come back: it panics, or ends the process.
impl<E> Handled<E> for Never {
    fn into_result(self) -> Result<(), E> {
        self
    }
}

/// `!`, by the one way to name it in stable Rust.
type Never = <fn() -> ! as Returns>::Output;

pub trait Returns {
    type Output;
}

impl<T> Returns for fn() -> T {
    type Output = T;
}

fn join<E: AsDynError>(raised: &mut Vec<Failure<E>>, task: &TaskInfo, outcome: Result<(), E>) {
    if let Err(error) = outcome {
        raised.push(Failure::new(task.clone(), kind_of(error)));
    }
}

/// A nested node, if it is a group's error that has failures, or the failures themselves (G14).
fn kind_of<E: AsDynError>(error: E) -> FailureKind<E> {
    let group = error.as_error().downcast_ref::<GroupError<E>>();
    if group.is_some_and(GroupError::is_cancelled) {
        return FailureKind::Error(error);
    }
    error.into_nested().map_or_else(FailureKind::Error, |group| FailureKind::Group(group.into()))
}

impl<E: AsDynError> Drop for Handling<E> {
    /// Nothing is left after `finish`; otherwise a handler has panicked, or nobody came to ask.
    fn drop(&mut self) {
        let groups = self.current.take().into_iter().chain(self.left.take()).flatten();
        let lost: Vec<_> = groups.chain(mem::take(&mut self.raised)).collect();
        report_failures(lost);
    }
}

impl<E: AsDynError> fmt::Debug for Handling<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handling").field("left", &self.left).finish_non_exhaustive()
    }
}

/// Handles the failures of an error by type, as a `match` with an arm for each type (E3).
///
/// It is a [`Handling`] with a handler for each arm, from the first to the last, and `finish`: its
/// value is `Ok(())`, or the rest as a [`GroupError`]. A failure goes to the first arm that matches. The
/// value of an arm is that of a handler: nothing, or a `Result` of the group's error type. An arm is a
/// closure: `return` and `?` leave it and not the function, and it cannot await. As in a `match`, a block
/// needs no comma after it.
///
/// | arm | runs |
/// |---|---|
/// | `error: Type => …` | for each error of the type, with a reference to it |
/// | `Type1 \| Type2 as group => …` | once, with the [`ErrorGroup`] of all errors of the types |
/// | `leaf if condition => …` | for each failure for which the condition holds, with the [`Leaf`] |
/// | `_ as group => …` | once, with the `ErrorGroup` of all that is left |
/// | `cancelled(cause) => …` | with the cause of a cancellation that is not a failure's |
///
/// # Panics
///
/// If an arm or a condition does, as [`Handling`] says.
///
/// # Examples
///
/// ```
/// use std::io;
/// use std::num::{ParseFloatError, ParseIntError};
///
/// use anyscope_core::{GroupError, handle};
///
/// fn report(error: GroupError) -> Result<(), GroupError> {
///     handle!(match error {
///         io: io::Error => eprintln!("io: {io}"),
///         ParseIntError | ParseFloatError as bad => {
///             eprintln!("{} bad numbers", bad.leaves().count());
///             for leaf in bad.leaves() {
///                 eprintln!("in {:?}: {leaf}", leaf.task().name());
///             }
///         }
///         leaf if leaf.task().name() == Some("cache") => eprintln!("no cache: {leaf}"),
///         cancelled(cause) => eprintln!("stopped: {cause}"),
///     })
/// }
/// # let _ = report;
/// ```
#[macro_export]
macro_rules! handle {
    (match $($rest:tt)+) => {
        $crate::handle!(@of [] $($rest)+)
    };
    // Everything before the last braces is the error.
    (@of [$($error:tt)+] { $($arms:tt)* }) => {{
        #[allow(unused_parens)]
        let error = $($error)+;
        $crate::handle!(@ ($crate::Handling::of(error)) $($arms)*)
    }};
    (@of [$($error:tt)*] $next:tt $($rest:tt)+) => {
        $crate::handle!(@of [$($error)* $next] $($rest)+)
    };
    (@ ($chain:expr)) => {
        $chain.finish()
    };
    (@ ($chain:expr) cancelled($cause:pat) => $($body:tt)+) => {
        $crate::handle!(@body ($chain) cancelled [] [$cause] $($body)+)
    };
    (@ ($chain:expr) _ as $group:ident => $($body:tt)+) => {
        $crate::handle!(@body ($chain) handle_group [|_| true,] [$group] $($body)+)
    };
    (@ ($chain:expr) $leaf:ident if $condition:expr => $($body:tt)+) => {
        $crate::handle!(
            @body ($chain) handle_each
            [|$leaf| $condition,] [#[allow(unused_variables)] $leaf] $($body)+
        )
    };
    (@ ($chain:expr) $error:ident : $type:ty => $($body:tt)+) => {
        $crate::handle!(@body ($chain) handle [] [$error: &$type] $($body)+)
    };
    (@ ($chain:expr) $($type:ty)|+ as $group:ident => $($body:tt)+) => {
        $crate::handle!(
            @body ($chain) handle_group
            [|leaf| false $(|| leaf.is::<$type>())+,] [$group] $($body)+
        )
    };
    (@ ($chain:expr) _ => $($body:tt)*) => {
        compile_error!("name what is left: `_ as group => …`")
    };
    (@ ($chain:expr) $($type:ty)|+ => $($body:tt)*) => {
        compile_error!("name the error, `error: Type => …`, or all of them, `Type as group => …`")
    };
    (@body ($chain:expr) $method:ident [$($before:tt)*] [$($parameter:tt)+]
        $body:expr $(, $($arms:tt)*)?
    ) => {
        $crate::handle!(
            @ ($chain.$method($($before)* |$($parameter)+| $body)) $($($arms)*)?
        )
    };
    // As in a `match`, no comma is needed after a block.
    (@body ($chain:expr) $method:ident [$($before:tt)*] [$($parameter:tt)+]
        $body:block $($arms:tt)*
    ) => {
        $crate::handle!(@ ($chain.$method($($before)* |$($parameter)+| $body)) $($arms)*)
    };
}
