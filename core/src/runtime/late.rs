//! `late`: a future that is made when it is first polled.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

/// The future that `make` makes at the first poll, for what is to be looked for then. It stands where `make`
/// stood: an async block that awaited it would have room for both, and so twice for what `make` holds.
///
/// # Panics
///
/// When polled, if `make` does, and if it is polled again after that.
///
/// # Cancel safety
///
/// Dropping it drops the future, or `make`.
#[doc(hidden)]
pub fn late<F: Future>(make: impl FnOnce() -> F) -> impl Future<Output = F::Output> {
    Late::Unmade { make: Some(make) }
}

pin_project! {
    #[project = LateProjection]
    enum Late<M, F> {
        // `None` while it is called, and where it panicked.
        Unmade { make: Option<M> },
        Made {
            #[pin]
            future: F,
        },
    }
}

impl<M: FnOnce() -> F, F: Future> Future for Late<M, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match self.as_mut().project() {
                LateProjection::Made { future } => return future.poll(cx),
                LateProjection::Unmade { make } => {
                    let make = make.take().expect("it is not polled after a panic");
                    self.set(Self::Made { future: make() });
                }
            }
        }
    }
}
