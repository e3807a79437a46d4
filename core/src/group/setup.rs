//! The options of a group, set before it is first polled, and how it is opened with them.

use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::carried::Carried;
use crate::error::AsDynError;
use crate::group::body::GroupBody;
use crate::group::core::Core;
use crate::group::future::GroupFuture;
use crate::group::handle::GroupHandle;
use crate::group::ledger::Ledger;
use crate::group::policy::Policy;
use crate::group::state::live;
use crate::group::state::node::NodeOptions;
use crate::group::state::unit::Unit;
use crate::panics::PanicPolicy;
use crate::runtime::Runtime;
use crate::stack::{enclosing, shielded_by};
use crate::task::TaskInfo;

/// What a group is opened with, besides its body: apart from that, so that what is done with it exists once
/// for each runtime and type of error, and not for each body.
pub(super) struct Setup<R, E> {
    /// Or how to find the runtime at the first poll.
    runtime: Result<R, FindRuntime<R>>,
    /// `None` is the default one.
    policy: Option<Box<dyn Policy<E>>>,
    panics: PanicPolicy,
    deadline: Option<Deadline>,
    options: NodeOptions,
    /// `None` is what the opener carries.
    carried: Option<Carried>,
    on_open: Option<OnOpen<E, R>>,
}

/// A group that has been opened, and whose body has not begun.
pub(super) struct Opened<R, E> {
    /// The body's.
    pub(super) unit: Unit,
    pub(super) handle: GroupHandle<E, R>,
    pub(super) on_open: Option<OnOpen<E, R>>,
}

/// Given the place where the group was made.
pub(super) type FindRuntime<R> = fn(&'static Location<'static>) -> R;

type OnOpen<E, R> = Box<dyn FnOnce(&GroupHandle<E, R>) + Send>;

#[derive(Clone, Copy)]
enum Deadline {
    After(Duration),
    At(Instant),
}

impl Deadline {
    fn instant<R: Runtime>(self, runtime: &R) -> Instant {
        match self {
            Self::After(duration) => runtime.after(duration),
            Self::At(at) => at,
        }
    }
}

impl<R: Runtime, E: AsDynError> Setup<R, E> {
    pub(super) fn new(runtime: Result<R, FindRuntime<R>>) -> Self {
        Self {
            runtime,
            policy: None,
            panics: PanicPolicy::default(),
            deadline: None,
            options: NodeOptions::default(),
            carried: None,
            on_open: None,
        }
    }

    /// Opens the group under the one that encloses it (G2).
    pub(super) fn open(
        self,
        name: Option<Arc<str>>,
        location: &'static Location<'static>,
    ) -> Opened<R, E> {
        let enclosing = enclosing();
        let carried = enclosing.as_ref().map(|(parent, opener)| parent.carried_by(*opener, None));
        let opened = self.open_apart(name, location, carried.unwrap_or_default());
        let node = opened.unit.node();
        match enclosing {
            Some((parent, opener)) => node.attach(&parent, opener, shielded_by()),
            None => live::opened(node),
        }
        opened
    }

    /// Opens it under none. Its body carries `inherited`, unless it was given something.
    pub(super) fn open_apart(
        self,
        name: Option<Arc<str>>,
        location: &'static Location<'static>,
        inherited: Carried,
    ) -> Opened<R, E> {
        let runtime = self.runtime.unwrap_or_else(|find| find(location));
        let deadline = self.deadline.map(|deadline| deadline.instant(&runtime));
        let ledger = Ledger::new(self.policy, self.panics, runtime.now());
        let node = Core::open(runtime, ledger, self.options);
        if deadline.is_some() {
            node.set_deadline(deadline);
        }
        let unit = node.enter_first(TaskInfo::new(name, location));
        unit.carry(self.carried.unwrap_or(inherited));
        Opened { unit, handle: GroupHandle::new(node), on_open: self.on_open }
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
    ///
    /// In a task of another group that is a cancellation and no failure: the policy of that group is
    /// [asked](crate::Policy::on_expired), and under [`Supervise`](crate::Supervise) only the task's handle
    /// says so. [`timeout`](crate::Timer::timeout) with `?` is a failure of the task.
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
    /// A task is told by what it waits for ([`TaskContext::cancelled`](crate::TaskContext::cancelled)) or
    /// asks ([`check_cancelled`](crate::check_cancelled)). One that has not begun is dropped at once (G11):
    /// to finish all that was spawned, let the body return instead of cancelling. The time is one for all
    /// that is below the group; who did not stop in it is listed in the [error](crate::GroupError::overdue).
    /// While it lasts, awaiting a task that was cancelled or has failed gives its error.
    ///
    /// In that time nothing new begins: the group takes no tasks (G10), and a group that one of its tasks
    /// opens is cancelled before its body is polled (G12). What must still run is awaited in place, in a
    /// [shield](crate::shield()) if it opens a group; or it is [deferred](crate::defer), or spawned into a
    /// group outside of this one.
    ///
    /// Background tasks have this time only as long as others are alive: they are dropped as soon as the body
    /// and all ordinary tasks have ended (C3, G19).
    ///
    /// If the group's future is dropped, its body goes with it, and its tasks have their time.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use anyscope_core::{BoxError, Group, GroupError, Queue, Runtime, until_cancelled};
    ///
    /// /// Works for a minute, and ends with the item that it is at.
    /// async fn work<R: Runtime>(rt: &R, items: Queue<u32>) -> Result<(), GroupError> {
    ///     let all = rt.group(async |g| {
    ///         g.spawn(async move {
    ///             while let Some(Some(item)) = until_cancelled(items.get()).await {
    ///                 println!("{}", *item);
    ///             }
    ///             Ok(())
    ///         });
    ///         Ok(())
    ///     });
    ///     all.deadline(Duration::from_secs(60)).grace(Duration::from_secs(5)).await
    /// }
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// use anyscope_core::{BoxError, Group, GroupError, Runtime};
    ///
    /// async fn fetch(_url: String) -> Result<(), BoxError> {
    ///     Ok(())
    /// }
    ///
    /// async fn fetch_all<R: Runtime>(rt: &R, urls: Vec<String>) -> Result<(), GroupError> {
    ///     let all = rt.group(async |g| {
    ///         for url in urls {
    ///             g.spawn_when_free(fetch(url)).await; // the next is not begun before there is a place
    ///         }
    ///         Ok(())
    ///     });
    ///     all.limit(8).await
    /// }
    /// ```
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

    fn with(mut self, change: impl FnOnce(&mut Setup<R, E>)) -> Self {
        if let Some((setup, _)) = &mut self.setup {
            change(setup);
        }
        self
    }
}
