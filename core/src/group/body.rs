//! The body of a group: its closure is called inside the first poll, where its panic is caught.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::group::end::Fault;

/// What a group or a local scope begins with: an async closure, or a closure that returns a future, which
/// is given the handle to spawn with. Implemented by itself for each that returns a `Result`.
///
/// Code that takes a body and hands it on has this as a bound, and beside it what the closure is, from
/// which the compiler knows what `g` of `async |g| …` is:
///
/// ```
/// use anyscope_core::{BoxError, Group, GroupBody, GroupError, GroupHandle, Runtime};
///
/// async fn named<R, B>(rt: &R, name: &str, body: B) -> Result<B::Value, GroupError>
/// where
///     R: Runtime,
///     B: GroupBody<GroupHandle<BoxError, R>, Error = BoxError>
///         + FnOnce(GroupHandle<BoxError, R>) -> B::Future,
/// {
///     rt.group(body).name(name).await
/// }
///
/// async fn one<R: Runtime>(rt: &R) -> Result<u32, GroupError> {
///     named(rt, "one", async |g| Ok(g.spawn(async { Ok(1) }).await?)).await
/// }
/// ```
pub trait GroupBody<H>: FnOnce(H) -> <Self as GroupBody<H>>::Future {
    /// Of the group, if nothing fails.
    type Value;
    /// Of the body and of the tasks.
    type Error;
    /// Runs the body.
    type Future: Future<Output = Result<Self::Value, Self::Error>>;
}

impl<H, B, F, T, E> GroupBody<H> for B
where
    B: FnOnce(H) -> F,
    F: Future<Output = Result<T, E>>,
{
    type Value = T;
    type Error = E;
    type Future = F;
}

pin_project! {
    /// The body of a group or local scope: the closure until the first poll, then its future.
    pub(crate) struct Body<H, B: GroupBody<H>> {
        start: Option<(B, H)>,
        #[pin]
        future: Option<B::Future>,
    }
}

impl<H, B: GroupBody<H>> Body<H, B> {
    pub(crate) fn new(body: B, handle: H) -> Self {
        Self { start: Some((body, handle)), future: None }
    }
}

impl<H, B: GroupBody<H>> Future for Body<H, B> {
    type Output = Result<B::Value, Fault<B::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some((body, handle)) = this.start.take() {
            this.future.set(Some(body(handle)));
        }
        let future = this.future.as_pin_mut().expect("set by the first poll");
        future.poll(cx).map(|outcome| outcome.map_err(Fault::Error))
    }
}
