//! `err_into`: a future with its error converted.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

/// Converts the error of a future's `Result`, so that it can be spawned into a group with another
/// error type.
pub trait ErrIntoExt: Future {
    /// The same future, its error converted by `From`.
    ///
    /// # Examples
    ///
    /// ```
    /// use anyscope_core::{BoxError, ErrIntoExt};
    ///
    /// async fn read() -> Result<u8, std::io::Error> { Ok(1) }
    /// let task = async { read().err_into::<BoxError>().await };
    /// # let _ = task;
    /// ```
    fn err_into<E>(self) -> ErrInto<Self, E>
    where
        Self: Sized,
    {
        ErrInto { future: self, error: PhantomData }
    }
}

impl<F: Future> ErrIntoExt for F {}

pin_project! {
    /// The future of [`ErrIntoExt::err_into`].
    #[must_use = "futures do nothing unless awaited or spawned"]
    #[derive(Debug)]
    pub struct ErrInto<F, E> {
        #[pin]
        future: F,
        error: PhantomData<fn() -> E>,
    }
}

impl<F, T, A, E> Future for ErrInto<F, E>
where
    F: Future<Output = Result<T, A>>,
    E: From<A>,
{
    type Output = Result<T, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().future.poll(cx).map(|outcome| outcome.map_err(E::from))
    }
}
