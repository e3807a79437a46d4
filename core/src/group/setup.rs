//! The options of a group, set before it is first polled.

use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::carried::Carried;
use crate::error::AsDynError;
use crate::group::body::GroupBody;
use crate::group::future::GroupFuture;
use crate::group::handle::GroupHandle;
use crate::group::node::NodeOptions;
use crate::group::policy::Policy;
use crate::panics::PanicPolicy;
use crate::runtime::Runtime;

/// What a group is opened with.
pub(super) struct Setup<R, E, B> {
    /// Or how to find the runtime at the first poll.
    pub(super) runtime: Result<R, FindRuntime<R>>,
    pub(super) body: B,
    /// `None` is the default one.
    pub(super) policy: Option<Box<dyn Policy<E>>>,
    pub(super) panics: PanicPolicy,
    pub(super) deadline: Option<Deadline>,
    pub(super) options: NodeOptions,
    /// `None` is what the opener carries.
    pub(super) carried: Option<Carried>,
    pub(super) on_open: Option<OnOpen<E, R>>,
}

/// Given the place where the group was made.
pub(super) type FindRuntime<R> = fn(&'static Location<'static>) -> R;

type OnOpen<E, R> = Box<dyn FnOnce(&GroupHandle<E, R>) + Send>;

#[derive(Clone, Copy)]
pub(super) enum Deadline {
    After(Duration),
    At(Instant),
}

impl Deadline {
    pub(super) fn instant<R: Runtime>(self, runtime: &R) -> Instant {
        match self {
            Self::After(duration) => runtime.after(duration),
            Self::At(at) => at,
        }
    }
}

impl<R, E, B> Setup<R, E, B> {
    pub(super) fn new(runtime: Result<R, FindRuntime<R>>, body: B) -> Self {
        Self {
            runtime,
            body,
            policy: None,
            panics: PanicPolicy::default(),
            deadline: None,
            options: NodeOptions::default(),
            carried: None,
            on_open: None,
        }
    }
}

impl<R, E, B> GroupFuture<R, E, B>
where
    R: Runtime,
    E: AsDynError,
    B: GroupBody<GroupHandle<E, R>, Error = E>,
{
    /// Names the group; its body carries the name in failures (G17).
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// What its body carries (X4), in place of what the task carries that opens the group. Its tasks
    /// carry what they are given.
    pub fn carrying(self, carried: Carried) -> Self {
        self.with(|setup| setup.carried = Some(carried))
    }

    /// What the end of one task means for the others (G16). The default is
    /// [`FailFast`](crate::FailFast).
    pub fn policy(self, policy: impl Policy<E>) -> Self {
        self.with(|setup| setup.policy = Some(Box::new(policy)))
    }

    /// What a panic of the body or of a task means (P1, P2).
    pub fn panics(self, policy: PanicPolicy) -> Self {
        self.with(|setup| setup.panics = policy)
    }

    /// Cancels the group when it has run this long, counted from its first poll (D2). A body that
    /// does not suspend keeps its value even if the time is zero (D4).
    pub fn deadline(self, after: Duration) -> Self {
        self.with(|setup| setup.deadline = Some(Deadline::After(after)))
    }

    /// Cancels the group at this instant (D2).
    pub fn deadline_at(self, at: Instant) -> Self {
        self.with(|setup| setup.deadline = Some(Deadline::At(at)))
    }

    /// Gives the tasks time to stop by themselves when the group is cancelled, for whatever cause
    /// (C3): first they are told, and only after `grace` those that are still running are dropped.
    ///
    /// A task is told by what it waits for
    /// ([`TaskContext::cancelled`](crate::TaskContext::cancelled)) or asks
    /// ([`check_cancelled`](crate::check_cancelled)). One that has not begun is dropped at once
    /// (G11). The time is one for all that is below the group; who did not stop in it is listed in
    /// the [error](crate::GroupError::overdue). While it lasts, awaiting a task that was cancelled
    /// or has failed gives its error.
    ///
    /// If the group's future is dropped, its body goes with it, and its tasks have their time.
    pub fn grace(self, grace: Duration) -> Self {
        self.with(|setup| setup.options.grace = Some(grace))
    }

    /// Lets at most `limit` tasks and jobs of the group run at once (G18); zero counts as one. The
    /// body needs no place, and neither do inner groups and clean-ups.
    ///
    /// [`spawn`](GroupHandle::spawn) puts what has no place into a queue, in which a cancellation
    /// drops it unpolled; [`spawn_when_free`](GroupHandle::spawn_when_free) waits for a place, and
    /// [`try_spawn`](GroupHandle::try_spawn) says that there is none. A task that holds a place and
    /// awaits one that is in the queue can wait for ever, if all places are held like that.
    pub fn limit(self, limit: usize) -> Self {
        self.with(|setup| setup.options.limit = Some(limit))
    }

    /// Calls `f` with the group's handle at the first poll, before the body begins: for those who
    /// cancel the group from elsewhere, or look into it (G9). Several are called in the order in which
    /// they were set.
    ///
    /// # Panics
    ///
    /// When polled, if `f` does. The group has not begun then, and is to be dropped.
    pub fn on_open(self, f: impl FnOnce(&GroupHandle<E, R>) + Send + 'static) -> Self {
        self.with(|setup| {
            let earlier = setup.on_open.take();
            setup.on_open = Some(Box::new(move |handle| {
                if let Some(earlier) = earlier {
                    earlier(handle);
                }
                f(handle);
            }));
        })
    }

    /// Where it says that it was opened.
    pub(crate) fn at(mut self, location: &'static Location<'static>) -> Self {
        self.location = location;
        self
    }

    pub(crate) fn name_set(&self) -> Option<Arc<str>> {
        self.name.clone()
    }

    fn with(mut self, change: impl FnOnce(&mut Setup<R, E, B>)) -> Self {
        if let Some(setup) = &mut self.setup {
            change(setup);
        }
        self
    }
}
