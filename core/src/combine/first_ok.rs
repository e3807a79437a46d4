//! `first_ok`: the first value; the losers have ended before it is returned (W5).

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::combine::Branch;
use crate::combine::branch::{poll_stopped, stop_all};
use crate::error::{AsDynError, Gravest};
use crate::panics::Contained;
use crate::set::Set;

/// The value of the first that ends with `Ok`. The others are stopped, and have ended before it is
/// returned; failures before it are dropped (W5). They are looked at in the order of the input, as in
/// [`race`](crate::race).
///
/// It is for plain futures, and for handles of a group that a failure does not concern: one with
/// [`Supervise::reporting`](crate::Supervise::reporting), or with [`FirstSuccess`](crate::FirstSuccess),
/// which is a whole group that ends with the first success. In a fail-fast group the first failure of a task
/// cancels the group before another can win, and under [`Supervise`](crate::Supervise) the group fails by it
/// in the end, though another has won.
///
/// # Errors
///
/// [`AllFailed`], with all errors in the order of the input, if none gave a value. For nothing it
/// holds nothing (W7).
///
/// # Cancel safety
///
/// Dropping it stops no task before there is a winner: tasks go on in their groups (T2), plain
/// futures are dropped. After that the losers have been told to stop.
///
/// # Examples
///
/// ```
/// use anyscope_core::{first_ok, in_place};
///
/// # futures_executor::block_on(async {
/// let parse = async |text: &str| text.parse::<i32>();
/// let number = first_ok(["one", "1", "2"].map(|text| in_place(parse(text)))).await;
/// assert_eq!(number.unwrap(), 1);
///
/// let none = first_ok(["one", "two"].map(|text| in_place(parse(text)))).await;
/// let all = none.unwrap_err();
/// assert_eq!(all.errors().len(), 2);
/// assert!(format!("{all:#}").starts_with("all of 2 failed: invalid digit found in string; "));
/// # });
/// ```
pub fn first_ok<I>(branches: I) -> FirstOk<I::Item>
where
    I: IntoIterator,
    I::Item: Branch,
{
    let mut running = Set::of(0, branches);
    running.poll_all();
    FirstOk { running, failed: Vec::new(), won: None }
}

/// The future of [`first_ok`].
#[must_use = "futures do nothing unless awaited"]
pub struct FirstOk<B: Branch> {
    running: Set<B>,
    /// In the order in which they came, with the position in the input.
    failed: Vec<(usize, Contained<B::Output>)>,
    /// The first value, while the others are stopped: if that panics, this is dropped meanwhile (P3).
    won: Option<Contained<B::Output>>,
}

impl<B, T, X> FirstOk<B>
where
    B: Branch<Output = Result<T, X>>,
{
    /// Looks at all by position, up to the first that has a value. `None` when all have failed.
    fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<Option<Contained<B::Output>>> {
        self.running.begin();
        while let Some((index, outcome)) = ready!(self.running.poll_next(cx, Future::poll)) {
            let outcome = Contained::new(outcome);
            if outcome.is_ok() {
                return Poll::Ready(Some(outcome));
            }
            self.failed.push((index, outcome));
        }
        Poll::Ready(None)
    }

    fn all_failed(&mut self) -> AllFailed<X> {
        let mut failed = mem::take(&mut self.failed);
        failed.sort_by_key(|(index, _)| *index);
        let errors = failed.into_iter().filter_map(|(_, outcome)| outcome.into_inner().err());
        AllFailed::new(errors.collect())
    }
}

/// Outcomes are kept, never pinned.
impl<B: Branch> Unpin for FirstOk<B> {}

impl<B, T, X> Future for FirstOk<B>
where
    B: Branch<Output = Result<T, X>>,
{
    type Output = Result<T, AllFailed<X>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.won.is_none() {
            self.won = ready!(self.poll_first(cx));
            if self.won.is_none() {
                return Poll::Ready(Err(self.all_failed()));
            }
            stop_all(&mut self.running);
        }
        ready!(poll_stopped(&mut self.running, cx));
        let outcome = self.won.take().expect("not polled after it was ready").into_inner();
        Poll::Ready(outcome.map_err(|error| AllFailed::new(vec![error])))
    }
}

impl<B: Branch> fmt::Debug for FirstOk<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirstOk").field("running", &self.running.len()).finish_non_exhaustive()
    }
}

/// None gave a value: the errors of all, in the order of the input. `{:#}` shows each of them. As a tree, or
/// to be handled by type, they are an [`ErrorGroup`](crate::ErrorGroup::from_errors) of
/// [`into_errors`](Self::into_errors).
///
/// Its source is the first that is a failure of its own, where there is one, and not a report of what
/// a group has already, nor a mere cancellation: those count for nothing in the group that this is
/// returned to (G4).
pub struct AllFailed<X> {
    errors: Vec<X>,
    gravest: Gravest,
}

impl<X> AllFailed<X> {
    fn new(errors: Vec<X>) -> Self {
        Self { errors, gravest: Gravest::default() }
    }

    /// The errors.
    pub fn errors(&self) -> &[X] {
        &self.errors
    }

    /// The errors, taken out.
    pub fn into_errors(self) -> Vec<X> {
        self.errors
    }
}

impl<X: AsDynError> AllFailed<X> {
    fn gravest(&self) -> Option<&(dyn Error + 'static)> {
        let errors = self.errors.iter().map(AsDynError::as_error);
        errors.clone().nth(self.gravest.of(errors.map(Some)))
    }
}

impl<X: fmt::Debug> fmt::Debug for AllFailed<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AllFailed").field(&self.errors).finish()
    }
}

impl<X: AsDynError> fmt::Display for AllFailed<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.gravest() {
            None => f.write_str("there was nothing that could succeed"),
            Some(error) if !f.alternate() => {
                write!(f, "all of {} failed: {error}", self.errors.len())
            }
            Some(_) => {
                write!(f, "all of {} failed", self.errors.len())?;
                let mut errors = self.errors.iter().enumerate();
                errors.try_for_each(|(at, error)| {
                    write!(f, "{} {}", if at == 0 { ":" } else { ";" }, error.as_error())
                })
            }
        }
    }
}

impl<X: AsDynError + fmt::Debug> Error for AllFailed<X> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.gravest()
    }
}
