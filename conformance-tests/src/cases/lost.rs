//! Failures that can be returned to nobody (rule C9).

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use anyscope_core::unhandled::UnhandledKind;
use anyscope_core::{
    BoxError, GroupHandle, PanicPolicy, Runtime, Supervise, TaskError, panic_message,
};
use futures_util::future::{Either, select};

use super::races::meet;
use super::{Case, case};
use crate::env::Env;
use crate::probe::{
    Count, Gate, HARMS_THE_HOOK, Outcome, assert_alive, bomb, boom, eventually, holding, lost,
    never, parked, poll_once, unique,
};
use crate::thread;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(c9_panic_of_a_dropped_group_goes_to_the_hook::<R>),
        case(c9_captured_panic_of_a_dropped_group_goes_to_the_hook::<R>),
        case(c9_failures_of_nested_groups_go_to_the_hook_together::<R>),
        case(c9_result_that_nobody_took_goes_to_the_hook::<R>),
        case(c9_mere_cancellation_is_nothing_to_report::<R>),
        case(c9_returned_failure_is_nothing_to_report::<R>),
        case(c9_race_of_the_drop_and_the_failure_reports_once::<R>),
        case(c9_detached_task_is_reported_unless_its_handle_is_awaited::<R>),
        case(c9_panic_of_a_body_that_is_polled_after_its_opener_has_ended_goes_to_the_hook::<R>),
        case(c9_panic_of_the_hook_is_contained::<R>),
    ]
}

/// Opens a group, and drops its future once `ready` is open. A job keeps the group from ending before
/// that; the root waits for what is left.
pub(super) async fn drop_group<R, B, F>(rt: &R, ready: &Gate, panics: PanicPolicy, body: B)
where
    R: Runtime,
    B: FnOnce(GroupHandle<BoxError, R>) -> F,
    F: Future<Output = Result<(), BoxError>>,
{
    let (begun, dropped) = (Gate::new(), Gate::new());
    let (started, release) = (begun.clone(), dropped.clone());
    let group = rt.group(async move |g: GroupHandle<BoxError, R>| {
        g.spawn_blocking(move || {
            started.open();
            release.wait_blocking();
        });
        begun.wait().await;
        body(g).await
    });
    {
        let (group, ready) = (pin!(group.policy(Supervise).panics(panics)), pin!(ready.wait()));
        let ended = select(group, ready).await;
        assert!(matches!(ended, Either::Right(_)), "it waits for its job");
    }
    dropped.open();
}

/// A job that fails once its group has been cancelled; opens `begun` before that.
fn spawn_late_failure<R: Runtime>(g: &GroupHandle<BoxError, R>, begun: &Gate, text: &str) {
    let (begun, group, text) = (begun.clone(), g.clone(), text.to_owned());
    g.try_spawn_blocking(move || {
        begun.open();
        while !group.is_cancelled() {
            thread::yield_now();
        }
        Err::<(), _>(boom(&text))
    });
}

/// A task of this name that panics; `ready` is open once it has.
fn spawn_panic<R: Runtime>(g: &GroupHandle<BoxError, R>, ready: &Gate, name: &str) {
    let ready = ready.clone();
    let panicking = g.task::<_, ()>(async { panic!("expected: c9") }).name(name);
    panicking.on_done(move |_| ready.open()).spawn();
}

fn c9_panic_of_a_dropped_group_goes_to_the_hook<R: Runtime>(env: &Env<R>) {
    let name = unique("panics");
    assert!(lost(&name).is_empty());
    env.run(async |rt: R| {
        let ready = Gate::new();
        drop_group(&rt, &ready, PanicPolicy::Resume, async |g| {
            let begun = Gate::new();
            spawn_late_failure(&g, &begun, &name);
            begun.wait().await;
            spawn_panic(&g, &ready, &name);
            never().await
        })
        .await;
    });
    let lost = lost(&name);
    let kinds: Vec<_> = lost.iter().map(|lost| lost.kind).collect();
    assert_eq!(kinds, [UnhandledKind::Panic, UnhandledKind::Failure]);
    assert!(lost[0].text.ends_with("expected: c9"), "{lost:?}");
    assert_eq!(lost[0].name.as_deref(), Some(&*name));
}

