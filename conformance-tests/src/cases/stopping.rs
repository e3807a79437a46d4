//! A program that stops: its outermost group is shut down from elsewhere, first politely and then at
//! once (rule R7).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyscope_core::{
    BoxError, CancelCause, CauseKind, GroupHandle, Runtime, TaskInfo, cancelled, defer,
};

use super::{Case, LONG, SHORT, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, eventually_blocking, never, parked, yield_now};
use crate::thread;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(r7_handle_is_there_before_the_body_begins::<R>),
        case(r7_tasks_at_every_depth_are_told_of_the_shutdown_and_end_in_peace::<R>),
        case(r7_end_of_the_grace_drops_and_lists_who_is_left::<R>),
        case(r7_second_request_does_not_wait_for_the_grace::<R>),
        case(r7_body_that_had_its_value_was_shut_down_all_the_same::<R>),
    ]
}

/// Where a thread that has nothing to do with the group finds its handle.
type Found<R> = Arc<Mutex<Option<GroupHandle<BoxError, R>>>>;

/// Does something to the group on a thread of its own, once `ready`, and waits for that.
fn elsewhere<R: Runtime>(
    found: &Found<R>,
    ready: &Gate,
    act: impl FnOnce(&GroupHandle<BoxError, R>) + Send + 'static,
) -> thread::JoinHandle<()> {
    let (found, ready) = (found.clone(), ready.clone());
    thread::spawn(move || {
        ready.wait_blocking();
        let group = found.lock().unwrap().clone();
        act(&group.expect("the group was opened before"));
    })
}

fn r7_handle_is_there_before_the_body_begins<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let (opened, spawned) = (Count::new(), Count::new());
        let (seen, ran) = (opened.clone(), spawned.clone());
        let group = rt.group(async |_| {
            assert_eq!(opened.get(), 1);
            Ok(())
        });
        let earlier = opened.clone();
        let group = group.on_open(move |_| assert_eq!(earlier.get(), 0));
        let group = group.on_open(move |g: &GroupHandle<BoxError, R>| {
            seen.note();
            g.spawn(async move {
                ran.note();
                Ok(())
            });
        });
        assert_eq!(opened.get(), 0, "nothing happens before the first poll");
        let outcome: Outcome<()> = group.await;
        outcome.unwrap();
        assert_eq!((opened.get(), spawned.get()), (1, 1));
    });
}

/// Waits to be told, and keeps the cause.
async fn told(begun: Count, causes: Arc<Mutex<Vec<CancelCause>>>) -> Result<(), BoxError> {
    begun.note();
    let cause = cancelled().await;
    yield_now().await;
    causes.lock().unwrap().push(cause);
    Ok(())
}

fn r7_tasks_at_every_depth_are_told_of_the_shutdown_and_end_in_peace<R: Runtime>(env: &Env<R>) {
    let (found, begun, ready) = (Found::<R>::default(), Count::new(), Gate::new());
    let causes = Arc::new(Mutex::new(Vec::new()));
    let stopper = elsewhere(&found, &ready, |group| {
        group.shut_down();
        group.cancel_because("too late to be the cause");
    });
    env.run(async |rt| {
        let put = found.clone();
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.spawn(told(begun.clone(), causes.clone()));
                let (count, kept) = (begun.clone(), causes.clone());
                g.spawn_group(async move |g| {
                    g.spawn(told(count.clone(), kept.clone()));
                    told(count, kept).await
                });
                g.spawn_blocking(move || {
                    eventually_blocking("all have begun", || begun.get() == 3);
                    ready.open();
                });
                Ok(())
            })
            .on_open(move |g| *put.lock().unwrap() = Some(g.clone()))
            .grace(LONG)
            .await;
        let error = outcome.unwrap_err();
        assert_eq!(error.cause().unwrap().kind(), &CauseKind::Shutdown);
        assert!(error.is_cancelled() && error.overdue().is_empty());
    });
    stopper.join().unwrap();
    let causes = causes.lock().unwrap();
    assert_eq!(causes.len(), 3);
    assert!(causes.iter().all(|cause| cause.root().kind() == &CauseKind::Shutdown));
}

/// A group with a task that does not end by itself, and has a clean-up; stopped by `act`.
fn stop_stubborn<R: Runtime>(
    env: &Env<R>,
    grace: Duration,
    act: impl FnOnce(&GroupHandle<BoxError, R>) + Send + 'static,
) {
    let (found, ready, dropped, cleaned) =
        (Found::<R>::default(), Gate::new(), Count::new(), Count::new());
    let stopper = elsewhere(&found, &ready, |group| {
        eventually_blocking("the body has ended", || group.tasks().len() == 1);
        act(group);
    });
    env.run(async |rt| {
        let (put, done) = (found.clone(), cleaned.clone());
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let stubborn = parked(&ready, &dropped);
                let stubborn = async move {
                    defer(async move |_| {
                        yield_now().await;
                        done.note();
                    });
                    stubborn.await
                };
                g.task(stubborn).name("stubborn").spawn();
                Ok(())
            })
            .on_open(move |g| *put.lock().unwrap() = Some(g.clone()))
            .grace(grace)
            .await;
        let error = outcome.unwrap_err();
        assert_eq!(error.cause().unwrap().kind(), &CauseKind::Shutdown);
        let names: Vec<_> = error.overdue().iter().map(TaskInfo::name).collect();
        assert_eq!(names, [Some("stubborn")]);
        assert_eq!((dropped.get(), cleaned.get()), (1, 1));
    });
    stopper.join().unwrap();
}

fn r7_end_of_the_grace_drops_and_lists_who_is_left<R: Runtime>(env: &Env<R>) {
    stop_stubborn(env, SHORT, GroupHandle::shut_down);
}

fn r7_second_request_does_not_wait_for_the_grace<R: Runtime>(env: &Env<R>) {
    stop_stubborn(env, LONG, |group| {
        group.shut_down();
        group.shut_down();
        group.cancel_now();
    });
}

fn r7_body_that_had_its_value_was_shut_down_all_the_same<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<u32> = rt
            .group(async |g| {
                let (begun, group) = (Gate::new(), g.clone());
                let stops = begun.clone();
                g.spawn(async move {
                    stops.wait().await;
                    group.shut_down();
                    never().await as Result<(), _>
                });
                begun.open();
                Ok(7)
            })
            .await;
        let error = outcome.unwrap_err();
        assert_eq!(error.cause().unwrap().kind(), &CauseKind::Shutdown);
        assert!(error.is_cancelled());
    });
}
