//! `spawn_all`: a task for each of many futures, and their values in order (G23).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::carried::Carried;
use crate::error::{AsDynError, ErrIntoExt};
use crate::group::handle::GroupHandle;
use crate::group::spawning::task::spawn_carrying;
use crate::group::spawning::when_free::SpawnWhenFree;
use crate::group::state::entry::Admission;
use crate::panics::DropEach;
use crate::runtime::{Runtime, Spawner};
use crate::task::{NoCallback, TaskError, TaskHandle, TaskInfo};

/// So many are spawned before the executor has its turn: they fit into its queue, and their memory
/// into the cache.
const AT_ONCE: usize = 64;

impl<E: AsDynError, R: Runtime> GroupHandle<E, R> {
    /// Spawns a task for each future and gives their values, in order (G23). Nothing is spawned before
    /// it is polled.
    ///
    /// They all run at once; to bound how many, use [`map_concurrent`](crate::map_concurrent), or give the
    /// group a limit (G18). They are spawned in order
    /// and a few at a time, so that the first may have ended, and left its memory to another, before the last
    /// is spawned: many short tasks cost less by this than by handles in a `Vec`.
    ///
    /// # Errors
    ///
    /// The first task by position that has no value, as its handle would say (T1). No task is stopped; what
    /// is not spawned yet, and the values that were there, are dropped. [`gather`](crate::gather) stops
    /// the others at the first failure of any, which in a fail-fast group has happened by then.
    ///
    /// To have each error in its place, and to stop nothing, let the value of each task be a `Result`, as in
    /// the second example: then an error is a value, and no failure of the group. What
    /// [`settled`](SpawnAll::settled) is for stands there.
    ///
    /// # Cancel safety
    ///
    /// Dropping it stops no task, as with handles (T2); what is not spawned yet is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use anyscope_core::{Group, GroupError, Runtime};
    ///
    /// async fn lengths<R: Runtime>(rt: &R, words: Vec<String>) -> Result<Vec<usize>, GroupError> {
    ///     rt.group(async |g| {
    ///         let count = |word: String| async move { Ok(word.len()) };
    ///         Ok(g.spawn_all(words.into_iter().map(count)).await?)
    ///     })
    ///     .await
    /// }
    /// ```
    ///
    /// A result for each, with the errors as they are:
    ///
    /// ```
    /// use std::io;
    /// use anyscope_core::{Group, GroupError, Runtime};
    ///
    /// async fn fetch(url: String) -> io::Result<String> {
    ///     Ok(url) // by whatever client you have
    /// }
    ///
    /// type Fetched = Vec<io::Result<String>>;
    ///
    /// async fn fetch_all<R: Runtime>(rt: &R, urls: Vec<String>) -> Result<Fetched, GroupError> {
    ///     rt.group(async |g| {
    ///         let fetches = urls.into_iter().map(async |url| Ok(fetch(url).await));
    ///         Ok(g.spawn_all(fetches).await?)
    ///     })
    ///     .await
    /// }
    /// ```
    #[track_caller]
    pub fn spawn_all<I, F, T>(&self, futures: I) -> SpawnAll<I::IntoIter, T, E, R>
    where
        I: IntoIterator<Item = F>,
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        let spawning = Spawning {
            group: self.clone(),
            location: Location::caller(),
            carried: Carried::new(),
            ends_refused: true,
            futures: Some(futures.into_iter()),
            waiting: None,
            tasks: VecDeque::new(),
        };
        SpawnAll { spawning, values: DropEach::default() }
    }
}

/// The future of [`GroupHandle::spawn_all`](crate::GroupHandle::spawn_all).
#[must_use = "it spawns nothing unless awaited"]
pub struct SpawnAll<I: Iterator, T: Send + 'static, E, R: Spawner> {
    spawning: Spawning<I, T, E, R>,
    /// Those before the tasks that it has.
    values: DropEach<Vec<T>>,
}

