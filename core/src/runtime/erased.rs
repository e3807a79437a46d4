//! A future without its type, as `AnyRuntime` starts it, and the handle of one.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::runtime::NativeHandle;

/// What the native runtime is given, and gives back at the end, with the value in it: so the handle finds
/// the value there, and needs no place of its own for it.
pub(super) struct Erased(Option<Pin<Box<dyn Stages>>>);

/// The native handle of one, whose type is erased as well.
pub(super) type ErasedHandle = Box<dyn NativeHandle<Erased>>;

trait Stages: Send {
    /// Ready once the future is gone and its value is there.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()>;

    /// Moves the value to `place`, which is an `Option` of its type.
    fn take(self: Pin<&mut Self>, place: &mut dyn Any);
}

pin_project! {
    #[project = StageProjected]
    #[project_replace = StageTaken]
    enum Stage<F: Future> {
        Running { #[pin] future: F },
        Ended { value: F::Output },
        Taken,
    }
}

impl<F> Stages for Stage<F>
where
    F: Future + Send,
    F::Output: Send + 'static,
{
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let StageProjected::Running { future } = self.as_mut().project() {
            let value = ready!(future.poll(cx));
            self.set(Self::Ended { value });
        }
        Poll::Ready(())
    }

    fn take(self: Pin<&mut Self>, place: &mut dyn Any) {
        if let StageTaken::Ended { value } = self.project_replace(Self::Taken) {
            if let Some(place) = place.downcast_mut() {
                *place = Some(value);
            }
        }
    }
}

impl Erased {
    pub(super) fn new<F>(future: F) -> Self
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Self(Some(Box::pin(Stage::Running { future })))
    }

    fn into_value<T: 'static>(self) -> Option<T> {
        let mut value = None::<T>;
        if let Some(mut stage) = self.0 {
            stage.as_mut().take(&mut value);
        }
        value
    }
}

impl Future for Erased {
    type Output = Self;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self> {
        if let Some(stage) = &mut self.0 {
            ready!(stage.as_mut().poll(cx));
        }
        Poll::Ready(Self(self.0.take()))
    }
}

/// The handle of a future that was started through an [`AnyRuntime`](crate::AnyRuntime): the native one, in a
/// box.
pub struct AnyHandle<T> {
    native: ErasedHandle,
    value: PhantomData<fn() -> T>,
}

impl<T> AnyHandle<T> {
    pub(super) fn new(native: ErasedHandle) -> Self {
        Self { native, value: PhantomData }
    }
}

impl<T: Send + 'static> NativeHandle<T> for AnyHandle<T> {
    fn poll_join(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.native.poll_join(cx).map(|erased| erased.and_then(Erased::into_value))
    }
}

impl<T> fmt::Debug for AnyHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyHandle").finish_non_exhaustive()
    }
}
