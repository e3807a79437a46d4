//! Background tasks (rules G19, C3).

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use anyscope_core::{
    BoxError, CancelCause, CauseKind, GroupHandle, Runtime, TaskContext, cancelled,
    check_cancelled, defer, shield,
};
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::{Case, LONG, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, boom, eventually, never, parked, yield_now};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(g19_background_tasks_end_with_the_last_of_the_others::<R>),
        case(g19_failure_before_that_is_a_failure::<R>),
        case(g19_ordinary_task_of_a_background_task_is_waited_for::<R>),
        case(g19_inner_group_of_a_background_task_goes_with_it::<R>),
        case(g19_clean_ups_of_a_background_task_run::<R>),
        case(g19_spawned_while_the_others_end_it_never_stays::<R>),
        case(g19_shielded_part_that_waits_to_be_cancelled_is_told::<R>),
        case(c3_background_task_has_no_period_of_its_own::<R>),
    ]
}

fn g19_background_tasks_end_with_the_last_of_the_others<R: Runtime>(env: &Env<R>) {
    let dropped = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<i32> = rt
            .group(async |g| {
                let (begun, finish) = (Gate::new(), Gate::new());
                let background = g.spawn_background(parked(&begun, &dropped));
                let wait = finish.clone();
                let ordinary = g.spawn(async move {
                    wait.wait().await;
                    Ok(7)
                });
                begun.wait().await;
                yield_now().await;
                assert!(!background.is_finished());
                finish.open();
                Ok(ordinary.await?)
            })
            .await;
        assert_eq!(outcome.unwrap(), 7, "its end is no failure, nor a cancellation of the group");
    });
    assert_eq!(dropped.get(), 1);
}

fn g19_failure_before_that_is_a_failure<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.task(async { Err::<(), _>(boom("no")) }).name("heart").background().spawn();
                never().await
            })
            .await;
        let error = outcome.unwrap_err();
        assert_eq!(error.failures().unwrap().first().task().name(), Some("heart"));
    });
}

fn g19_ordinary_task_of_a_background_task_is_waited_for<R: Runtime>(env: &Env<R>) {
    let (done, gone) = (Count::new(), Count::new());
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (h, begun, finish) = (g.clone(), Gate::new(), Gate::new());
                let (started, wait) = (begun.clone(), finish.clone());
                let (count, probe) = (done.clone(), gone.on_drop());
                g.spawn_background(async move {
                    let _probe = probe;
                    h.spawn(async move {
                        wait.wait().await;
                        count.add();
                        Ok(())
                    });
                    started.open();
                    never::<()>().await
                });
                begun.wait().await;
                let seen = gone.clone();
                g.spawn_blocking(move || {
                    assert_eq!(seen.get(), 0, "an ordinary task is alive");
                    finish.open();
                });
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!((done.get(), gone.get()), (1, 1));
}

fn g19_inner_group_of_a_background_task_goes_with_it<R: Runtime>(env: &Env<R>) {
    let gone = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (rt, begun, dropped) = (g.runtime(), Gate::new(), gone.clone());
                let started = begun.clone();
                g.spawn_background(async move {
                    let inner: Outcome<()> = rt
                        .group(async |h| {
                            h.spawn(parked(&started, &dropped));
                            never().await
                        })
                        .await;
                    inner.map_err(Into::into)
                });
                begun.wait().await;
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(gone.get(), 1);
}

fn g19_clean_ups_of_a_background_task_run<R: Runtime>(env: &Env<R>) {
    let ran = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (begun, count) = (Gate::new(), ran.clone());
                let started = begun.clone();
                g.spawn_background(async move {
                    defer(async move |exit| {
                        yield_now().await;
                        let anyscope_core::ExitKind::Cancelled(cause) = exit else {
                            panic!("{exit:?}");
                        };
                        assert_eq!(cause.kind(), &CauseKind::Finished);
                        count.add();
                    });
                    started.open();
                    never::<()>().await
                });
                begun.wait().await;
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(ran.get(), 1);
}

