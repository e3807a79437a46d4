//! What other threads do to a simulation makes its run fail, wherever they do it.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;

use anyscope_core::{Blocking, BoxError, Group, PanicPolicy, Timer, panic_message};
use anyscope_sim::{Options, Sim, Simulation, block_until, spawn_thread};
use support::bounded;

mod support;

/// On a thread that no simulation knows.
fn elsewhere(f: impl FnOnce() + Send) {
    thread::scope(|scope| scope.spawn(f).join()).unwrap();
}

/// How the run fails.
fn failure<F: Future<Output = ()>>(main: impl FnOnce(Sim) -> F) -> String {
    let simulation = Simulation::new(Options::seed(1));
    let outcome = catch_unwind(AssertUnwindSafe(|| simulation.run(main)));
    let payload = outcome.expect_err("the run fails");
    panic_message(&*payload).to_owned()
}

#[test]
fn wake_up_that_a_blocking_task_comes_upon_fails_the_run_as_well() {
    bounded(|| {
        let seen = failure(async |rt| {
            let waker: Arc<Mutex<Option<Waker>>> = Arc::default();
            let leaked = waker.clone();
            let outcome = rt.group::<BoxError, _>(async |g| {
                g.spawn(poll_fn(move |cx| {
                    *leaked.lock().unwrap() = Some(cx.waker().clone());
                    Poll::<Result<(), BoxError>>::Pending
                }));
                g.runtime().settle().await;
                g.spawn(async move {
                    let waker = waker.lock().unwrap().take().unwrap();
                    elsewhere(|| waker.wake());
                    spawn_thread(|| ()).join().unwrap();
                    Ok(())
                });
                Ok(())
            });
            assert!(outcome.panics(PanicPolicy::Capture).await.is_err());
        });
        assert!(seen.starts_with("woken from the thread"), "{seen}");
    });
}

#[test]
fn wake_up_in_the_last_step_fails_the_run_as_well() {
    bounded(|| {
        let seen = failure(async |_| {
            let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
            elsewhere(|| waker.wake());
        });
        assert!(seen.starts_with("woken from the thread"), "{seen}");
    });
}

#[test]
fn job_for_a_full_pool_fails_the_run() {
    bounded(|| {
        let seen = failure(async |rt| {
            let rt = rt.with_blocking_threads(1);
            drop(rt.spawn_blocking(|| block_until(|| false)));
            rt.settle().await;
            elsewhere(|| drop(rt.spawn_blocking(|| ())));
            rt.yield_now().await;
        });
        assert!(seen.starts_with("a job was queued from the thread"), "{seen}");
    });
}

#[test]
fn settling_fails_the_run() {
    bounded(|| {
        let seen = failure(async |rt| {
            let mut settle = Box::pin(rt.settle());
            elsewhere(|| {
                let polled = settle.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                assert!(polled.is_pending());
            });
            rt.yield_now().await;
        });
        assert!(seen.starts_with("waiting for the rest to settle from the thread"), "{seen}");
    });
}

#[test]
fn dropping_a_timer_fails_the_run() {
    bounded(|| {
        let seen = failure(async |rt| {
            let mut sleep = Box::pin(rt.sleep(std::time::Duration::from_secs(1)));
            let is_pending = poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx).is_pending())).await;
            assert!(is_pending);
            elsewhere(|| drop(sleep));
            rt.yield_now().await;
        });
        assert!(seen.starts_with("a timer was unset from the thread"), "{seen}");
    });
}

#[test]
fn timer_that_was_never_set_may_go_anywhere() {
    let simulation = Simulation::new(Options::seed(1));
    simulation.run(async |rt| {
        let sleep = rt.sleep(std::time::Duration::from_secs(1));
        elsewhere(|| drop(sleep));
        pin!(rt.settle()).await;
    });
}