fn c9_captured_panic_of_a_dropped_group_goes_to_the_hook<R: Runtime>(env: &Env<R>) {
    let name = unique("captured");
    assert!(lost(&name).is_empty());
    env.run(async |rt: R| {
        let ready = Gate::new();
        drop_group(&rt, &ready, PanicPolicy::Capture, async |g| {
            spawn_panic(&g, &ready, &name);
            never().await
        })
        .await;
    });
    let lost = lost(&name);
    assert_eq!(lost.len(), 1, "{lost:?}");
    assert!(lost[0].text.contains("expected: c9"));
}

fn c9_failures_of_nested_groups_go_to_the_hook_together<R: Runtime>(env: &Env<R>) {
    let name = unique("nested");
    assert!(lost(&name).is_empty());
    env.run(async |rt: R| {
        let ready = Gate::new();
        drop_group(&rt, &ready, PanicPolicy::Resume, async |g| {
            let open = ready.clone();
            let rt = rt.clone();
            let nested = async move {
                let inner = rt.group(async |inner| {
                    inner.spawn(async { Err::<(), _>(boom("the leaf")) });
                    never::<()>().await
                });
                Ok(inner.await?)
            };
            g.task(nested).name(&*name).on_done(move |_| open.open()).spawn();
            never().await
        })
        .await;
    });
    let lost = lost(&name);
    assert_eq!(lost.len(), 1, "{lost:?}");
    assert!(lost[0].text.contains("the leaf"), "{lost:?}");
}

/// A group whose body has returned, with a child that fails when `gate` is opened; its future, and
/// its handle.
fn group_without_body<R: Runtime>(
    rt: &R,
    gate: &Gate,
    name: &str,
) -> (impl Future<Output = Outcome<()>> + Unpin, GroupHandle<BoxError, R>) {
    let (shelf, fail, name) = (Mutex::new(None), gate.clone(), name.to_owned());
    let shelf = Arc::new(shelf);
    let handle = shelf.clone();
    let mut group = Box::pin(rt.group(async move |g: GroupHandle<BoxError, R>| {
        let failing = async move {
            fail.wait().await;
            Err::<(), _>(boom("expected"))
        };
        g.task(failing).name(name).spawn();
        *shelf.lock().unwrap() = Some(g);
        Ok(())
    }));
    assert!(poll_once(group.as_mut()).is_pending());
    let handle = handle.lock().unwrap().take().unwrap();
    (group, handle)
}

fn c9_result_that_nobody_took_goes_to_the_hook<R: Runtime>(env: &Env<R>) {
    let name = unique("not taken");
    assert!(lost(&name).is_empty());
    env.run(async |rt: R| {
        let gate = Gate::new();
        let (group, handle) = group_without_body(&rt, &gate, &name);
        gate.open();
        eventually(&rt, "the group has closed", || handle.live() == 0).await;
        assert!(lost(&name).is_empty(), "its owner may still take it");
        drop(group);
        assert_eq!(lost(&name).len(), 1);
    });
}

fn c9_mere_cancellation_is_nothing_to_report<R: Runtime>(env: &Env<R>) {
    let name = unique("cancelled");
    assert!(lost(&name).is_empty());
    let dropped = Count::new();
    env.run(async |rt: R| {
        let ready = Gate::new();
        drop_group(&rt, &ready, PanicPolicy::Resume, async |g| {
            let begun = Gate::new();
            g.task(parked(&begun, &dropped)).name(&*name).spawn();
            begun.wait().await;
            g.task(parked(&ready, &dropped)).name(&*name).spawn();
            never().await
        })
        .await;
    });
    assert_eq!(dropped.get(), 2);
    assert!(lost(&name).is_empty());
}

