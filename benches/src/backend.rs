//! The runtimes that everything is measured on, by their own means and through anyscope.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::Duration;

use anyscope_async_std::AsyncStd;
use anyscope_core::Runtime;
use anyscope_smol::Smol;
use anyscope_tokio::Tokio;
use serde::{Deserialize, Serialize};
use smol::Executor;

use crate::Contender;

/// A runtime and how it is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// tokio, multi-thread, two workers.
    TokioMt,
    /// tokio, current-thread.
    TokioCt,
    /// smol's global executor, one thread.
    SmolGlobal,
    /// An executor of smol's that the measuring thread drives.
    SmolOwn,
    /// async-std, a thread for each core.
    AsyncStd,
    /// No runtime: all is polled by the measuring thread.
    Plain,
}

impl Setting {
    /// All that have a runtime.
    pub const RUNTIMES: &[Self] =
        &[Self::TokioMt, Self::TokioCt, Self::SmolGlobal, Self::SmolOwn, Self::AsyncStd];

    /// Whether tokio's own types work in it.
    pub fn is_tokio(self) -> bool {
        matches!(self, Self::TokioMt | Self::TokioCt)
    }

    /// Gives the backend of this setting to `contenders`; none for [`Setting::Plain`].
    pub fn build(self, contenders: impl Build) -> Vec<Contender> {
        static TWO: LazyLock<tokio::runtime::Runtime> = LazyLock::new(two_workers);
        static ONE: LazyLock<tokio::runtime::Runtime> = LazyLock::new(current_thread);
        static OWN: LazyLock<Arc<Executor<'static>>> = LazyLock::new(Default::default);
        match self {
            Self::TokioMt => contenders.build(&OnTokio::new(&TWO)),
            Self::TokioCt => contenders.build(&OnTokio::new(&ONE)),
            Self::SmolGlobal => contenders.build(&OnSmol { own: None, value: Smol::global() }),
            Self::SmolOwn => {
                contenders.build(&OnSmol { own: Some(&OWN), value: Smol::from_executor(&OWN) })
            }
            Self::AsyncStd => contenders.build(&OnAsyncStd(AsyncStd::global())),
            Self::Plain => Vec::new(),
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::TokioMt => "tokio-mt",
            Self::TokioCt => "tokio-ct",
            Self::SmolGlobal => "smol-global",
            Self::SmolOwn => "smol-own",
            Self::AsyncStd => "async-std",
            Self::Plain => "plain",
        })
    }
}

fn two_workers() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_time().build().expect("threads for tokio")
}

fn current_thread() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().build().expect("a runtime of tokio")
}

/// Makes the contenders of a scenario for one backend.
pub trait Build {
    /// The contenders, the one that others are compared with first.
    fn build<B: Backend>(self, backend: &B) -> Vec<Contender>;
}

/// What a runtime can do by itself.
pub trait Backend: Clone + Send + Sync + 'static {
    /// The same runtime through anyscope.
    type Runtime: Runtime;
    /// The native handle of a task.
    type Join<T: Send + 'static>: Future<Output = T> + Send + Unpin + 'static;

    /// Whether tokio's own types work in it.
    const IS_TOKIO: bool;

    /// The same runtime through anyscope.
    fn runtime(&self) -> &Self::Runtime;

    /// Starts a task.
    fn spawn<F>(&self, future: F) -> Self::Join<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    /// Drops the handle; the task goes on.
    fn detach<T: Send + 'static>(join: Self::Join<T>) {
        drop(join);
    }

    /// Cancels all and waits until their futures are gone.
    fn cancel<T: Send + 'static>(joins: Vec<Self::Join<T>>) -> impl Future<Output = ()> + Send;

    /// Cancels one and waits until its future is gone.
    fn cancel_one<T: Send + 'static>(join: Self::Join<T>) -> impl Future<Output = ()> + Send;

    /// The value, if it comes in time.
    fn timeout<F: Future + Send>(
        limit: Duration,
        future: F,
    ) -> impl Future<Output = Option<F::Output>> + Send
    where
        F::Output: Send;

    /// Waits.
    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send;

    /// Runs a closure on the blocking pool.
    fn unblock<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> Self::Join<T>;

    /// Runs a future as a task to its end, from outside.
    fn drive<F>(&self, future: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;
}

/// tokio of either flavour.
#[derive(Clone)]
struct OnTokio {
    native: &'static tokio::runtime::Runtime,
    value: Tokio,
}

impl OnTokio {
    fn new(native: &'static tokio::runtime::Runtime) -> Self {
        Self { native, value: Tokio::from_handle(native.handle().clone()) }
    }
}

