//! `Child`: what a supervisor runs, and when it starts it anew.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::carried::Carried;
use crate::panics::Contained;

/// When a child that has ended is started anew (V2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// After any end. The default.
    #[default]
    Permanent,
    /// After any end but `Ok`: after an `Err`, a panic, or a cancellation that was not the
    /// supervisor's.
    Transient,
    /// Never.
    Temporary,
}

impl Restart {
    pub(super) fn applies(self, ended_well: bool) -> bool {
        match self {
            Self::Permanent => true,
            Self::Transient => !ended_well,
            Self::Temporary => false,
        }
    }
}

/// A child of a [`Supervisor`](crate::supervise::Supervisor): a factory of futures, with a name.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use anyscope_core::BoxError;
/// use anyscope_core::supervise::{Child, Restart};
///
/// # struct Pool;
/// async fn clean_up() -> Result<(), BoxError> {
///     Ok(())
/// }
/// async fn serve(pool: Arc<Pool>) -> Result<(), BoxError> {
///     Ok(())
/// }
///
/// let pool = Arc::new(Pool);
/// let children = [
///     Child::new("cleaner", clean_up).restart(Restart::Transient),
///     // Each instance gets what it needs from the closure.
///     Child::new("server", move || serve(pool.clone())),
/// ];
/// # let _ = children;
/// ```
pub struct Child<E> {
    pub(super) name: Arc<str>,
    pub(super) factory: Factory<E>,
    pub(super) restart: Restart,
    pub(super) grace: Option<Duration>,
    pub(super) carried: Carried,
    pub(super) location: &'static Location<'static>,
}

/// Shared with the instance that it makes: it is called in there, where its panic is caught.
pub(super) type Factory<E> = Contained<Arc<dyn Fn() -> Instance<E> + Send + Sync>>;

pub(super) type Instance<E> = Pin<Box<dyn Future<Output = Result<(), E>> + Send>>;

impl<E> Child<E> {
    /// A permanent child. `factory` is called for each instance, inside of it: a panic of it is a
    /// failure of the instance.
    ///
    /// An async closure will do where it captures nothing; one that captures borrows from itself,
    /// and cannot be sent. Then let a closure clone what the future takes, as in the example.
    #[track_caller]
    pub fn new<C, F>(name: impl Into<Arc<str>>, factory: C) -> Self
    where
        C: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        Self {
            name: name.into(),
            factory: Factory::new(Arc::new(move || Box::pin(factory()))),
            restart: Restart::default(),
            grace: None,
            carried: Carried::new(),
            location: Location::caller(),
        }
    }

    /// When it is started anew (V2).
    pub fn restart(self, restart: Restart) -> Self {
        Self { restart, ..self }
    }

    /// Gives an instance time to stop by itself when the supervisor stops it, before it is dropped:
    /// the [grace period](crate::GroupFuture::grace) of its group (C3).
    ///
    /// Without it, it is dropped at once; but if the supervisor itself is within a grace period, it has what
    /// is left of that (V7). One that is not to use that up, because it does not look whether it is told to
    /// stop, gets a period of zero.
    pub fn grace(self, grace: Duration) -> Self {
        Self { grace: Some(grace), ..self }
    }

    /// Gives each instance values that code in it can ask for (X4).
    pub fn carrying(self, carried: Carried) -> Self {
        Self { carried, ..self }
    }
}

impl<E> fmt::Debug for Child<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("name", &self.name)
            .field("restart", &self.restart)
            .field("grace", &self.grace)
            .finish_non_exhaustive()
    }
}
