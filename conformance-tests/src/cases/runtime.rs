//! The runtime itself: starting, waking, erasure, timers (rules R1, R3, R4).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use anyscope_core::{AnyRuntime, Runtime, Sleep, panic_message};

use super::{Case, LONG, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, eventually, never, parked, yield_now};
use crate::thread;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(r1_task_runs_to_its_end_without_its_handle::<R>),
        case(r1_started_future_ends_or_its_handle_says_so::<R>),
        case(p1_panic_reaches_the_thread_that_blocks::<R>),
        case(t3_await_resolves_after_the_destructor::<R>),
        case(c7_cancel_from_a_foreign_thread::<R>),
        case(r3_erasing_twice_wraps_once::<R>),
        case(r4_timer_can_be_made_outside_any_context::<R>),
        case(r4_zero_and_past_fire_at_once::<R>),
        case(r4_timer_does_not_fire_early::<R>),
        case(r4_largest_duration_does_not_fire_or_panic::<R>),
        case(r4_last_instant_does_not_come_or_panic::<R>),
        case(r4_timer_can_be_reset::<R>),
        case(r4_timer_reset_to_later_does_not_fire_before::<R>),
        case(r4_dropping_a_timer_leaves_the_others::<R>),
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

/// Many times, because the cancel may come while the task is still being polled, or after that.
fn c7_cancel_from_a_foreign_thread<R: Runtime>(env: &Env<R>) {
    let rounds = env.rounds(100);
    let dropped = Count::new();
    env.block_on(async |rt| {
        for _ in rounds.clone() {
            let outcome: Outcome<()> = rt
                .group(async |g| {
                    let started = Gate::new();
                    g.spawn(parked(&started, &dropped));
                    started.wait().await;
                    drop(thread::spawn(move || g.cancel_because("from a thread")));
                    Ok(())
                })
                .await;
            outcome.unwrap();
        }
    });
    assert_eq!(dropped.get(), rounds.len());
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

/// The last that can be represented: what is added to it, be it a nanosecond, has no instant.
fn r4_last_instant_does_not_come_or_panic<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let last = last_instant(rt.now());
        let mut timer = pin!(rt.sleep_until(last));
        assert!(poll_timer(timer.as_mut()).is_pending());
        timer.as_mut().reset(last);
        assert!(poll_timer(timer.as_mut()).is_pending());
        let suspends = async {
            yield_now().await;
            7
        };
        assert_eq!(rt.timeout_at(last, suspends).await, Ok(7));
        let body = async |_| {
            yield_now().await;
            Ok(8)
        };
        let outcome: Outcome<i32> = rt.group(body).deadline_at(last).await;
        assert_eq!(outcome.unwrap(), 8);
    });
}

fn last_instant(mut last: Instant) -> Instant {
    let mut step = Duration::MAX;
    while !step.is_zero() {
        match last.checked_add(step) {
            Some(later) => last = later,
            None => step /= 2,
        }
    }
    last
}

fn r4_timer_can_be_reset<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let mut timer = pin!(rt.sleep(LONG));
        assert!(poll_timer(timer.as_mut()).is_pending());
        let past = rt.now();
        eventually(&rt, "the clock moves", || rt.now() > past).await;
        timer.as_mut().reset(past);
        assert!(poll_timer(timer.as_mut()).is_ready(), "fires at the first poll");
        timer.as_mut().reset(rt.now() + LONG);
        assert!(poll_timer(timer.as_mut()).is_pending(), "set anew after it had fired");
        timer.as_mut().reset(rt.now() + Duration::from_millis(1));
        timer.await;
    });
}

fn r4_timer_reset_to_later_does_not_fire_before<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        for later in [Duration::from_secs(3600), Duration::MAX] {
            let first = rt.now() + Duration::from_millis(2);
            let mut timer = pin!(rt.sleep_until(first));
            assert!(poll_timer(timer.as_mut()).is_pending() || rt.now() >= first);
            timer.as_mut().reset(rt.after(later));
            rt.sleep(Duration::from_millis(4)).await;
            assert!(rt.now() >= first);
            assert!(poll_timer(timer).is_pending());
        }
    });
}

/// They have the same instant.
fn r4_dropping_a_timer_leaves_the_others<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let at = rt.now() + Duration::from_millis(5);
        let mut timers: Vec<_> = (0..9).map(|_| Box::pin(rt.sleep_until(at))).collect();
        // One that has fired before the last was made must not be polled again.
        timers.retain_mut(|timer| poll_timer(timer.as_mut()).is_pending());
        let (dropped, left): (Vec<_>, Vec<_>) =
            timers.into_iter().enumerate().partition(|(place, _)| place % 4 == 0);
        drop(dropped);
        for (_, timer) in left {
            timer.await;
        }
        assert!(rt.now() >= at);
    });
}