fn g19_spawned_while_the_others_end_it_never_stays<R: Runtime>(env: &Env<R>) {
    let rounds = env.rounds(200);
    let gone = Count::new();
    env.run(async |rt| {
        for _ in rounds.clone() {
            let outcome: Outcome<()> = rt
                .group(async |g| {
                    let (h, probe) = (g.clone(), gone.on_drop());
                    rt.spawn_blocking(move || {
                        h.spawn_background(async move {
                            let _probe = probe;
                            never::<()>().await
                        });
                    });
                    g.spawn(async { Ok(()) });
                    Ok(())
                })
                .await;
            outcome.unwrap();
        }
        eventually(&rt, "each was refused, or cut", || gone.get() == rounds.len()).await;
    });
}

/// In a set, where it is polled only if it was woken itself.
fn g19_shielded_part_that_waits_to_be_cancelled_is_told<R: Runtime>(env: &Env<R>) {
    let told = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (begun, count) = (Gate::new(), told.clone());
                let waits = begun.clone();
                g.spawn_background(async move {
                    let mut cancelled = TaskContext::current().unwrap().cancelled();
                    let cancelled = poll_fn(move |cx| {
                        let polled = Pin::new(&mut cancelled).poll(cx);
                        waits.open();
                        polled
                    });
                    let mut set = FuturesUnordered::from_iter([cancelled]);
                    let cause = shield(set.next()).await.unwrap();
                    assert_eq!(cause.kind(), &CauseKind::Finished);
                    count.add();
                    Ok(())
                });
                begun.wait().await;
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(told.get(), 1);
}

/// A group with an ordinary task, which the gate ends, and a background task, which waits to be told and
/// never ends. `act` is called in the body. Gives what the background task was cancelled for.
async fn with_one_in_the_background<R: Runtime>(
    rt: &R,
    act: impl AsyncFnOnce(&GroupHandle<BoxError, R>, &Gate) -> Result<(), BoxError>,
    finish: &Gate,
) -> (Outcome<()>, CancelCause) {
    let (begun, told, dropped) = (Count::new(), Gate::new(), Count::new());
    let (causes, begin) = (Arc::new(Mutex::new(Vec::new())), rt.now());
    let group = rt.group(async |g| {
        let (count, tell, probe) = (begun.clone(), told.clone(), dropped.on_drop());
        let background = g.task(async move {
            let _probe = probe;
            count.note();
            cancelled().await;
            tell.open();
            never::<()>().await
        });
        let kept = causes.clone();
        let background = background.on_done(move |outcome| {
            kept.lock().unwrap().extend(outcome.unwrap_err().cause().cloned());
        });
        background.background().spawn();
        let (count, wait, gone) = (begun.clone(), finish.clone(), dropped.clone());
        g.spawn(async move {
            count.note();
            wait.wait().await;
            assert_eq!(gone.get(), 0, "an ordinary task is alive");
            Ok(())
        });
        eventually(rt, "both run", || begun.get() == 2).await;
        act(&g, &told).await
    });
    let outcome = group.grace(LONG).await;
    assert!(rt.now() - begin < LONG, "nobody waits for the period");
    assert_eq!(dropped.get(), 1);
    let mut causes = causes.lock().unwrap();
    assert_eq!(causes.len(), 1);
    (outcome, causes.remove(0))
}

/// It ends with the last of the others, whether it was told before or not.
fn c3_background_task_has_no_period_of_its_own<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let finish = Gate::new();
        let cancel = async |g: &GroupHandle<BoxError, R>, told: &Gate| {
            g.cancel();
            told.wait().await;
            finish.open();
            Ok(check_cancelled()?)
        };
        let (outcome, cause) = with_one_in_the_background(&rt, cancel, &finish).await;
        let error = outcome.unwrap_err();
        assert!(error.is_cancelled() && error.overdue().is_empty(), "{error}");
        assert_eq!(cause, CancelCause::requested());

        let finish = Gate::new();
        let nothing = async |_: &GroupHandle<BoxError, R>, _: &Gate| {
            finish.open();
            Ok(())
        };
        let (outcome, cause) = with_one_in_the_background(&rt, nothing, &finish).await;
        outcome.unwrap();
        assert_eq!(cause.kind(), &CauseKind::Finished);
    });
}