/// tokio's handle of a task that neither panics nor is aborted while it is awaited.
struct TokioJoin<T>(tokio::task::JoinHandle<T>);

impl<T> Future for TokioJoin<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.0).poll(cx).map(|joined| joined.expect("a task of a benchmark"))
    }
}

impl Backend for OnTokio {
    type Runtime = Tokio;
    type Join<T: Send + 'static> = TokioJoin<T>;
    const IS_TOKIO: bool = true;

    fn runtime(&self) -> &Tokio {
        &self.value
    }

    fn spawn<F>(&self, future: F) -> TokioJoin<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        TokioJoin(self.native.spawn(future))
    }

    async fn cancel<T: Send + 'static>(joins: Vec<TokioJoin<T>>) {
        joins.iter().for_each(|join| join.0.abort());
        for join in joins {
            drop(join.0.await);
        }
    }

    async fn cancel_one<T: Send + 'static>(join: TokioJoin<T>) {
        join.0.abort();
        drop(join.0.await);
    }

    async fn timeout<F: Future + Send>(limit: Duration, future: F) -> Option<F::Output>
    where
        F::Output: Send,
    {
        tokio::time::timeout(limit, future).await.ok()
    }

    async fn sleep(duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn unblock<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> TokioJoin<T> {
        TokioJoin(tokio::task::spawn_blocking(job))
    }

    fn drive<F>(&self, future: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.native.block_on(self.spawn(future))
    }
}

/// smol's global executor, or one that the caller drives.
#[derive(Clone)]
struct OnSmol {
    own: Option<&'static Arc<Executor<'static>>>,
    value: Smol,
}

impl Backend for OnSmol {
    type Runtime = Smol;
    type Join<T: Send + 'static> = smol::Task<T>;
    const IS_TOKIO: bool = false;

    fn runtime(&self) -> &Smol {
        &self.value
    }

    fn spawn<F>(&self, future: F) -> smol::Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match self.own {
            Some(executor) => executor.spawn(future),
            None => smol::spawn(future),
        }
    }

    fn detach<T: Send + 'static>(join: smol::Task<T>) {
        join.detach();
    }

    async fn cancel<T: Send + 'static>(joins: Vec<smol::Task<T>>) {
        for join in joins {
            Self::cancel_one(join).await;
        }
    }

    async fn cancel_one<T: Send + 'static>(join: smol::Task<T>) {
        join.cancel().await;
    }

    async fn timeout<F: Future + Send>(limit: Duration, future: F) -> Option<F::Output>
    where
        F::Output: Send,
    {
        let in_time = async { Some(future.await) };
        let late = async {
            smol::Timer::after(limit).await;
            None
        };
        smol::future::or(in_time, late).await
    }

    async fn sleep(duration: Duration) {
        smol::Timer::after(duration).await;
    }

    fn unblock<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> smol::Task<T> {
        smol::unblock(job)
    }

    fn drive<F>(&self, future: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let task = self.spawn(future);
        match self.own {
            Some(executor) => smol::block_on(executor.run(task)),
            None => smol::block_on(task),
        }
    }
}

/// async-std's global runtime.
#[derive(Clone)]
struct OnAsyncStd(AsyncStd);

impl Backend for OnAsyncStd {
    type Runtime = AsyncStd;
    type Join<T: Send + 'static> = async_std::task::JoinHandle<T>;
    const IS_TOKIO: bool = false;

    fn runtime(&self) -> &AsyncStd {
        &self.0
    }

    fn spawn<F>(&self, future: F) -> async_std::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        async_std::task::spawn(future)
    }

    async fn cancel<T: Send + 'static>(joins: Vec<async_std::task::JoinHandle<T>>) {
        for join in joins {
            Self::cancel_one(join).await;
        }
    }

    async fn cancel_one<T: Send + 'static>(join: async_std::task::JoinHandle<T>) {
        join.cancel().await;
    }

    async fn timeout<F: Future + Send>(limit: Duration, future: F) -> Option<F::Output>
    where
        F::Output: Send,
    {
        async_std::future::timeout(limit, future).await.ok()
    }

    async fn sleep(duration: Duration) {
        async_std::task::sleep(duration).await;
    }

    fn unblock<T: Send + 'static>(
        job: impl FnOnce() -> T + Send + 'static,
    ) -> async_std::task::JoinHandle<T> {
        async_std::task::spawn_blocking(job)
    }

    fn drive<F>(&self, future: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        async_std::task::block_on(self.spawn(future))
    }
}
