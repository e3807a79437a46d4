//! `OnDone`: what is called when a task has ended, or nothing (T5).

use crate::task::TaskError;

/// What is called with a task's outcome before the task counts as ended (T5).
pub(crate) trait OnDone<T>: Send {
    /// Whether there may be something to call.
    const CALLS: bool = true;

    fn call(&mut self, outcome: Result<&T, &TaskError>);
}

/// No callback, and no bytes for it.
pub(crate) struct NoCallback;

impl<T> OnDone<T> for NoCallback {
    const CALLS: bool = false;

    fn call(&mut self, _: Result<&T, &TaskError>) {}
}

/// A user's callback, until it is called.
pub(crate) struct Callback<T>(Option<BoxedCallback<T>>);

type BoxedCallback<T> = Box<dyn FnOnce(Result<&T, &TaskError>) + Send>;

impl<T> Callback<T> {
    pub(crate) fn new(callback: impl FnOnce(Result<&T, &TaskError>) + Send + 'static) -> Self {
        Self(Some(Box::new(callback)))
    }
}

impl<T> OnDone<T> for Callback<T> {
    fn call(&mut self, outcome: Result<&T, &TaskError>) {
        if let Some(callback) = self.0.take() {
            callback(outcome);
        }
    }
}
