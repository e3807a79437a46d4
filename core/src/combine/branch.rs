//! `Branch`: what a combinator needs of a task's handle or of a plain future.

use std::future::Future;
use std::ops::DerefMut;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::panics::CatchEach;
use crate::set::Set;

/// Something that combinators wait for, and can stop: the handle of a task, job or local child, a
/// reference to one, or a plain future in [`in_place`](crate::in_place).
///
/// | | how it is stopped | dropped unstopped |
/// |---|---|---|
/// | [`TaskHandle`](crate::TaskHandle), [`LocalHandle`](crate::LocalHandle) | cancelled (T6), waited for | the task goes on in its group (T2) |
/// | [`CancelOnDrop`](crate::CancelOnDrop) | the same | the task is cancelled |
/// | `&mut` of one of these | the same | nothing happens, the handle is still there |
/// | [`InPlace`](crate::InPlace) | dropped | dropped |
/// | a pinned `Box` or `&mut` | as what is pinned | as what is pinned |
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
pub trait Branch: Future {
    /// Ready once it has ended, destructors included (T3). The outcome stays in it: whoever awaits
    /// it next gets it at once.
    fn poll_ended(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()>;

    /// The outcome, between [`poll_ended`](Self::poll_ended) and its being awaited.
    fn outcome(&self) -> Option<&Self::Output>;

    /// Asks it to end, once or more often; [`poll_ended`](Self::poll_ended) says when it has. What
    /// has ended already keeps its outcome.
    fn stop(self: Pin<&mut Self>);
}

impl<B: Branch + Unpin + ?Sized> Branch for &mut B {
    fn poll_ended(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut **self).poll_ended(cx)
    }

    fn outcome(&self) -> Option<&Self::Output> {
        (**self).outcome()
    }

    fn stop(mut self: Pin<&mut Self>) {
        Pin::new(&mut **self).stop();
    }
}

impl<P: DerefMut<Target: Branch>> Branch for Pin<P> {
    fn poll_ended(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.as_deref_mut().poll_ended(cx)
    }

    fn outcome(&self) -> Option<&Self::Output> {
        (**self).outcome()
    }

    fn stop(self: Pin<&mut Self>) {
        self.as_deref_mut().stop();
    }
}

/// So many polls of each are made with a shared waker: most end within them, and need none of their own.
pub(super) const SHARED_POLLS: u8 = 2;

/// Tells all that run to stop, before one of them is waited for, also those behind one whose destructor
/// panics.
pub(super) fn stop_all<B: Branch, O>(branches: &mut Set<B, O>) {
    let mut each = CatchEach::default();
    branches.for_each(|branch| {
        each.panics(|| branch.stop());
    });
    branches.restart();
    each.finish();
}

/// Ready once all that were told have ended.
pub(super) fn poll_stopped<B: Branch, O>(
    branches: &mut Set<B, O>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    branches.begin();
    while ready!(branches.poll_next(cx, Branch::poll_ended)).is_some() {}
    Poll::Ready(())
}
