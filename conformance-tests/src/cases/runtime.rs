//! The runtime itself: shutdown, erasure, timers (rules R1, R3 to R5).

#![expect(
    clippy::async_yields_async,
    reason = "handles and groups are handed out of a block that drives the runtime"
)]

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use anyscope_core::{AnyRuntime, CauseKind, Runtime, Sleep, TaskHandle, panic_message};

use super::{Case, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, block_on_here, eventually, never, parked};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(r1_task_runs_to_its_end_without_its_handle::<R>),
        case(r1_started_future_ends_or_its_handle_says_so::<R>),
        case(p1_panic_reaches_the_thread_that_blocks::<R>),
        case(t3_await_resolves_after_the_destructor::<R>),
        case(c7_cancel_from_a_foreign_thread::<R>),
        case(r1_shutdown_drops_tasks_and_their_handles_say_so::<R>).needs_shutdown(),
        case(r1_shutdown_wakes_who_waits_in_another_thread::<R>).needs_shutdown(),
        case(r1_shutdown_ends_a_group_that_is_awaited_elsewhere::<R>).needs_shutdown(),
        case(r3_erasing_twice_wraps_once::<R>),
        case(r4_timer_can_be_made_outside_any_context::<R>),
        case(r4_zero_and_past_fire_at_once::<R>),
        case(r4_timer_does_not_fire_early::<R>),
        case(r4_largest_duration_does_not_fire_or_panic::<R>),
        case(r4_timer_can_be_reset::<R>),
        case(r5_spawn_on_a_dead_runtime_drops_the_future::<R>).needs_shutdown(),
        case(r5_job_on_a_dead_runtime_is_dropped::<R>).needs_shutdown(),
    ]
}

fn r1_task_runs_to_its_end_without_its_handle<R: Runtime>(env: &Env<R>) {
    let ran = Count::new();
    env.block_on(async |rt| {
        for _ in 0..100 {
            let count = ran.clone();
            drop(rt.spawn_detached(async move { count.add() }));
        }
        eventually(&rt, "all have run", || ran.get() == 100).await;
    });
}

fn r1_started_future_ends_or_its_handle_says_so<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        for number in 0..100 {
            assert_eq!(rt.spawn_detached(async move { number }).await.unwrap(), number);
        }
    });
}

fn p1_panic_reaches_the_thread_that_blocks<R: Runtime>(env: &Env<R>) {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        env.block_on(async |rt| {
            let _: Outcome<()> = rt
                .group(async |g| {
                    g.spawn::<_, ()>(async { panic!("of a task") });
                    never().await
                })
                .await;
        });
    }));
    let payload = outcome.expect_err("the panic is raised again in the caller");
    assert_eq!(panic_message(&*payload), "of a task");
}

fn t3_await_resolves_after_the_destructor<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        for _ in 0..50 {
            let (started, dropped) = (Gate::new(), Count::new());
            let parked = parked(&started, &dropped);
            let task = rt.spawn_detached(async { drop(parked.await) });
            started.wait().await;
            task.cancel();
            assert!(task.await.unwrap_err().is_cancelled());
            assert_eq!(dropped.get(), 1);
        }
    });
}

fn c7_cancel_from_a_foreign_thread<R: Runtime>(env: &Env<R>) {
    let dropped = Count::new();
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let started = Gate::new();
                let (canceller, begun) = (g.clone(), started.clone());
                let thread = thread::spawn(move || {
                    begun.wait_blocking();
                    canceller.cancel_because("from a thread");
                });
                g.spawn(parked(&started, &dropped));
                drop(thread);
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_eq!(dropped.get(), 1);
    });
}

/// Starts a detached task that never ends by itself, and waits until it has begun.
fn start_parked<R: Runtime>(env: &Env<R>, dropped: &Count) -> TaskHandle<(), R> {
    env.block_on(async |rt| {
        let started = Gate::new();
        let parked = parked(&started, dropped);
        let task = rt.spawn_detached(async { drop(parked.await) });
        eventually(&rt, "the task runs", || started.is_open()).await;
        task
    })
}

fn assert_shut_down(outcome: Result<(), anyscope_core::TaskError>) {
    let error = outcome.unwrap_err();
    assert!(error.is_cancelled());
    assert_eq!(error.cause().unwrap().kind(), &CauseKind::Shutdown);
}

fn r1_shutdown_drops_tasks_and_their_handles_say_so<R: Runtime>(env: &Env<R>) {
    let dropped = Count::new();
    let task = start_parked(env, &dropped);
    env.shut_down();
    assert_eq!(dropped.get(), 1);
    assert!(task.is_finished());
    assert_shut_down(block_on_here(task));
}

