//! What waits for something that tokio's runtime has not, or has no more: blocking jobs for a thread when it
//! is shut down (R1, R5), grace periods for a timer (C3).

use std::future::{Future, pending, poll_fn};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use anyscope_core::{Blocking, BoxError, CauseKind, Group, GroupHandle, TaskHandle};
use anyscope_tokio::Tokio;
use tokio::runtime::{Builder, Runtime};

const BOUND: Duration = Duration::from_secs(60);

fn runtimes() -> [Runtime; 2] {
    let (mut multi_thread, mut current) =
        (Builder::new_multi_thread(), Builder::new_current_thread());
    let builders = [multi_thread.worker_threads(2), &mut current];
    builders.map(|builder| builder.max_blocking_threads(1).enable_all().build().unwrap())
}

/// What a future comes to, awaited on a thread that has nothing to do with tokio.
fn outcome<F: Future<Output: Send> + Send + 'static>(future: F) -> F::Output {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || tell.send(futures_executor::block_on(future)));
    told.recv_timeout(BOUND).expect("it is answered")
}

fn assert_shut_down(job: TaskHandle<(), Tokio>) {
    let error = outcome(job).unwrap_err();
    assert_eq!(error.cause().unwrap().kind(), &CauseKind::Shutdown);
}

/// What waits until the sender is dropped, once it has begun.
fn begun<T>(start: impl FnOnce(Box<dyn FnOnce() + Send>) -> T) -> (T, Sender<()>) {
    let (begin, begun) = mpsc::channel();
    let (finish, finished) = mpsc::channel::<()>();
    let started = start(Box::new(move || {
        begin.send(()).unwrap();
        assert!(finished.recv_timeout(2 * BOUND).is_err());
    }));
    begun.recv_timeout(BOUND).unwrap();
    (started, finish)
}

#[test]
fn jobs_behind_one_that_runs_are_dropped() {
    for runtime in runtimes() {
        let rt = Tokio::from_handle(runtime.handle().clone()).with_blocking_threads(1);
        let (running, finish) = begun(|job| rt.spawn_blocking(job));
        let queued = rt.spawn_blocking(|| ());
        runtime.shutdown_background();
        assert_shut_down(queued);
        assert_shut_down(rt.spawn_blocking(|| ()));
        assert!(!running.is_finished());
        drop(finish);
        outcome(running).unwrap();
    }
}

/// All that come are of a runtime that is dead already.
#[test]
fn job_that_comes_too_late_is_dropped() {
    for runtime in runtimes() {
        let rt = Tokio::from_handle(runtime.handle().clone());
        runtime.shutdown_background();
        for _ in 0..2 {
            assert_shut_down(rt.spawn_blocking(|| ()));
        }
    }
}

/// The runtime's only blocking thread has work that is not ours.
#[test]
fn job_for_which_the_runtime_has_no_thread_is_dropped() {
    for runtime in runtimes() {
        let rt = Tokio::from_handle(runtime.handle().clone());
        let (_, finish) = begun(|work| runtime.spawn_blocking(work));
        let queued = rt.spawn_blocking(|| ());
        runtime.shutdown_background();
        assert_shut_down(queued);
        assert_shut_down(rt.spawn_blocking(|| ()));
        drop(finish);
    }
}

/// Nobody could say when it is over.
#[test]
fn a_grace_period_without_timers_is_over_at_once() {
    let (runtime, (tell, told)) = (Builder::new_multi_thread().build().unwrap(), mpsc::channel());
    let rt = Tokio::from_handle(runtime.handle().clone());
    let (started, begun) = mpsc::channel();
    let group = rt.group::<BoxError, _>(async move |g: GroupHandle<BoxError, Tokio>| {
        let stubborn = async move {
            let _dropped = tell;
            started.send(()).unwrap();
            pending().await
        };
        drop(g.spawn::<_, ()>(stubborn));
        pending::<Result<(), BoxError>>().await
    });
    let mut group = Box::pin(group.grace(BOUND));
    runtime.block_on(poll_fn(|cx| Poll::Ready(group.as_mut().poll(cx).is_ready())));
    begun.recv_timeout(BOUND).unwrap();
    drop(group);
    let end: Result<(), _> = told.recv_timeout(BOUND / 2);
    assert_eq!(end, Err(RecvTimeoutError::Disconnected), "the task is dropped");
}
