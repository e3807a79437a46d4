//! What cases are made of instead of sleeps: gates, counters, probes that tell when they are
//! dropped, bounded waits.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use anyscope_core::{
    BoxError, CancelCause, CauseKind, GroupError, GroupHandle, GroupId, Payload, Runtime,
};
use futures_util::future::{Either, select};

pub(crate) use crate::reported::{HARMS_THE_HOOK, lost, unique};
use crate::thread;

/// The result of a case's groups.
pub(crate) type Outcome<T> = Result<T, GroupError<BoxError>>;

/// Something to wait for, opened once, from anywhere; for tasks and for threads.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<GateState>);

#[derive(Default)]
struct GateState {
    inner: Mutex<(bool, Vec<Waker>)>,
    opened: Condvar,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn open(&self) {
        let wakers = {
            let mut inner = self.0.inner.lock().unwrap();
            inner.0 = true;
            std::mem::take(&mut inner.1)
        };
        self.0.opened.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn is_open(&self) -> bool {
        self.0.inner.lock().unwrap().0
    }

    /// How many wait asynchronously. Wakers of dropped waiters are counted as well.
    pub(crate) fn waiters(&self) -> usize {
        self.0.inner.lock().unwrap().1.len()
    }

    pub(crate) async fn wait(&self) {
        poll_fn(|cx| {
            let mut inner = self.0.inner.lock().unwrap();
            if inner.0 {
                return Poll::Ready(());
            }
            inner.1.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Blocks the thread, up to the bound of all waits.
    pub(crate) fn wait_blocking(&self) {
        if thread::in_turns() {
            return thread::block_until("a gate is opened", || self.is_open());
        }
        let inner = self.0.inner.lock().unwrap();
        let waited = self.0.opened.wait_timeout_while(inner, BOUND, |inner| !inner.0);
        assert!(waited.unwrap().0.0, "a gate was not opened within {BOUND:?}");
    }
}

/// Counts events: polls, drops, calls.
#[derive(Clone, Default)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn add(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Counts, where nobody asks how many there were.
    pub(crate) fn note(&self) {
        self.add();
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// A value that counts when it is dropped.
    pub(crate) fn on_drop(&self) -> OnDrop<impl FnMut() + Send + Sync + use<>> {
        let count = self.clone();
        on_drop(move || {
            count.add();
        })
    }
}

/// A value that calls `f` when it is dropped.
pub(crate) fn on_drop<F: FnMut()>(f: F) -> OnDrop<F> {
    OnDrop(f)
}

pub(crate) struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Lets others run once.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Waits until `condition` holds; fails if that takes longer than any working runtime needs.
pub(crate) async fn eventually<R: Runtime>(
    rt: &R,
    what: &str,
    mut condition: impl FnMut() -> bool,
) {
    let begin = rt.now();
    while !condition() {
        assert!(rt.now() - begin < BOUND, "not within {BOUND:?}: {what}");
        rt.sleep(Duration::from_millis(1)).await;
    }
}

/// The same for a thread.
pub(crate) fn eventually_blocking(what: &str, condition: impl FnMut() -> bool) {
    thread::block_until(what, condition);
}

/// Polls a future once, with a waker that does nothing.
pub(crate) fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// An error to fail with.
pub(crate) fn boom(text: &str) -> BoxError {
    BoxError::msg(text)
}

/// Far more than any wait needs on a loaded machine, and less than a case's limit.
pub(crate) const BOUND: Duration = Duration::from_secs(30);

/// The handle of a group that has ended.
pub(crate) async fn ended_group<R: Runtime>(rt: &R) -> GroupHandle<BoxError, R> {
    rt.group(async |g| Ok(g)).await.unwrap()
}

/// A future that is never ready and never wakes: only a cancellation ends it.
pub(crate) async fn never<T>() -> Result<T, BoxError> {
    std::future::pending().await
}

/// Counts in `dropped` when it is dropped, opens `started` when it is first polled, and never ends.
pub(crate) fn parked(
    started: &Gate,
    dropped: &Count,
) -> impl Future<Output = Result<(), BoxError>> + Send + use<> {
    let (started, probe) = (started.clone(), dropped.on_drop());
    async move {
        let _probe = probe;
        started.open();
        std::future::pending().await
    }
}

/// Drives a future on this thread, where no runtime is; up to the bound of all waits.
pub(crate) fn block_on_here<F: Future>(future: F) -> F::Output {
    let woken = Arc::new(Unpark { woken: AtomicBool::new(false), thread: thread::current() });
    let waker = Waker::from(woken.clone());
    let mut future = pin!(future);
    let begin = Instant::now();
    loop {
        assert!(begin.elapsed() < BOUND, "not woken within {BOUND:?}");
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        woken.wait();
    }
}

struct Unpark {
    woken: AtomicBool,
    thread: std::thread::Thread,
}

impl Unpark {
    fn wait(&self) {
        let woken = || self.woken.swap(false, Ordering::SeqCst);
        match thread::in_turns() {
            true => thread::block_until("a future is woken", woken),
            false if woken() => {}
            false => std::thread::park_timeout(BOUND),
        }
    }
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

/// A waker that calls `f`.
pub(crate) fn calling(f: impl Fn() + Send + Sync + 'static) -> Waker {
    struct Calls<F>(F);

    impl<F: Fn() + Send + Sync> Wake for Calls<F> {
        fn wake(self: Arc<Self>) {
            (self.0)();
        }
    }

    Waker::from(Arc::new(Calls(f)))
}

/// The value of a future, or the panic that polling it raised.
pub(crate) async fn caught<F: Future>(future: F) -> Result<F::Output, Payload> {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Ok),
        Err(payload) => Poll::Ready(Err(payload)),
    })
    .await
}

/// The future, its polls counted, each when it is over: after the first that is pending it waits.
pub(crate) async fn counted<F: Future>(polls: Count, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let polled = future.as_mut().poll(cx);
        polls.add();
        polled
    })
    .await
}