fn r1_shutdown_wakes_who_waits_in_another_thread<R: Runtime>(env: &Env<R>) {
    let task = start_parked(env, &Count::new());
    let waiting = Gate::new();
    let in_thread = waiting.clone();
    let thread = thread::spawn(move || {
        let mut task = pin!(task);
        block_on_here(poll_fn(|cx| {
            let polled = task.as_mut().poll(cx);
            in_thread.open();
            polled
        }))
    });
    waiting.wait_blocking();
    env.shut_down();
    assert_shut_down(thread.join().unwrap());
}

fn r1_shutdown_ends_a_group_that_is_awaited_elsewhere<R: Runtime>(env: &Env<R>) {
    let (rt, started, dropped) = (env.runtime(), Gate::new(), Count::new());
    let in_thread = (started.clone(), dropped.clone());
    let thread = thread::spawn(move || {
        let (started, dropped) = in_thread;
        let group = rt.group(async |g| {
            g.spawn(parked(&started, &dropped));
            Ok(())
        });
        let outcome: Outcome<()> = block_on_here(group);
        outcome
    });
    env.block_on(async |rt| eventually(&rt, "the task runs", || started.is_open()).await);
    env.shut_down();
    let error = thread.join().unwrap().unwrap_err();
    assert_eq!(error.cause().unwrap().kind(), &CauseKind::Shutdown);
    assert_eq!(dropped.get(), 1);
}

fn r3_erasing_twice_wraps_once<R: Runtime>(env: &Env<R>) {
    let once = AnyRuntime::new(env.runtime());
    let twice = AnyRuntime::new(once.clone());
    assert_eq!(format!("{once:?}"), format!("{twice:?}"));
}

fn poll_timer<S: Future>(timer: std::pin::Pin<&mut S>) -> Poll<S::Output> {
    timer.poll(&mut Context::from_waker(Waker::noop()))
}

fn r4_timer_can_be_made_outside_any_context<R: Runtime>(env: &Env<R>) {
    let rt = env.runtime();
    let timer = thread::spawn(move || rt.sleep(Duration::from_millis(1))).join().unwrap();
    env.block_on(async |_| timer.await);
}

fn r4_zero_and_past_fire_at_once<R: Runtime>(env: &Env<R>) {
    let begin = Instant::now();
    env.block_on(async |rt: R| {
        eventually(&rt, "the clock moves", || rt.now() > begin).await;
        assert!(poll_timer(pin!(rt.sleep(Duration::ZERO))).is_ready());
        assert!(poll_timer(pin!(rt.sleep_until(begin))).is_ready());
    });
}

fn r4_timer_does_not_fire_early<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let at = rt.now() + Duration::from_millis(10);
        rt.sleep_until(at).await;
        assert!(rt.now() >= at);
    });
}

fn r4_largest_duration_does_not_fire_or_panic<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let mut timer = pin!(rt.sleep(Duration::MAX));
        assert!(poll_timer(timer.as_mut()).is_pending());
        rt.sleep(Duration::from_millis(1)).await;
        assert!(poll_timer(timer).is_pending());
        assert!(rt.timeout(Duration::MAX, async { 1 }).await.is_ok());
    });
}

fn r4_timer_can_be_reset<R: Runtime>(env: &Env<R>) {
    const LONG: Duration = Duration::from_secs(3600);
    env.block_on(async |rt: R| {
        let mut timer = pin!(rt.sleep(LONG));
        assert!(poll_timer(timer.as_mut()).is_pending());
        timer.as_mut().reset(rt.now());
        timer.as_mut().await;
        timer.as_mut().reset(rt.now() + LONG);
        assert!(poll_timer(timer.as_mut()).is_pending(), "set anew after it had fired");
        timer.as_mut().reset(rt.now() + Duration::from_millis(1));
        timer.await;
    });
}

fn r5_spawn_on_a_dead_runtime_drops_the_future<R: Runtime>(env: &Env<R>) {
    let (polled, dropped) = (Count::new(), Count::new());
    env.shut_down();
    let rt = env.runtime();
    let (count, probe) = (polled.clone(), dropped.on_drop());
    let task = rt.spawn_detached(async move {
        let _probe = probe;
        count.add();
    });
    assert_shut_down(block_on_here(task));
    let outcome: Outcome<()> = block_on_here(rt.group(async |g| {
        let started = Gate::new();
        g.spawn(parked(&started, &dropped));
        never().await
    }));
    let error = outcome.unwrap_err();
    assert_eq!(error.cause().unwrap().kind(), &CauseKind::Shutdown);
    assert_eq!((polled.get(), dropped.get()), (0, 2));
}

/// Whether it runs or not is the pool's business (a pool may be the process's); the handle answers.
fn r5_job_on_a_dead_runtime_is_dropped<R: Runtime>(env: &Env<R>) {
    let dropped = Count::new();
    env.shut_down();
    let probe = dropped.on_drop();
    let job = env.runtime().spawn_blocking(move || drop(probe));
    match block_on_here(job) {
        Ok(()) => {}
        Err(error) => assert!(error.is_cancelled()),
    }
    assert_eq!(dropped.get(), 1);
}
