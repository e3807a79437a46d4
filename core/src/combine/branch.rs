//! `Branch`: what a combinator needs of a task's handle or of a plain future.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::stream::{FuturesUnordered, Stream};

/// Something that combinators wait for, and can stop: the handle of a task, job or local child, a
/// reference to one, or a plain future in [`in_place`](crate::in_place).
///
/// | | how it is stopped | dropped unstopped |
/// |---|---|---|
/// | [`TaskHandle`](crate::TaskHandle), [`LocalHandle`](crate::LocalHandle) | cancelled (T6), waited for | the task goes on in its group (T2) |
/// | [`CancelOnDrop`](crate::CancelOnDrop) | the same | the task is cancelled |
/// | `&mut` of one of these | the same | nothing happens, the handle is still there |
/// | [`InPlace`](crate::InPlace) | dropped | dropped |
///
/// Awaiting it gives the outcome. The methods are what combinators are made of.
///
/// A plain future is none, because it could only be dropped, which for a task's handle is the wrong
/// thing:
///
/// ```compile_fail,E0277
/// let _ = anyscope_core::gather([std::future::ready(Ok::<_, String>(1))]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not something that a combinator can stop",
    note = "pass task handles, or wrap a plain future: `in_place(future)`"
)]
pub trait Branch: Future + Unpin {
    /// Ready once it has ended, destructors included (T3). The outcome stays in it: whoever awaits
    /// it next gets it at once.
    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// The outcome, between [`poll_ended`](Self::poll_ended) and its being awaited.
    fn outcome(&self) -> Option<&Self::Output>;

    /// Asks it to end, once or more often; [`poll_ended`](Self::poll_ended) says when it has. What
    /// has ended already keeps its outcome.
    fn stop(&mut self);
}

impl<B: Branch + ?Sized> Branch for &mut B {
    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        (**self).poll_ended(cx)
    }

    fn outcome(&self) -> Option<&Self::Output> {
        (**self).outcome()
    }

    fn stop(&mut self) {
        (**self).stop();
    }
}

/// A branch that remembers where it stood in the input. Ready with its outcome.
pub(super) struct Indexed<B> {
    pub(super) index: usize,
    pub(super) branch: B,
}

impl<B: Branch> Future for Indexed<B> {
    type Output = (usize, B::Output);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = ready!(Pin::new(&mut self.branch).poll(cx));
        Poll::Ready((self.index, outcome))
    }
}

/// A branch that is watched until it has ended. Ready with itself, its outcome still in it.
pub(super) struct Watched<B>(Option<Indexed<B>>);

impl<B> Watched<B> {
    pub(super) fn new(index: usize, branch: B) -> Self {
        Self(Some(Indexed { index, branch }))
    }

    pub(super) fn into_inner(self) -> Option<Indexed<B>> {
        self.0
    }
}

impl<B: Branch> Future for Watched<B> {
    type Output = Indexed<B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let watched = self.0.as_mut().expect("not polled after it was ready");
        ready!(watched.branch.poll_ended(cx));
        Poll::Ready(self.0.take().expect("it was there a line ago"))
    }
}

/// Branches that were told to stop, until the last of them has ended.
pub(super) struct Stopping<B>(FuturesUnordered<Watched<B>>);

impl<B: Branch> Stopping<B> {
    /// All are told before one is waited for.
    pub(super) fn new(branches: impl IntoIterator<Item = B>) -> Self {
        let stopped = branches.into_iter().map(|mut branch| {
            branch.stop();
            Watched::new(0, branch)
        });
        Self(stopped.collect())
    }

    pub(super) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while ready!(Pin::new(&mut self.0).poll_next(cx)).is_some() {}
        Poll::Ready(())
    }
}

/// A winner's value, until the losers have ended.
pub(super) struct Won<B, T> {
    value: Option<T>,
    losers: Stopping<B>,
}

impl<B: Branch, T> Won<B, T> {
    pub(super) fn new(value: T, losers: impl IntoIterator<Item = B>) -> Self {
        Self { value: Some(value), losers: Stopping::new(losers) }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        ready!(self.losers.poll_ended(cx));
        Poll::Ready(self.value.take().expect("not polled after it was ready"))
    }
}
