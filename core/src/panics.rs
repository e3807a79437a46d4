//! The panic policy in one place: catching, containing, and what a group does with a panic.

use std::any::Any;
use std::mem::{self, needs_drop};
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::unhandled::{self, UnhandledKind};

/// What a panic carries, as [`std::panic::catch_unwind`] gives it.
pub type Payload = Box<dyn Any + Send + 'static>;

/// What a group does with a panic of its body or of one of its tasks.
///
/// Jobs are not meant, nor are those of the `try_` forms: a job's panic is always a value at its handle.
/// Whoever awaits that with `?` fails by it; if the handle is dropped, it goes to the
/// [unhandled-failure hook](crate::unhandled), and the group goes on (P4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PanicPolicy {
    /// The group is cancelled and drained, then the panic is raised again in the group's caller
    /// (P1). Failures that it displaces go to the [unhandled-failure hook](crate::unhandled).
    #[default]
    Resume,
    /// The panic is a failure like an `Err`, and stands in the error group (P2).
    Capture,
    /// The process aborts at once (P2).
    Abort,
}

/// The text of a panic, where its payload is one.
pub fn panic_message(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "a panic without a text"
    }
}

/// Runs `f` and gives its panic as a value. Nothing that `f` touched is looked at again after a
/// panic except to drop it, which is what makes asserting unwind safety right.
pub(crate) fn catch<T>(f: impl FnOnce() -> T) -> Result<T, Payload> {
    catch_unwind(AssertUnwindSafe(f))
}

/// Runs user code whose panic has no caller to go to; the panic is reported to the hook (P3).
pub(crate) fn contain(what: UnhandledKind, f: impl FnOnce()) {
    contained(what, catch(f));
}

/// The same for what was caught elsewhere.
pub(crate) fn contained(what: UnhandledKind, outcome: Result<(), Payload>) {
    if let Err(payload) = outcome {
        unhandled::report_panic(what, None, payload);
    }
}

/// What user code answers; `otherwise` if it panics, which is reported.
pub(crate) fn answer<T>(what: UnhandledKind, otherwise: T, f: impl FnOnce() -> T) -> T {
    catch(f).unwrap_or_else(|payload| {
        unhandled::report_panic(what, None, payload);
        otherwise
    })
}

/// Drops something of the user's, whose destructor may panic.
pub(crate) fn drop_contained<T>(value: T) {
    if const { needs_drop::<T>() } {
        contain(UnhandledKind::Destructor, || drop(value));
    }
}

/// Calls of user code that all come to their turn, though some panic: each by itself, because a second panic,
/// while the others unwind from the first, would abort (P3).
#[derive(Default)]
pub(crate) struct CatchEach {
    first: Option<Payload>,
}

impl CatchEach {
    /// Calls it, and says whether it panicked. What cannot go on is reported.
    pub(crate) fn panics(&mut self, f: impl FnOnce()) -> bool {
        let Err(payload) = catch(f) else {
            return false;
        };
        if self.first.is_some() || std::thread::panicking() {
            contained(UnhandledKind::Destructor, Err(payload));
        } else {
            self.first = Some(payload);
        }
        true
    }

    /// After the last call: the first panic goes on.
    pub(crate) fn finish(self) {
        if let Some(payload) = self.first {
            resume_unwind(payload);
        }
    }
}

/// Values of the user's, each dropped by itself: a second one whose destructor panics, while a `Vec` unwinds
/// from the first, would abort (P3).
#[derive(Default)]
pub(crate) struct DropEach<C: IntoIterator + Default>(C);

impl<C: IntoIterator + Default> DropEach<C> {
    /// The values, which are the caller's now.
    #[inline]
    pub(crate) fn take(&mut self) -> C {
        mem::take(&mut self.0)
    }
}

impl<C: IntoIterator + Default> Deref for DropEach<C> {
    type Target = C;

    #[inline]
    fn deref(&self) -> &C {
        &self.0
    }
}

impl<C: IntoIterator + Default> DerefMut for DropEach<C> {
    #[inline]
    fn deref_mut(&mut self) -> &mut C {
        &mut self.0
    }
}

impl<C: IntoIterator + Default> Drop for DropEach<C> {
    #[inline]
    fn drop(&mut self) {
        if const { needs_drop::<C::Item>() } {
            let mut each = CatchEach::default();
            for value in self.take() {
                each.panics(|| drop(value));
            }
            each.finish();
        }
    }
}

/// Something of the user's whose destructor is contained wherever it runs. Each by itself: a second panic,
/// while several unwind from the first, would abort (P3).
#[derive(Clone)]
pub(crate) struct Contained<T> {
    /// `None` while it is dropped.
    value: Option<T>,
}

impl<T> Contained<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value: Some(value) }
    }

    pub(crate) fn into_inner(mut self) -> T {
        self.value.take().expect("it is there until it is dropped")
    }
}

impl<T> Deref for Contained<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect("it is there until it is dropped")
    }
}

impl<T> Drop for Contained<T> {
    fn drop(&mut self) {
        drop_contained(self.value.take());
    }
}

/// A payload is user data whose destructor may panic as well: then it is forgotten.
pub(crate) fn drop_payload(payload: Payload) {
    if let Err(second) = catch(|| drop(payload)) {
        std::mem::forget(second);
    }
}
