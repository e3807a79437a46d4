//! Threads that end with something of ours in a thread-local: tokio's own may be gone before its destructor.

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::sync::mpsc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use anyscope_core::{BoxError, Group, GroupHandle, Semaphore, Timer, defer};
use anyscope_tokio::Tokio;
use tokio::runtime::{Builder, Handle, Runtime};

type Act = Box<dyn FnOnce()>;

/// What a thread does at its very end.
#[derive(Default)]
struct Last(Option<Act>);

impl Drop for Last {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(|act| act());
    }
}

thread_local! {
    static LAST: RefCell<Last> = RefCell::default();
}

/// Does what `prepare` gives at the end of a thread: once with tokio's thread-locals still there and once
/// without, in whichever order the system drops them. A panic there aborts the process.
fn at_the_end_of_a_thread(prepare: impl Fn(&Tokio) -> Act + Send + Sync) {
    // tokio asks its context for the time only once some clock was paused.
    drop(Builder::new_current_thread().enable_time().start_paused(true).build().unwrap());
    let runtime = one_blocking_thread();
    let rt = Tokio::from_handle(runtime.handle().clone());
    let (tell, told) = mpsc::channel();
    for tokio_first in [false, true] {
        let tell = tell.clone();
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let touch_own = || LAST.with(|_| ());
                if !tokio_first {
                    touch_own();
                }
                drop(runtime.enter());
                touch_own();
                let act = prepare(&rt);
                let then: Act = Box::new(move || {
                    let tokio = Handle::try_current().map(drop);
                    tell.send(tokio.is_err_and(|error| error.is_thread_local_destroyed())).unwrap();
                    act();
                });
                LAST.with(|last| last.borrow_mut().0 = Some(then));
            });
            // Waits for the thread-locals as well, which the scope does not.
            thread.join().unwrap();
        });
        runtime.block_on(async { tokio::time::timeout(LIMIT, rt.drained()).await.unwrap() });
    }
    let gone = [told.recv_timeout(LIMIT).unwrap(), told.recv_timeout(LIMIT).unwrap()];
    assert!(gone.contains(&true) && gone.contains(&false), "{gone:?}");
}

fn one_blocking_thread() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).max_blocking_threads(1).enable_all().build().unwrap()
}

/// A group that waits, dropped at the end of the thread that began it.
fn dropped_group(rt: &Tokio, grace: Option<Duration>) -> Act {
    let body = async |g: GroupHandle<BoxError, Tokio>| {
        g.spawn(pending::<Result<(), BoxError>>());
        defer(async |_| tokio::task::yield_now().await);
        pending::<Result<(), BoxError>>().await
    };
    let group = rt.group(body);
    let mut group = Box::pin(match grace {
        Some(grace) => group.grace(grace),
        None => group,
    });
    let begin = poll_fn(|cx| Poll::Ready(group.as_mut().poll(cx).is_pending()));
    assert!(futures_executor::block_on(begin));
    Box::new(move || drop(group))
}

#[test]
fn g2_group_is_dropped() {
    at_the_end_of_a_thread(|rt| dropped_group(rt, None));
}

#[test]
fn c3_group_with_a_grace_period_is_dropped() {
    at_the_end_of_a_thread(|rt| dropped_group(rt, Some(Duration::from_millis(1))));
}

#[test]
fn b3_queued_job_is_cancelled() {
    at_the_end_of_a_thread(|rt| {
        let (finish, finished) = mpsc::channel::<()>();
        drop(rt.spawn_blocking(move || finished.recv().is_err()));
        let queued = rt.spawn_blocking(|| ());
        Box::new(move || {
            queued.cancel();
            assert!(queued.is_finished());
            drop(finish);
        })
    });
}

#[test]
fn b2_permit_is_given_back() {
    at_the_end_of_a_thread(|rt| {
        let semaphore = Semaphore::new(1);
        let permit = semaphore.try_acquire().unwrap();
        let job = rt.job(|| ()).permit_of(&semaphore).spawn_blocking();
        assert!(!job.is_finished());
        Box::new(move || drop(permit))
    });
}

#[test]
fn t6_task_is_spawned_and_cancelled() {
    at_the_end_of_a_thread(|rt| {
        let rt = rt.clone();
        Box::new(move || rt.spawn_detached(pending::<()>()).cancel())
    });
}

#[test]
fn r4_clock_is_read() {
    at_the_end_of_a_thread(|rt| {
        let (rt, before) = (rt.clone(), rt.now());
        Box::new(move || assert!(rt.now() >= before))
    });
}

const LIMIT: Duration = Duration::from_secs(30);
