//! Adapters between a user's future and what a group drives: errors become faults, and the body's
//! closure is called inside the first poll, where its panic is caught.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::error::GroupError;
use crate::group::ledger::Fault;

pin_project! {
    /// A task's future, its error made a fault. Adds no bytes.
    pub(crate) struct MapFault<F, E> {
        #[pin]
        future: F,
        error: PhantomData<fn() -> E>,
    }
}

impl<F, E> MapFault<F, E> {
    pub(crate) fn new(future: F) -> Self {
        Self { future, error: PhantomData }
    }
}

impl<F: Future<Output = Result<T, E>>, T, E> Future for MapFault<F, E> {
    type Output = Result<T, Fault<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().future.poll(cx).map(|outcome| outcome.map_err(Fault::Error))
    }
}

pin_project! {
    /// A group that runs as a task of another: its error becomes a nested node (G14).
    pub(crate) struct NestFault<F, E> {
        #[pin]
        future: F,
        error: PhantomData<fn() -> E>,
    }
}

impl<F, E> NestFault<F, E> {
    pub(crate) fn new(future: F) -> Self {
        Self { future, error: PhantomData }
    }
}

impl<F: Future<Output = Result<T, GroupError<E>>>, T, E> Future for NestFault<F, E> {
    type Output = Result<T, Fault<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().future.poll(cx).map(|outcome| outcome.map_err(Fault::Group))
    }
}

pin_project! {
    /// The body of a group or local scope: the closure until the first poll, then its future.
    pub(crate) struct Body<H, B, F> {
        start: Option<(B, H)>,
        #[pin]
        future: Option<F>,
    }
}

impl<H, B, F> Body<H, B, F> {
    pub(crate) fn new(body: B, handle: H) -> Self {
        Self { start: Some((body, handle)), future: None }
    }
}

impl<H, B, F, T, E> Future for Body<H, B, F>
where
    B: FnOnce(H) -> F,
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<T, Fault<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some((body, handle)) = this.start.take() {
            this.future.set(Some(body(handle)));
        }
        let future = this.future.as_pin_mut().expect("set by the first poll");
        future.poll(cx).map(|outcome| outcome.map_err(Fault::Error))
    }
}
