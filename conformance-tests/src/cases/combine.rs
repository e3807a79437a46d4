//! Combinators that stop tasks: gather, race, first success (rules W1, W2, W5, W7).

use std::future::{Future, IntoFuture};
use std::panic::catch_unwind;
use std::task::Poll;

use anyscope_core::{
    BoxError, GroupHandle, Runtime, Supervise, TaskHandle, WaitFor, as_completed, first_ok, gather,
    map_concurrent, race, wait,
};

use super::{Case, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, Stuck, boom, eventually, never, parked, poll_once};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(w1_gather_gives_the_values_in_order::<R>),
        case(w1_first_failure_cancels_the_rest_and_they_have_ended::<R>),
        case(w1_failure_is_given_after_a_job_that_cannot_be_stopped_has_ended::<R>),
        case(w1_cancelled_task_ends_the_gather::<R>),
        case(w1_fail_fast_group_has_one_failure_and_the_gatherer_is_dropped::<R>),
        case(w1_dropped_gather_cancels_only_what_cancels_on_drop::<R>),
        case(w2_settled_gives_an_outcome_for_each::<R>),
        case(w5_losers_of_a_race_have_ended_before_the_winner_is_returned::<R>),
        case(w5_winner_waits_for_a_job_that_cannot_be_stopped::<R>),
        case(w5_tie_is_decided_by_position::<R>),
        case(w5_first_success_outlives_failures_and_ends_the_losers::<R>),
        case(w5_first_success_of_none_has_all_errors::<R>),
        case(w5_dropped_race_cancels_nothing::<R>),
        case(w7_of_nothing_comes_nothing_at_once::<R>),
    ]
}

/// A task that is ready at once.
fn value<R: Runtime, T: Send + 'static>(g: &GroupHandle<BoxError, R>, of: T) -> TaskHandle<T, R> {
    g.spawn(async { Ok(of) })
}

/// A task that never ends by itself, and has been polled when this returns.
async fn endless<R: Runtime>(g: &GroupHandle<BoxError, R>, dropped: &Count) -> TaskHandle<(), R> {
    let started = Gate::new();
    let task = g.spawn(parked(&started, dropped));
    started.wait().await;
    task
}

fn w1_gather_gives_the_values_in_order<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<Vec<usize>> = rt
            .group(async |g| {
                let gates: Vec<_> = (0..10).map(|_| Gate::new()).collect();
                let tasks: Vec<_> = gates
                    .iter()
                    .cloned()
                    .enumerate()
                    .map(|(number, gate)| {
                        g.spawn(async move {
                            gate.wait().await;
                            Ok(number)
                        })
                    })
                    .collect();
                gates.iter().rev().for_each(Gate::open);
                Ok(gather(tasks).await?)
            })
            .await;
        assert_eq!(outcome.unwrap(), (0..10).collect::<Vec<_>>());
    });
}

fn w1_first_failure_cancels_the_rest_and_they_have_ended<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let dropped = Count::new();
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let tasks = [
                    endless(&g, &dropped).await,
                    g.spawn(async { Err(boom("the failure")) }),
                    endless(&g, &dropped).await,
                ];
                let failing = tasks[1].id();
                let error = gather(tasks).await.unwrap_err();
                assert_eq!(dropped.get(), 2, "they have ended");
                assert!(error.is_failed() && error.task() == failing);
                Ok(())
            })
            .policy(Supervise)
            .await;
        assert_eq!(outcome.unwrap_err().failures().unwrap().len(), 1);
    });
}

fn w1_failure_is_given_after_a_job_that_cannot_be_stopped_has_ended<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (stuck, failed) = (Stuck::default(), Gate::new());
                let job = g.spawn_blocking(stuck.job());
                stuck.running.wait().await;
                let over = failed.clone();
                let failing = g.task(async { Err(boom("the failure")) });
                let failing = failing.on_done(move |_| over.open()).spawn();
                let gathered = gather([job, failing]);
                assert!(stuck.is_waited_for_by(gathered, &failed).await.is_err());
                Ok(())
            })
            .policy(Supervise)
            .await;
        assert_eq!(outcome.unwrap_err().failures().unwrap().len(), 1);
    });
}

fn w1_cancelled_task_ends_the_gather<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let dropped = Count::new();
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let tasks = [endless(&g, &dropped).await, endless(&g, &dropped).await];
                tasks[1].cancel_because("not needed");
                let error = gather(tasks).await.unwrap_err();
                assert!(error.is_cancelled());
                assert_eq!(error.cause().unwrap().to_string(), "requested: not needed");
                assert_eq!(dropped.get(), 2);
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn w1_fail_fast_group_has_one_failure_and_the_gatherer_is_dropped<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        for _ in env.rounds(100) {
            let went_on = Count::new();
            let outcome: Outcome<()> = rt
                .group(async |g| {
                    let failing = g.spawn(async { Err::<(), _>(boom("the failure")) });
                    let tasks = [g.spawn(never()), failing, g.spawn(never())];
                    let error = gather(tasks).await.unwrap_err();
                    went_on.add();
                    Err(BoxError::from(error))
                })
                .await;
            assert_eq!(outcome.unwrap_err().failures().unwrap().len(), 1);
            assert_eq!(went_on.get(), 0);
        }
    });
}

