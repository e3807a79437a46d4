//! `Supervisor`: the options, and running it.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use crate::error::AsDynError;
use crate::panics::Contained;
use crate::protect::shield;
use crate::runtime::Runtime;
use crate::supervise::drive::Driver;
use crate::supervise::machine::Rules;
use crate::supervise::{Backoff, Child, InstanceEnd, Strategy, SupervisorError};

/// Runs children and starts them anew when they have ended (V1 to V8).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use anyscope_core::supervise::{Backoff, Child, Restart, Strategy, Supervisor};
/// use anyscope_core::{BoxError, Runtime};
///
/// # async fn db_loop() -> Result<(), BoxError> { Ok(()) }
/// # async fn serve() -> Result<(), BoxError> { Ok(()) }
/// async fn services<R: Runtime>(rt: &R) -> Result<(), BoxError> {
///     Supervisor::new(Strategy::RestForOne)
///         .intensity(3, Duration::from_secs(5))
///         .backoff(Backoff::exponential(Duration::from_millis(100)).up_to(Duration::from_secs(10)))
///         .child(Child::new("db", async || db_loop().await).restart(Restart::Transient))
///         .child(Child::new("server", serve).grace(Duration::from_secs(1)))
///         .run(rt)
///         .await?;
///     Ok(())
/// }
/// ```
#[must_use = "a supervisor does nothing until it is run"]
pub struct Supervisor<E> {
    pub(super) rules: Rules,
    pub(super) children: Vec<Child<E>>,
    pub(super) on_end: OnEnd<E>,
}

type OnEnd<E> = Contained<Box<dyn Fn(&InstanceEnd<E>) + Send + Sync>>;

impl<E: AsDynError> Supervisor<E> {
    /// A supervisor without children.
    pub fn new(strategy: Strategy) -> Self {
        let (restarts, period) = (3, Duration::from_secs(5));
        let rules = Rules { strategy, restarts, period, backoff: Backoff::none() };
        Self { rules, children: Vec::new(), on_end: OnEnd::new(Box::new(log)) }
    }

    /// How many restarts are allowed within `period`: with one more the supervisor gives up (V5). The
    /// default is 3 within 5 seconds. Each end that calls for a restart counts once, however many
    /// siblings are started anew with it. `usize::MAX` is no limit: then the supervisor remembers no ends.
    pub fn intensity(mut self, restarts: usize, period: Duration) -> Self {
        (self.rules.restarts, self.rules.period) = (restarts, period);
        self
    }

    /// How long to wait before a restart (V6). The default is not at all.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.rules.backoff = backoff;
        self
    }

    /// Adds a child, after those that are there: children are started in this order, and stopped in
    /// reverse.
    pub fn child(mut self, child: Child<E>) -> Self {
        self.children.push(child);
        self
    }

    /// Calls `on_end` with the end of each instance, before anything follows from it (V8). A panic of it
    /// is contained and reported.
    ///
    /// The default writes a `tracing` event for each failure, and for who did not stop in time.
    pub fn on_end(mut self, on_end: impl Fn(&InstanceEnd<E>) + Send + Sync + 'static) -> Self {
        self.on_end = OnEnd::new(Box::new(on_end));
        self
    }

    /// Runs the children until none of them is running or to be started anew.
    ///
    /// Whoever cancels the task or the group that awaits this stops the children in reverse order, each
    /// of which has ended, its grace period and clean-ups included, before the next is told (V7). A child
    /// without a [grace period of its own](Child::grace) has that of the group which is cancelled, if there
    /// is one. When a grace period around it ends, so do those of the children: who had to be dropped then
    /// stands in the error of the group whose period it was (C3).
    ///
    /// # Errors
    ///
    /// [`SupervisorError`], with its history, if there were too many restarts (V5); or if the
    /// enclosing group was cancelled.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the children just so, without waiting: the enclosing group does (G2).
    /// Failures while they stop go to the [unhandled-failure hook](crate::unhandled) then (C9).
    #[track_caller]
    pub fn run<R: Runtime>(
        self,
        runtime: &R,
    ) -> impl Future<Output = Result<(), SupervisorError<E>>> + Send + use<E, R> {
        let (inner, location) = (runtime.clone(), Location::caller());
        // The children are out of reach of a cancellation: it comes to the driver as an event. That
        // is a task, so that it survives this future.
        let group = runtime.group(move |outer| async move {
            let supervisor = outer.clone();
            let driver = move |group| Driver::new(self, supervisor, group).run();
            let all = inner.group(driver).at(location);
            let shielded = shield(async move {
                all.await.unwrap_or_else(|error| Err(SupervisorError::cut(error.cause())))
            });
            outer.task(shielded).name("supervisor").at(location).spawn();
            Ok(())
        });
        async move { group.await.map_err(SupervisorError::from_group) }
    }
}

fn log<E: AsDynError>(end: &InstanceEnd<E>) {
    if let Some(error) = end.failure() {
        tracing::warn!(target: "anyscope", child = end.child(), "supervised child failed: {error}");
    }
    for task in end.error().into_iter().flat_map(|error| error.overdue()) {
        tracing::warn!(target: "anyscope", child = end.child(), "not stopped in time: {task}");
    }
}

impl<E> fmt::Debug for Supervisor<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor")
            .field("rules", &self.rules)
            .field("children", &self.children)
            .finish_non_exhaustive()
    }
}
