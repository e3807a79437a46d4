//! Waiting for a place in a group with a limit before the task is spawned (rule G18).

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use anyscope_core::{BoxError, GroupHandle, Runtime, TaskHandle, shield};
use futures_util::future::join_all;

use super::limits::fill;
use super::{Case, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, boom, eventually, never, parked, poll_once, yield_now};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(g18_spawn_when_free_waits_for_a_place::<R>),
        case(g18_spawn_when_free_that_is_dropped_leaves_its_place::<R>),
        case(g18_spawn_when_free_is_refused_by_a_cancelled_group::<R>),
        case(g18_spawn_when_free_that_is_refused_leaves_its_place::<R>),
        case(g18_all_who_wait_for_a_place_in_an_ended_group_are_refused::<R>),
        case(g18_who_waits_for_a_place_is_woken_when_the_group_ends::<R>),
        case(g18_spawn_when_free_has_what_a_builder_sets::<R>),
        case(g18_background_task_waits_for_no_place::<R>),
    ]
}

fn g18_spawn_when_free_waits_for_a_place<R: Runtime>(env: &Env<R>) {
    let ran = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                assert_eq!(g.spawn_when_free(async { Ok(1) }).await.await?, 1);
                let finish = fill(&g).await;
                let spawned = join_all((0..20).map(|_| {
                    let ran = ran.clone();
                    g.spawn_when_free(async move {
                        ran.add();
                        yield_now().await;
                        Ok(())
                    })
                }));
                let mut spawned = Box::pin(spawned);
                assert!(poll_once(spawned.as_mut()).is_pending());
                assert_eq!((ran.get(), g.live()), (0, 2));
                finish.open();
                for task in spawned.await {
                    task.await?;
                }
                Ok(())
            })
            .limit(1)
            .await;
        outcome.unwrap();
    });
    assert_eq!(ran.get(), 20);
}

fn g18_spawn_when_free_that_is_dropped_leaves_its_place<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let finish = fill(&g).await;
                let mut waiting = Box::pin(g.spawn_when_free(async { Ok(()) }));
                assert!(poll_once(waiting.as_mut()).is_pending());
                let queued = g.spawn(async { Ok(7) });
                finish.open();
                // The first now has the place, or will have it.
                eventually(&rt, "the place is free", || g.live() == 2).await;
                assert!(!queued.is_finished());
                drop(waiting);
                assert_eq!(queued.await?, 7);
                Ok(())
            })
            .limit(1)
            .await;
        outcome.unwrap();
    });
}

fn g18_spawn_when_free_is_refused_by_a_cancelled_group<R: Runtime>(env: &Env<R>) {
    let dropped = Count::new();
    env.run(async |rt| {
        let mut handle = None;
        let outcome: Outcome<()> = rt
            .group(async |g| {
                handle = Some(g.clone());
                let finish = fill(&g).await;
                let (started, h) = (Gate::new(), g.clone());
                let waiting = rt.spawn_detached({
                    let future = parked(&started, &dropped);
                    async move { h.spawn_when_free(future).await.await }
                });
                yield_now().await;
                g.cancel();
                finish.open();
                let error = shield(waiting).await.unwrap().unwrap_err();
                assert!(error.is_refused());
                Ok(())
            })
            .limit(1)
            .await;
        drop(outcome);
        let late = handle.unwrap().spawn_when_free(never::<()>()).await;
        assert!(late.await.unwrap_err().is_refused());
    });
    assert_eq!(dropped.get(), 1);
}

/// Two who wait for a place in a group inside another one. It has one for the first, and none for the second,
/// when it ends, which `ask` lets it do.
async fn two_in_line<R: Runtime>(
    rt: &R,
    ask: impl AsyncFnOnce(&GroupHandle<BoxError, R>, [Waiting<R>; 2], Ending<'_>),
) {
    let outcome: Outcome<()> = rt
        .group(async |outer| {
            let (full, handle) = (Gate::new(), Arc::new(Mutex::new(None)));
            let (is_full, kept) = (full.clone(), handle.clone());
            let inner = rt.group(async move |g: GroupHandle<BoxError, R>| {
                let finish = fill(&g).await;
                *kept.lock().unwrap() = Some((g, finish));
                is_full.open();
                Ok(())
            });
            let inner = outer.spawn_nested(inner.limit(1));
            full.wait().await;
            let (g, finish) = handle.lock().unwrap().take().unwrap();
            let wait = |()| Box::pin(g.spawn_when_free(never::<()>())) as Waiting<R>;
            let mut waiting = [(); 2].map(wait);
            waiting.iter_mut().for_each(|one| assert!(poll_once(one.as_mut()).is_pending()));
            let end = async {
                finish.open();
                inner.await.unwrap();
            };
            ask(&outer, waiting, Box::pin(end)).await;
            Ok(())
        })
        .await;
    outcome.unwrap();
}

type Waiting<R> = Pin<Box<dyn Future<Output = TaskHandle<(), R>> + Send>>;

type Ending<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Also as long as its future is kept.
fn g18_spawn_when_free_that_is_refused_leaves_its_place<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        two_in_line(&rt, async |_, mut waiting, end| {
            end.await;
            for one in &mut waiting {
                assert!(one.await.is_finished(), "it is refused");
            }
        })
        .await;
    });
}

/// Whether the first looks again or not.
fn g18_all_who_wait_for_a_place_in_an_ended_group_are_refused<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        two_in_line(&rt, async |_, [_first, second], end| {
            end.await;
            assert!(second.await.is_finished());
        })
        .await;
    });
}

/// The first has been given the place, and is not polled any more.
fn g18_who_waits_for_a_place_is_woken_when_the_group_ends<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        two_in_line(&rt, async |outer, [first, mut second], end| {
            let waits = Gate::new();
            let open = waits.clone();
            let task = outer.spawn(async move {
                let second = poll_fn(move |cx| {
                    let polled = second.as_mut().poll(cx);
                    open.open();
                    polled
                });
                let is_refused = second.await.is_finished();
                drop(first);
                Ok(is_refused)
            });
            waits.wait().await;
            end.await;
            assert!(task.await.unwrap());
        })
        .await;
    });
}

/// Its name is in the error, and the callback is told.
fn g18_spawn_when_free_has_what_a_builder_sets<R: Runtime>(env: &Env<R>) {
    let called = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let finish = fill(&g).await;
                let count = called.clone();
                let task = g.task(async { Err::<(), _>(boom("failed")) }).name("named");
                let mut waiting = Box::pin(task.on_done(move |_| count.note()).spawn_when_free());
                assert!(poll_once(waiting.as_mut()).is_pending());
                assert_eq!(called.get(), 0);
                finish.open();
                let _ = waiting.await.await;
                never().await
            })
            .limit(1)
            .await;
        let error = outcome.unwrap_err();
        assert_eq!(error.leaves().filter(|leaf| leaf.task().name() == Some("named")).count(), 1);
    });
    assert_eq!(called.get(), 1);
}

fn g18_background_task_waits_for_no_place<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<i32> = rt
            .group(async |g| {
                let finish = fill(&g).await;
                let task = g.task(async { Ok(7) }).background().spawn_when_free().await.await?;
                finish.open();
                Ok(task)
            })
            .limit(1)
            .await;
        assert_eq!(outcome.unwrap(), 7);
    });
}
