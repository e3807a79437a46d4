//! Background tasks (rule G19) and the start handshake (rule G22).

use anyscope_core::{BoxError, CauseKind, GroupHandle, Runtime, defer};

use super::{Case, case};
use crate::env::Env;
use crate::probe::{
    Count, Gate, Outcome, boom, caught, ended_group, eventually, never, parked, poll_once,
    yield_now,
};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(g19_background_tasks_end_with_the_last_of_the_others::<R>),
        case(g19_failure_before_that_is_a_failure::<R>),
        case(g19_ordinary_task_of_a_background_task_is_waited_for::<R>),
        case(g19_inner_group_of_a_background_task_goes_with_it::<R>),
        case(g19_clean_ups_of_a_background_task_run::<R>),
        case(g19_spawned_while_the_others_end_it_never_stays::<R>),
        case(g22_hands_the_value_over_and_goes_on::<R>),
        case(g22_value_of_a_task_that_ends_at_once_is_not_lost::<R>),
        case(g22_failure_before_it_is_the_callers::<R>),
        case(g22_failure_after_it_is_the_groups::<R>),
        case(g22_panic_before_it_is_raised_in_the_caller::<R>),
        case(g22_task_that_ends_without_it_is_an_error::<R>),
        case(g22_task_that_drops_it_is_cancelled::<R>),
        case(g22_caller_that_goes_away_cancels_it::<R>),
        case(g22_in_a_cancelled_group_it_is_refused::<R>),
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

fn g22_hands_the_value_over_and_goes_on<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<i32> = rt
            .group(async |g| {
                let finish = Gate::new();
                let wait = finish.clone();
                let (value, task) = g
                    .start(async move |started| {
                        yield_now().await;
                        assert!(started.ready(3));
                        wait.wait().await;
                        Ok(4)
                    })
                    .await?;
                assert!(!task.is_finished());
                finish.open();
                Ok(value + task.await?)
            })
            .await;
        assert_eq!(outcome.unwrap(), 7);
    });
}

/// Without pauses: some end while their starters look at them, where several tasks do this.
async fn start_often<R: Runtime>(
    g: GroupHandle<BoxError, R>,
    rounds: usize,
) -> Result<(), BoxError> {
    for round in 0..rounds {
        let ready = g.start(async move |started| {
            started.ready(round);
            Ok(())
        });
        assert_eq!(ready.await?.0, round);
    }
    Ok(())
}

fn g22_value_of_a_task_that_ends_at_once_is_not_lost<R: Runtime>(env: &Env<R>) {
    let rounds = env.size(1000);
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                for _ in 0..3 {
                    g.spawn(start_often(g.clone(), rounds));
                }
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn g22_failure_before_it_is_the_callers<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let started = g.start(async |started| {
                    let _kept: anyscope_core::Started<()> = started;
                    yield_now().await;
                    Err::<(), _>(boom("no port"))
                });
                let error = started.await.unwrap_err();
                assert_eq!(error.to_string(), "the task failed before it was ready: no port");
                assert_eq!(error.into_error().unwrap().to_string(), "no port");
                yield_now().await;
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn g22_failure_after_it_is_the_groups<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (value, _task) = g
                    .start(async |started| {
                        started.ready(3);
                        yield_now().await;
                        Err::<(), _>(boom("later"))
                    })
                    .await?;
                assert_eq!(value, 3);
                never().await
            })
            .await;
        assert_eq!(outcome.unwrap_err().failures().unwrap().len(), 1);
    });
}

fn g22_panic_before_it_is_raised_in_the_caller<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let started = g.start(async |started: anyscope_core::Started<()>| {
                    let _kept = started;
                    panic!("expected");
                    #[expect(unreachable_code, reason = "it names the type")]
                    Ok(())
                });
                let payload = caught(started).await.expect_err("it is raised here");
                assert_eq!(anyscope_core::panic_message(&*payload), "expected");
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn g22_task_that_ends_without_it_is_an_error<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let started = g.start(async |started: anyscope_core::Started<()>| {
                    drop(started);
                    Ok(())
                });
                assert!(started.await.unwrap_err().is_not_ready());
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn g22_task_that_drops_it_is_cancelled<R: Runtime>(env: &Env<R>) {
    let gone = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let probe = gone.on_drop();
                let started = g.start(async move |started: anyscope_core::Started<()>| {
                    let _probe = probe;
                    drop(started);
                    never::<()>().await
                });
                assert!(started.await.unwrap_err().is_not_ready());
                assert_eq!(gone.get(), 1, "it has ended");
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn g22_caller_that_goes_away_cancels_it<R: Runtime>(env: &Env<R>) {
    let gone = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (begun, probe) = (Gate::new(), gone.on_drop());
                let running = begun.clone();
                let mut start = Box::pin(g.start(async move |started| {
                    let _probe = probe;
                    running.open();
                    yield_now().await;
                    never::<()>().await?;
                    started.ready(());
                    Ok(())
                }));
                assert!(poll_once(start.as_mut()).is_pending());
                begun.wait().await;
                drop(start);
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(gone.get(), 1);
}

fn g22_in_a_cancelled_group_it_is_refused<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let start = ended_group(&rt).await.start(async |started| {
            started.ready(());
            Ok(())
        });
        assert!(start.await.unwrap_err().is_cancelled());
    });
}