impl<I: Iterator, T: Send + 'static, E, R: Spawner> SpawnAll<I, T, E, R> {
    /// Gives each task values that code in it can ask for (X4).
    pub fn carrying(mut self, carried: Carried) -> Self {
        self.spawning.carried = carried;
        self
    }

    /// Gives an outcome for each, in order, when all have ended: what the group refuses (G10) has that as
    /// its outcome.
    ///
    /// An outcome says only that a task has failed: the error is the group's (T1). In a fail-fast group it
    /// cancels the one who waits here, and under [`Supervise`](crate::Supervise) the group fails by it in the
    /// end: what the body made of the outcomes is lost. So this is for tasks whose failure their group does
    /// not keep ([`Supervise::reporting`](crate::Supervise::reporting)), or that may be cancelled or refused.
    /// To have the errors themselves, let the value of each task be a `Result`
    /// ([`spawn_all`](GroupHandle::spawn_all), second example).
    ///
    /// # Cancel safety
    ///
    /// As for [`spawn_all`](GroupHandle::spawn_all).
    ///
    /// # Examples
    ///
    /// ```
    /// use anyscope_core::{Group, GroupError, Runtime, Supervise};
    ///
    /// /// Each failure is reported, and the count is there all the same.
    /// async fn count_good<R: Runtime>(rt: &R) -> Result<usize, GroupError> {
    ///     rt.group(async |g| {
    ///         let parse = |text: &'static str| async move { Ok(text.parse::<i32>()?) };
    ///         let outcomes = g.spawn_all(["1", "x"].map(parse)).settled().await;
    ///         Ok(outcomes.iter().filter(|outcome| outcome.is_ok()).count())
    ///     })
    ///     .policy(Supervise::reporting(|failure| eprintln!("{failure}")))
    ///     .await
    /// }
    /// ```
    pub fn settled(mut self) -> SpawnAllSettled<I, T, E, R> {
        let mut outcomes: DropEach<Vec<_>> = DropEach::default();
        outcomes.extend(self.values.take().into_iter().map(Ok));
        let spawning = Spawning { ends_refused: false, ..self.spawning };
        SpawnAllSettled { spawning, outcomes }
    }
}

impl<I, F, T, E, R> Future for SpawnAll<I, T, E, R>
where
    I: Iterator<Item = F>,
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: AsDynError,
    R: Runtime,
{
    type Output = Result<Vec<T>, TaskError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { spawning, values } = self.get_mut();
        let all = spawning.poll(cx, |outcome| {
            values.push(outcome?);
            Ok(())
        });
        all.map_ok(|()| values.take())
    }
}

/// The futures are only moved.
impl<I: Iterator, T: Send + 'static, E, R: Spawner> Unpin for SpawnAll<I, T, E, R> {}

impl<I: Iterator, T: Send + 'static, E, R: Spawner> fmt::Debug for SpawnAll<I, T, E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.spawning.fmt_as("SpawnAll", self.values.len(), f)
    }
}

/// The future of [`SpawnAll::settled`].
#[must_use = "it spawns nothing unless awaited"]
pub struct SpawnAllSettled<I: Iterator, T: Send + 'static, E, R: Spawner> {
    spawning: Spawning<I, T, E, R>,
    /// Of those before the tasks that it has.
    outcomes: DropEach<Vec<Result<T, TaskError>>>,
}

impl<I, F, T, E, R> Future for SpawnAllSettled<I, T, E, R>
where
    I: Iterator<Item = F>,
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: AsDynError,
    R: Runtime,
{
    type Output = Vec<Result<T, TaskError>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { spawning, outcomes } = self.get_mut();
        let all = spawning.poll(cx, |outcome| {
            outcomes.push(outcome);
            Ok::<_, Infallible>(())
        });
        all.map(|_| outcomes.take())
    }
}

/// As the other.
impl<I: Iterator, T: Send + 'static, E, R: Spawner> Unpin for SpawnAllSettled<I, T, E, R> {}

impl<I: Iterator, T: Send + 'static, E, R: Spawner> fmt::Debug for SpawnAllSettled<I, T, E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.spawning.fmt_as("SpawnAllSettled", self.outcomes.len(), f)
    }
}