/// A value whose destructor panics.
pub(crate) fn bomb(text: &str) -> OnDrop<impl FnMut() + Send + Sync + use<>> {
    let text = text.to_owned();
    on_drop(move || panic!("{text}"))
}

/// Fails unless the runtime still runs tasks and jobs.
pub(crate) async fn assert_alive<R: Runtime>(rt: &R) {
    let outcome: Outcome<i32> = rt
        .group(async |g| {
            let tasks: Vec<_> = (0..8).map(|_| g.spawn(async { Ok(1) })).collect();
            let job = g.spawn_blocking(|| 1);
            let mut sum = job.await?;
            for task in tasks {
                sum += task.await?;
            }
            Ok(sum)
        })
        .await;
    assert_eq!(outcome.unwrap(), 9);
}

/// The future, with something that is dropped with it: after its last poll, not in it.
pub(crate) fn holding<P, F>(probe: P, future: F) -> impl Future<Output = F::Output> + use<P, F>
where
    F: Future,
{
    let mut future = Box::pin(future);
    poll_fn(move |cx| {
        let _ = &probe;
        future.as_mut().poll(cx)
    })
}

/// A job that no cancellation can end, only this: for a group that must not return yet. Dropping
/// this ends it, so that a case that fails leaves no thread behind.
#[derive(Default)]
pub(crate) struct Stuck {
    pub(crate) running: Gate,
    pub(crate) finish: Gate,
    pub(crate) ended: Count,
}

impl Stuck {
    pub(crate) fn job(&self) -> impl FnOnce() + Send + use<> {
        let (running, finish) = (self.running.clone(), self.finish.clone());
        let ended = self.ended.clone();
        move || {
            running.open();
            finish.wait_blocking();
            ended.add();
        }
    }

    pub(crate) fn spawn_into<R: Runtime>(&self, g: &GroupHandle<BoxError, R>) {
        drop(g.spawn_blocking(self.job()));
    }

    /// Drives `group` until `reached` is open, sees that it goes on waiting for the job, and lets
    /// that end.
    pub(crate) async fn is_waited_for_by<F: Future>(&self, group: F, reached: &Gate) -> F::Output {
        let mut group = pin!(group);
        let reached = pin!(reached.wait());
        let early = matches!(select(group.as_mut(), reached).await, Either::Left(_));
        assert!(!early, "returned without waiting for the job");
        for _ in 0..10 {
            assert!(poll_once(group.as_mut()).is_pending(), "has not waited for the job");
            yield_now().await;
        }
        assert_eq!(self.ended.get(), 0, "nobody has told the job to end");
        self.finish.open();
        let outcome = group.await;
        assert_eq!(self.ended.get(), 1, "the job has ended");
        outcome
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        self.finish.open();
    }
}

impl Gate {
    /// Opens the gate when it is dropped, so that a case that fails leaves no thread behind.
    pub(crate) fn open_on_drop(&self) -> OnDrop<impl FnMut() + use<>> {
        let gate = self.clone();
        on_drop(move || gate.open())
    }
}

/// Whose deadline it was.
pub(crate) fn deadline_of(cause: &CancelCause) -> Option<GroupId> {
    match cause.kind() {
        CauseKind::Deadline(whose) => Some(whose.id()),
        _ => None,
    }
}
