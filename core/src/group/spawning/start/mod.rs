//! The start handshake: a task that says when it is ready (G22).

mod error;
mod handshake;

use std::fmt;
use std::future::Future;
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use error::Kind;
pub use error::StartError;
pub use handshake::Started;
use handshake::{Early, EarlySlot, Handshake, Starting};

use crate::carried::Carried;
use crate::error::AsDynError;
use crate::group::GroupId;
use crate::group::handle::GroupHandle;
use crate::group::spawning::task::spawn_carrying;
use crate::group::state::entry::Admission;
use crate::runtime::{Runtime, Spawner};
use crate::sync::lock;
use crate::task::{NoCallback, TaskHandle, TaskInfo};

type StartOutcome<V, T, E, R> = Result<(V, TaskHandle<T, R>), StartError<E>>;

/// The future of [`GroupHandle::start`](crate::GroupHandle::start), which spawns the task when it is
/// first polled. Dropping it after that cancels the task, unless it was ready.
#[must_use = "it starts nothing unless awaited"]
pub struct StartTask<C, V, T: Send + 'static, E: AsDynError, R: Spawner> {
    group: GroupHandle<E, R>,
    name: Option<Arc<str>>,
    location: &'static Location<'static>,
    carried: Carried,
    background: bool,
    /// `None` once it is spawned.
    task: Option<C>,
    /// `None` until then.
    begun: Option<Begun<V, T, E, R>>,
}

impl<C, V, T: Send + 'static, E: AsDynError, R: Spawner> StartTask<C, V, T, E, R> {
    #[track_caller]
    pub(crate) fn new(group: GroupHandle<E, R>, task: C) -> Self {
        let (name, location, carried) = (None, Location::caller(), Carried::new());
        Self { group, name, location, carried, background: false, task: Some(task), begun: None }
    }

    /// Names the task; its failures carry the name (G17).
    pub fn name(self, name: impl Into<Arc<str>>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// Gives it values that code in it can ask for (X4), in place of those that it was given before.
    pub fn carrying(self, carried: Carried) -> Self {
        Self { carried, ..self }
    }

    /// Makes it a [background task](crate::TaskBuilder::background) (G19): a server that is to serve as long
    /// as there is other work.
    pub fn background(self) -> Self {
        Self { background: true, ..self }
    }
}

impl<C, F, V, T, E, R> StartTask<C, V, T, E, R>
where
    C: FnOnce(Started<V>) -> F + Send + 'static,
    F: Future<Output = Result<T, E>> + Send + 'static,
    V: Send + 'static,
    T: Send + 'static,
    E: AsDynError,
    R: Runtime,
{
    fn begin(&mut self, task: C) -> Begun<V, T, E, R> {
        let (handshake, early) = (Arc::new(Handshake::new()), EarlySlot::default());
        let info = TaskInfo::new(self.name.take(), self.location);
        let started = Started { handshake: handshake.clone(), task: info.id() };
        // The closure is called in the first poll, where its panic is caught.
        let future = async move { task(started).await };
        let starting = Starting { future, handshake: handshake.clone(), early: early.clone() };
        let admission = Admission::Ordinary.or_background(self.background);
        let (group, carried) = (&self.group, std::mem::take(&mut self.carried));
        let task = spawn_carrying(group, info.clone(), admission, carried, starting, NoCallback);
        Begun { handshake, early, handle: Some(task), info, group: group.id() }
    }
}

impl<C, V, T: Send + 'static, E: AsDynError, R: Spawner> Unpin for StartTask<C, V, T, E, R> {}

impl<C, F, V, T, E, R> Future for StartTask<C, V, T, E, R>
where
    C: FnOnce(Started<V>) -> F + Send + 'static,
    F: Future<Output = Result<T, E>> + Send + 'static,
    V: Send + 'static,
    T: Send + 'static,
    E: AsDynError,
    R: Runtime,
{
    type Output = StartOutcome<V, T, E, R>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Some(task) = this.task.take() {
            this.begun = Some(this.begin(task));
        }
        let begun = this.begun.as_mut();
        begun.expect("a start is not polled after it has panicked").poll_ready(cx)
    }
}

impl<C, V, T: Send + 'static, E: AsDynError, R: Spawner> fmt::Debug for StartTask<C, V, T, E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartTask")
            .field("name", &self.name)
            .field("spawned", &self.begun.is_some())
            .finish_non_exhaustive()
    }
}

/// A task that was spawned, until it was handed over. Dropping it cancels the task.
struct Begun<V, T: Send + 'static, E: AsDynError, R: Spawner> {
    handshake: Arc<Handshake<V>>,
    early: EarlySlot<E>,
    /// `None` once it was handed over.
    handle: Option<TaskHandle<T, R>>,
    info: TaskInfo,
    group: GroupId,
}

impl<V, T: Send + 'static, E: AsDynError, R: Runtime> Begun<V, T, E, R> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<StartOutcome<V, T, E, R>> {
        let value = ready!(self.handshake.poll_value(cx));
        let handle = self.handle.as_mut().expect("a start is not polled after it has returned");
        if let Some(value) = value {
            let handle = self.handle.take().expect("looked at just now");
            return Poll::Ready(Ok((value, handle)));
        }
        if self.handshake.is_silent() {
            handle.cancel();
        }
        let outcome = ready!(Pin::new(handle).poll(cx));
        self.handle = None;
        let early = lock(&self.early).take();
        Poll::Ready(Err(StartError(match (early, outcome) {
            (Some(Early::Panic(payload)), _) => resume_unwind(payload),
            (Some(Early::Error(error)), _) => Kind::Failed(error),
            (None, Err(error)) if error.is_refused() || !self.handshake.is_silent() => {
                Kind::Ended(error)
            }
            (None, _) => Kind::NotReady,
        })))
    }
}

impl<V, T: Send + 'static, E: AsDynError, R: Spawner> Drop for Begun<V, T, E, R> {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.as_ref().filter(|_| self.handshake.abandon()) {
            handle.cancel();
            let early = lock(&self.early).take();
            if let Some(early) = early {
                early.report(&self.info, self.group);
            }
        }
    }
}
