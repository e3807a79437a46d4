//! `spawn_all`: a task for each of many futures, and their values in order (G23).

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::mem;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::carried::Carried;
use crate::error::AsDynError;
use crate::group::body::MapFault;
use crate::group::entry::Admission;
use crate::group::handle::GroupHandle;
use crate::group::spawn::spawn_carrying;
use crate::group::waiting::SpawnWhenFree;
use crate::runtime::{Runtime, Spawner};
use crate::task::{NoCallback, TaskError, TaskHandle, TaskId, TaskInfo, next_id};

/// So many are spawned before the executor has its turn: they fit into its queue, and their memory
/// into the cache.
const AT_ONCE: usize = 64;

impl<E: AsDynError, R: Runtime> GroupHandle<E, R> {
    /// Spawns a task for each future and gives their values, in order (G23). Nothing is spawned before
    /// it is polled.
    ///
    /// They all run at once; at most so many at once are the business of
    /// [`map_concurrent`](crate::map_concurrent), or of a group with a limit (G18). They are spawned in order
    /// and a few at a time, so that the first may have ended, and left its memory to another, before the last
    /// is spawned: many short tasks cost less by this than by handles in a `Vec`.
    ///
    /// # Errors
    ///
    /// The first task by position that has no value, as its handle would say (T1). No task is stopped; what
    /// is not spawned yet, and the values that were there, are dropped. [`gather`](crate::gather) stops
    /// the others at the first failure of any, which in a fail-fast group has happened by then; its
    /// [`settled`](crate::Gather::settled) has an outcome for each.
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
    #[track_caller]
    pub fn spawn_all<I, F, T>(&self, futures: I) -> SpawnAll<I::IntoIter, T, E, R>
    where
        I: IntoIterator<Item = F>,
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        SpawnAll {
            group: self.clone(),
            location: Location::caller(),
            carried: Carried::new(),
            futures: Some(futures.into_iter()),
            waiting: None,
            tasks: VecDeque::new(),
            values: Vec::new(),
        }
    }
}

/// The future of [`GroupHandle::spawn_all`](crate::GroupHandle::spawn_all).
#[must_use = "it spawns nothing unless awaited"]
pub struct SpawnAll<I: Iterator, T: Send + 'static, E, R: Spawner> {
    group: GroupHandle<E, R>,
    location: &'static Location<'static>,
    carried: Carried,
    /// What is yet to be spawned. `None` once that is nothing.
    futures: Option<I>,
    /// The next one, where it waits for a place (G18).
    waiting: Option<SpawnWhenFree<E, R, I::Item>>,
    /// Those whose values are yet to be taken, and the values before them.
    tasks: VecDeque<TaskHandle<T, R>>,
    values: Vec<T>,
}

/// How far the spawning is.
enum Progress {
    Done,
    /// There are more, after the executor has had its turn.
    More,
    /// For a place.
    Waiting,
}

impl<I: Iterator, T: Send + 'static, E, R: Spawner> SpawnAll<I, T, E, R> {
    /// Gives each task values that code in it can ask for (X4).
    pub fn carrying(self, carried: Carried) -> Self {
        Self { carried, ..self }
    }

    /// Nothing is spawned any more, and its place in line is the next one's (G18).
    fn stop(&mut self) {
        self.futures = None;
        self.waiting = None;
        self.tasks.clear();
    }

    /// Takes the values of those that have ended, in order, until one has not.
    fn poll_tasks(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TaskError>> {
        while let Some(first) = self.tasks.front_mut() {
            let value = ready!(Pin::new(first).poll(cx))?;
            self.values.push(value);
            self.tasks.pop_front();
        }
        Poll::Ready(Ok(()))
    }
}

impl<I, F, T, E, R> SpawnAll<I, T, E, R>
where
    I: Iterator<Item = F>,
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: AsDynError,
    R: Runtime,
{
    /// A failure that is there already is found before more are spawned.
    fn poll_all(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<T>, TaskError>> {
        let _ = self.poll_tasks(cx)?;
        let progress = self.spawn_some(cx);
        let ended = self.poll_tasks(cx)?;
        match progress {
            Progress::Done => ended.map(|()| Ok(mem::take(&mut self.values))),
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
        let info = TaskInfo { id: TaskId(next_id()), name: None, location: self.location };
        if self.group.node().has_limit() {
            let waiting = SpawnWhenFree::new(self.group.clone(), info, future);
            self.waiting = Some(waiting.carrying(self.carried.clone()));
            return;
        }
        let (future, carried) = (MapFault::new(future), self.carried.clone());
        let ordinary = Admission::Ordinary;
        let task = spawn_carrying(&self.group, info, ordinary, carried, future, NoCallback);
        self.keep(task);
    }

    /// A group that has refused one will refuse all.
    fn keep(&mut self, task: TaskHandle<T, R>) {
        if task.is_refused() {
            self.futures = None;
        }
        self.tasks.push_back(task);
    }
}

/// The futures are only moved.
impl<I: Iterator, T: Send + 'static, E, R: Spawner> Unpin for SpawnAll<I, T, E, R> {}

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
        let this = self.get_mut();
        let outcome = this.poll_all(cx);
        if let Poll::Ready(Err(_)) = outcome {
            this.stop();
        }
        outcome
    }
}

impl<I: Iterator, T: Send + 'static, E, R: Spawner> fmt::Debug for SpawnAll<I, T, E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpawnAll")
            .field("ended", &self.values.len())
            .field("running", &self.tasks.len())
            .finish_non_exhaustive()
    }
}