/// Futures that become tasks, and those that are yet to end.
struct Spawning<I: Iterator, T: Send + 'static, E, R: Spawner> {
    group: GroupHandle<E, R>,
    location: &'static Location<'static>,
    carried: Carried,
    /// Whether the first that is refused is the last: a group that has refused one will refuse all.
    ends_refused: bool,
    /// What is yet to be spawned. `None` once that is nothing.
    futures: Option<I>,
    /// The next one, where it waits for a place (G18).
    waiting: Option<SpawnWhenFree<T, E, R, I::Item>>,
    /// In order, up to the last that was spawned.
    tasks: VecDeque<TaskHandle<T, R>>,
}

/// How far the spawning is.
enum Progress {
    Done,
    /// There are more, after the executor has had its turn.
    More,
    /// For a place.
    Waiting,
}

impl<I: Iterator, T: Send + 'static, E, R: Spawner> Spawning<I, T, E, R> {
    /// Nothing is spawned any more, and its place in line is the next one's (G18).
    fn stop(&mut self) {
        self.futures = None;
        self.waiting = None;
        self.tasks.clear();
    }

    /// Takes the outcomes of those that have ended, in order, until one has not.
    fn poll_tasks<X>(
        &mut self,
        cx: &mut Context<'_>,
        mut take: impl FnMut(Result<T, TaskError>) -> Result<(), X>,
    ) -> Poll<Result<(), X>> {
        while let Some(first) = self.tasks.front_mut() {
            let outcome = ready!(Pin::new(first).poll(cx));
            self.tasks.pop_front();
            take(outcome)?;
        }
        Poll::Ready(Ok(()))
    }

    fn fmt_as(&self, name: &str, ended: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("ended", &ended)
            .field("running", &self.tasks.len())
            .finish_non_exhaustive()
    }
}

impl<I, F, T, E, R> Spawning<I, T, E, R>
where
    I: Iterator<Item = F>,
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: AsDynError,
    R: Runtime,
{
    /// Ready when `take` has had all outcomes, in order, or has given an error.
    fn poll<X>(
        &mut self,
        cx: &mut Context<'_>,
        take: impl FnMut(Result<T, TaskError>) -> Result<(), X>,
    ) -> Poll<Result<(), X>> {
        let all = self.poll_all(cx, take);
        if let Poll::Ready(Err(_)) = all {
            self.stop();
        }
        all
    }

    /// An error that is there already is found before more are spawned.
    fn poll_all<X>(
        &mut self,
        cx: &mut Context<'_>,
        mut take: impl FnMut(Result<T, TaskError>) -> Result<(), X>,
    ) -> Poll<Result<(), X>> {
        let _ = self.poll_tasks(cx, &mut take)?;
        let progress = self.spawn_some(cx);
        let ended = self.poll_tasks(cx, &mut take)?;
        match progress {
            Progress::Done => ended.map(Ok),
            Progress::Waiting => Poll::Pending,
            Progress::More => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn spawn_some(&mut self, cx: &mut Context<'_>) -> Progress {
        for _ in 0..AT_ONCE {
            if !self.poll_waiting(cx) {
                return Progress::Waiting;
            }
            let Some(future) = self.futures.as_mut().and_then(Iterator::next) else {
                self.futures = None;
                return Progress::Done;
            };
            self.spawn(future);
        }
        Progress::More
    }

    /// Whether the one before has been spawned.
    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(waiting) = &mut self.waiting else {
            return true;
        };
        let Poll::Ready(task) = Pin::new(waiting).poll(cx) else {
            return false;
        };
        self.waiting = None;
        self.keep(task);
        true
    }

    fn spawn(&mut self, future: F) {
        let (location, carried) = (self.location, self.carried.clone());
        if self.group.node().has_limit() {
            let task = self.group.task(future).at(location).carrying(carried);
            self.waiting = Some(task.spawn_when_free());
            return;
        }
        let info = TaskInfo::new(None, location);
        let (future, ordinary) = (future.err_into(), Admission::Ordinary);
        let task = spawn_carrying(&self.group, info, ordinary, carried, future, NoCallback);
        self.keep(task);
    }

    fn keep(&mut self, task: TaskHandle<T, R>) {
        if self.ends_refused && task.is_refused() {
            self.futures = None;
        }
        self.tasks.push_back(task);
    }
}
