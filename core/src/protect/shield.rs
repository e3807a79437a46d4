//! `shield`: a part of a task that a cancellation does not cut (C4).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

use crate::TaskContext;
use crate::protect::Hold;
use crate::runtime::{AnyRuntime, GuardedSleep, Timer};

/// Protects a future: while it runs, the task that awaits it is not dropped by a cancellation (C4).
///
/// The value is returned when it is ready; a cancellation that came meanwhile takes effect at the
/// next await after that. What the future opens is covered with it: groups, their tasks and jobs.
/// Tasks that it spawns into groups from outside are not. Inside,
/// [`check_cancelled`](crate::check_cancelled) succeeds, and deadlines that were set inside hold.
///
/// Our own timeouts, deadlines and races honour it and go on until it ends (D1). Code that is not
/// ours and drops the future, such as `select!`, cuts it: what must survive that has to be a task of its own.
///
/// With a [`limit`](Shield::limit), the protection ends after that time. Semantics as of Trio's
/// shielded cancel scopes.
///
/// # Panics
///
/// With a panic of the future.
///
/// # Cancel safety
///
/// Dropping it drops the future, and ends the protection.
///
/// # Examples
///
/// ```
/// use anyscope_core::{Group, GroupError, Runtime, TaskError, shield};
///
/// # async fn commit() {}
/// async fn transfer<R: Runtime>(rt: &R) -> Result<(), GroupError<TaskError>> {
///     rt.group(async |g| {
///         g.spawn(async {
///             // Once it has begun, it is not cut half-way.
///             shield(commit()).await;
///             Ok(())
///         });
///         Ok(())
///     })
///     .await
/// }
/// ```
pub fn shield<F: Future>(future: F) -> Shield<F> {
    Shield { future, limit: None, timer: None, begun: false, hold: None }
}

pin_project! {
    /// The future of [`shield`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct Shield<F> {
        #[pin]
        future: F,
        limit: Option<Duration>,
        timer: Option<LimitTimer>,
        begun: bool,
        // From the first poll until the future is ready, or the limit has passed.
        hold: Option<Hold>,
    }
}

impl<F: Future> Shield<F> {
    /// Ends the protection after `limit`, counted from the first poll: from then on the future can
    /// be cut like any other. It is not cut by the limit itself.
    ///
    /// The time is that of the task's runtime; outside any task there is no limit.
    pub fn limit(self, limit: Duration) -> Self {
        Self { limit: Some(limit), ..self }
    }
}

impl<F: Future> Future for Shield<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if !*this.begun {
            *this.begun = true;
            (*this.timer, *this.hold) = begin(*this.limit);
        }
        let Some(hold) = this.hold else {
            return this.future.poll(cx);
        };
        let polled = hold.run(|| this.future.poll(cx));
        let passed = |timer: &mut LimitTimer| Pin::new(timer).poll(cx).is_ready();
        if polled.is_ready() || this.timer.as_mut().is_some_and(passed) {
            *this.hold = None;
            *this.timer = None;
        }
        polled
    }
}

type LimitTimer = GuardedSleep<<AnyRuntime as Timer>::Sleep>;

/// What a shield has as long as it is active.
type Active = (Option<LimitTimer>, Option<Hold>);

#[cold]
fn begin(limit: Option<Duration>) -> Active {
    (limit.and_then(timer), Some(Hold::new()))
}

fn timer(limit: Duration) -> Option<LimitTimer> {
    Some(GuardedSleep::new(TaskContext::current()?.runtime()?.sleep(limit)))
}

impl<F> fmt::Debug for Shield<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shield").field("active", &self.hold.is_some()).finish_non_exhaustive()
    }
}