fn c9_returned_failure_is_nothing_to_report<R: Runtime>(env: &Env<R>) {
    let name = unique("returned");
    assert!(lost(&name).is_empty());
    env.block_on(async |rt: R| {
        let gate = Gate::new();
        let (group, _handle) = group_without_body(&rt, &gate, &name);
        gate.open();
        assert_eq!(group.await.unwrap_err().failures().unwrap().len(), 1);
    });
    assert!(lost(&name).is_empty());
}

fn c9_race_of_the_drop_and_the_failure_reports_once<R: Runtime>(env: &Env<R>) {
    let rounds = env.rounds(200);
    let text = unique("race");
    assert!(lost(&text).is_empty());
    env.run(async |rt: R| {
        for round in rounds.clone() {
            let met = Arc::new(AtomicUsize::new(0));
            let (there, text) = (met.clone(), format!("{text}{round}."));
            let mut group = Box::pin(rt.group(async move |g: GroupHandle<BoxError, R>| {
                let started = Gate::new();
                let begun = started.clone();
                g.try_spawn_blocking(move || {
                    begun.open();
                    meet(&there, 2);
                    Err::<(), _>(boom(&text))
                });
                started.wait().await;
                Ok(())
            }));
            let begun = poll_fn(|cx| {
                assert!(group.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            });
            begun.await;
            meet(&met, 2);
            drop(group);
        }
    });
    let mut texts: Vec<_> = lost(&text).into_iter().map(|lost| lost.text).collect();
    assert_eq!(texts.len(), rounds.len());
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), rounds.len(), "each once");
}

fn c9_detached_task_is_reported_unless_its_handle_is_awaited<R: Runtime>(env: &Env<R>) {
    let (seen, unseen) = (unique("seen"), unique("unseen"));
    assert!(lost(&seen).is_empty());
    env.block_on(async |rt: R| {
        let text = seen.clone();
        let awaited = rt.spawn_detached::<_>(async move { panic!("{text}") });
        let mut error: TaskError = match awaited.await {
            Ok(()) => panic!("it panics"),
            Err(error) => error,
        };
        let payload = error.take_panic().unwrap();
        assert_eq!(panic_message(&*payload), seen);
        let text = unseen.clone();
        drop(rt.spawn_detached(async move { panic!("{text}") }));
        eventually(&rt, "it is reported", || !lost(&unseen).is_empty()).await;
        assert_alive(&rt).await;
    });
    assert!(lost(&seen).is_empty());
    assert_eq!(lost(&unseen).len(), 1);
}

fn c9_panic_of_a_body_that_is_polled_after_its_opener_has_ended_goes_to_the_hook<R: Runtime>(
    env: &Env<R>,
) {
    let text = unique("cut by whoever polls it");
    assert!(lost(&text).is_empty());
    env.run(async |rt| {
        let kept = Arc::new(Mutex::new(None));
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (rt, put, bomb) = (g.runtime(), kept.clone(), bomb(&text));
                let opener = g.spawn(async move {
                    let body = |_: GroupHandle<BoxError, R>| holding(bomb, never::<()>());
                    let mut inner = Box::pin(rt.group(body));
                    assert!(poll_once(inner.as_mut()).is_pending());
                    *put.lock().unwrap() = Some(inner);
                    Ok(())
                });
                opener.await?;
                let inner = kept.lock().unwrap().take().expect("it was put there");
                assert!(inner.await.unwrap_err().is_cancelled());
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(lost(&text).len(), 1);
}

fn c9_panic_of_the_hook_is_contained<R: Runtime>(env: &Env<R>) {
    let text = unique(HARMS_THE_HOOK);
    assert!(lost(&text).is_empty());
    let mut went_on = 0;
    env.run(async |rt: R| {
        for _ in 0..2 {
            let ready = Gate::new();
            drop_group(&rt, &ready, PanicPolicy::Resume, async |g| {
                spawn_late_failure(&g, &ready, &text);
                never().await
            })
            .await;
        }
        assert_alive(&rt).await;
        went_on += 1;
    });
    assert_eq!((lost(&text).len(), went_on), (2, 1));
}
