//! The blocking pool on threads that are not its own: such as do not come, and a runtime that is shut down
//! (B1, B2, R1).

#[path = "support/on_pool.rs"]
mod on_pool;

use std::mem;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread;

use anyscope_core::{CauseKind, Group, TaskError, TaskHandle};
use anyscope_pools::{BlockingPool, Worker};
use on_pool::{BOUND, OnPool, outcome, poll_once};

/// On threads of which nobody says that they are shut down.
fn on_threads(bound: usize, start: impl Fn(Worker) + Send + Sync + 'static) -> BlockingPool {
    BlockingPool::on(bound, start, mem::forget)
}

/// A start that panics, as tokio's does; without the hook's message.
fn no_thread() -> ! {
    resume_unwind(Box::new("expected: no thread"))
}

fn on_thread(worker: Worker) {
    drop(thread::spawn(|| worker.run()));
}

fn assert_shut_down<T>(ended: Result<T, TaskError>) {
    let Err(error) = ended else { panic!("it has run") };
    assert_eq!(error.cause().unwrap().kind(), &CauseKind::Shutdown);
}

/// A job that runs until the sender is dropped.
fn running(rt: &OnPool) -> (TaskHandle<(), OnPool>, Sender<()>) {
    let (begin, begun) = mpsc::channel();
    let (finish, finished) = mpsc::channel::<()>();
    let job = rt.spawn_blocking(move || {
        begin.send(()).unwrap();
        assert!(finished.recv_timeout(2 * BOUND).is_err());
    });
    begun.recv_timeout(BOUND).unwrap();
    (job, finish)
}

/// Which keeps the worker, as tokio does.
#[test]
fn r1_jobs_are_dropped_where_the_first_thread_does_not_come() {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keep = kept.clone();
    let rt = OnPool::new(on_threads(1, move |worker| {
        keep.lock().unwrap().push(worker);
        no_thread()
    }));
    for _ in 0..2 {
        assert_shut_down(outcome(rt.spawn_blocking(|| ())));
    }
    let kept = mem::take(&mut *kept.lock().unwrap());
    assert_eq!(kept.len(), 2);
    kept.into_iter().for_each(Worker::run);
}

#[test]
fn b1_job_runs_once_threads_come_again() {
    let refuses = Arc::new(AtomicBool::new(true));
    let still = refuses.clone();
    let rt = OnPool::new(on_threads(1, move |worker| match still.load(Ordering::SeqCst) {
        true => no_thread(),
        false => on_thread(worker),
    }));
    assert_shut_down(outcome(rt.spawn_blocking(|| ())));
    refuses.store(false, Ordering::SeqCst);
    assert_eq!(outcome(rt.spawn_blocking(|| 7)).unwrap(), 7);
}

/// There is one, which is busy: the job is its next one.
#[test]
fn b2_job_for_which_no_thread_comes_is_left_to_the_others() {
    let started = AtomicUsize::new(0);
    let rt =
        OnPool::new(on_threads(2, move |worker| match started.fetch_add(1, Ordering::SeqCst) {
            1 => no_thread(),
            _ => on_thread(worker),
        }));
    let (first, finish) = running(&rt);
    let second = rt.spawn_blocking(|| 2);
    assert!(!second.is_finished(), "it waits");
    drop(finish);
    outcome(first).unwrap();
    assert_eq!(outcome(second).unwrap(), 2);
}

/// As in some versions of tokio: a destructor that started another job would wait for ever.
#[test]
fn r5_jobs_are_dropped_outside_of_a_lock_under_which_the_worker_is() {
    let lock = Arc::new(Mutex::new(()));
    let runtimes = lock.clone();
    let rt = OnPool::new(on_threads(1, move |worker| {
        let _lock = runtimes.lock().unwrap();
        drop(worker);
    }));
    let (tell, told) = mpsc::channel();
    let probe = OnDrop(Some(move || tell.send(lock.try_lock().is_ok()).unwrap()));
    assert_shut_down(outcome(rt.spawn_blocking(move || drop(probe))));
    assert!(told.recv_timeout(BOUND).unwrap(), "the lock is held");
}

/// With the first of three running, which goes on.
#[test]
fn r1_jobs_behind_one_that_runs_are_dropped_when_the_runtime_is_shut_down() {
    let watches = Arc::new(Mutex::new(Vec::new()));
    let keep = watches.clone();
    let watch = move |watch| keep.lock().unwrap().push(watch);
    let rt = OnPool::new(BlockingPool::on(1, on_thread, watch));
    let (running, finish) = running(&rt);
    let queued = rt.spawn_blocking(|| ());
    let watches = mem::take(&mut *watches.lock().unwrap());
    assert_eq!(watches.len(), 1, "left with the first job");
    drop(watches);
    assert_shut_down(outcome(queued));
    assert_shut_down(outcome(rt.spawn_blocking(|| ())));
    assert!(!running.is_finished());
    drop(finish);
    outcome(running).unwrap();
}

#[test]
fn watch_ends_with_its_pool() {
    let (leave, left) = mpsc::channel();
    let pool = BlockingPool::on(1, on_thread, move |watch| leave.send(watch).unwrap());
    let rt = OnPool::new(pool);
    assert_eq!(outcome(rt.spawn_blocking(|| 7)).unwrap(), 7);
    let mut watch = left.recv_timeout(BOUND).unwrap();
    assert!(poll_once(&mut watch).is_pending());
    drop(rt);
    outcome(watch);
}

struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(|f| f());
    }
}