fn w1_dropped_gather_cancels_only_what_cancels_on_drop<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (kept, cancelled) = (Count::new(), Count::new());
                let gate = Gate::new();
                let opened = gate.clone();
                let probe = kept.on_drop();
                let goes_on = g.spawn(async move {
                    let _probe = probe;
                    opened.wait().await;
                    Ok(())
                });
                let ends = endless(&g, &cancelled).await;
                assert!(poll_once(gather([goes_on])).is_pending());
                assert!(poll_once(gather([ends.cancel_on_drop()])).is_pending());
                eventually(&rt, "the drop cancels", || cancelled.get() == 1).await;
                assert_eq!(kept.get(), 0, "the group still has it");
                gate.open();
                eventually(&rt, "it ends by itself", || kept.get() == 1).await;
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn w2_settled_gives_an_outcome_for_each<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let cancelled = endless(&g, &Count::new()).await;
                cancelled.cancel();
                let gate = Gate::new();
                let opened = gate.clone();
                let late = g.spawn(async move {
                    opened.wait().await;
                    Ok(())
                });
                let failing = g.spawn(async { Err(boom("the failure")) });
                let opener = g.spawn(async move {
                    gate.open();
                    Ok(())
                });
                let outcomes = gather([failing, late, cancelled, opener]).settled().await;
                let kinds = outcomes.iter().map(|outcome| match outcome {
                    Ok(()) => "value",
                    Err(error) if error.is_failed() => "failed",
                    Err(error) if error.is_cancelled() => "cancelled",
                    Err(_) => "something else",
                });
                assert_eq!(kinds.collect::<Vec<_>>(), ["failed", "value", "cancelled", "value"]);
                Ok(())
            })
            .policy(Supervise)
            .await;
        assert_eq!(outcome.unwrap_err().failures().unwrap().len(), 1);
    });
}

fn w5_losers_of_a_race_have_ended_before_the_winner_is_returned<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let dropped = Count::new();
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let losers = [endless(&g, &dropped).await, endless(&g, &dropped).await];
                let [first, last] = losers;
                race([first, value(&g, ()), last]).await?;
                assert_eq!(dropped.get(), 2, "they have ended");
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn w5_winner_waits_for_a_job_that_cannot_be_stopped<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (stuck, won) = (Stuck::default(), Gate::new());
                let job = g.spawn_blocking(stuck.job());
                stuck.running.wait().await;
                let over = won.clone();
                let winner = g.task(async { Ok(()) }).on_done(move |_| over.open()).spawn();
                stuck.is_waited_for_by(race([job, winner]), &won).await?;
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn w5_tie_is_decided_by_position<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                for _ in 0..20 {
                    let mut tasks = [0, 1, 2].map(|number| value(&g, number));
                    drop(wait(tasks.iter_mut(), WaitFor::All).await);
                    let [a, b, c] = &mut tasks;
                    assert_eq!(race([c, a, b]).await?, 2);
                    assert_eq!((&mut tasks[0]).await?, 0, "a loser's value is in its handle");
                }
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn w5_first_success_outlives_failures_and_ends_the_losers<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let dropped = Count::new();
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let loser = endless(&g, &dropped).await;
                let failed = Gate::new();
                let over = failed.clone();
                let failing = g.task(async { Err(boom("the failure")) });
                let failing = failing.on_done(move |_| over.open()).spawn();
                let winner = g.spawn(async move {
                    failed.wait().await;
                    Ok(())
                });
                first_ok([loser, failing, winner]).await?;
                assert_eq!(dropped.get(), 1, "it has ended");
                Ok(())
            })
            .policy(Supervise)
            .await;
        assert_eq!(outcome.unwrap_err().failures().unwrap().len(), 1);
    });
}

fn w5_first_success_of_none_has_all_errors<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let cancelled = endless(&g, &Count::new()).await;
                cancelled.cancel();
                let failing = g.spawn(async { Err(boom("the failure")) });
                let ids = [cancelled.id(), failing.id()];
                let failed = first_ok([cancelled, failing]).await.unwrap_err();
                let of: Vec<_> = failed.errors().iter().map(|error| error.task()).collect();
                assert_eq!(of, ids);
                Err(BoxError::from(failed))
            })
            .policy(Supervise)
            .await;
        let failures = outcome.unwrap_err().into_failures().unwrap();
        assert_eq!(failures.len(), 1, "what the body gives back is an echo: {failures:#}");
    });
}

fn w5_dropped_race_cancels_nothing<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let gate = Gate::new();
                let mut tasks = [0, 1].map(|number| {
                    let gate = gate.clone();
                    g.spawn(async move {
                        gate.wait().await;
                        Ok(number)
                    })
                });
                assert!(poll_once(race(tasks.iter_mut())).is_pending());
                assert!(poll_once(first_ok(tasks.iter_mut())).is_pending());
                gate.open();
                assert_eq!(gather(tasks).await?, [0, 1]);
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn w7_of_nothing_comes_nothing_at_once<R: Runtime>(env: &Env<R>) {
    type Nothing<R> = Vec<TaskHandle<(), R>>;
    fn now<F: Future>(future: F) -> F::Output {
        match poll_once(future) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("it is ready at once"),
        }
    }

    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                assert_eq!(now(gather(Nothing::<R>::new())).unwrap(), []);
                assert_eq!(now(gather(Nothing::<R>::new()).settled()).len(), 0);
                assert_eq!(now(first_ok(Nothing::<R>::new())).unwrap_err().errors().len(), 0);
                assert!(now(as_completed(Nothing::<R>::new()).next()).is_none());
                let (done, pending) = now(wait(Nothing::<R>::new(), WaitFor::FirstCompleted));
                assert_eq!((done.len(), pending.len()), (0, 0));
                let nothing = map_concurrent(0..0, 1, |_| value(&g, ()));
                assert_eq!(now(nothing.into_future()).unwrap(), []);
                let race = catch_unwind(|| drop(race(Nothing::<R>::new())));
                assert!(race.is_err(), "it says that there is nothing to race");
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}
