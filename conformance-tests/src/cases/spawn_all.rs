//! Many tasks spawned and awaited as one (rule G23).

use std::future::poll_fn;
use std::iter;
use std::panic::Location;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use anyscope_core::{Carried, ErrorGroup, Runtime, Supervise, TaskContext, TaskError, shield};

use super::{Case, case};
use crate::env::Env;
use crate::probe::{
    Count, Gate, Outcome, boom, caught, ended_group, eventually, never, parked, poll_once,
};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(g23_values_come_in_order::<R>),
        case(g23_all_run_at_once::<R>),
        case(g23_executor_has_its_turn_while_they_are_spawned::<R>),
        case(g23_first_by_position_is_the_one_whose_error_comes::<R>),
        case(g23_dropped_half_way_it_stops_nothing_and_spawns_no_more::<R>),
        case(g23_waits_for_places_in_a_group_with_a_limit::<R>),
        case(g23_cancelled_while_it_waits_for_a_place::<R>),
        case(g23_is_refused_by_a_group_that_has_ended::<R>),
        case(g23_failure_ends_the_spawning_and_leaves_the_place::<R>),
        case(g23_tasks_carry_what_they_are_given::<R>),
        case(g23_first_that_is_refused_is_the_last::<R>),
        case(g23_panic_of_the_iterator_is_the_callers::<R>),
        case(g23_tasks_are_known_by_the_place_of_the_call::<R>),
        case(g23_settled_has_an_outcome_for_each::<R>),
        case(g23_settled_has_what_was_taken_before::<R>),
        case(g23_settled_of_what_is_refused_says_so_of_each::<R>),
    ]
}

fn g23_values_come_in_order<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                // The later ones let the earlier ones go on.
                let gates: Vec<_> = (0..200).map(|_| Gate::new()).collect();
                let tasks = gates.iter().enumerate().map(|(n, own)| {
                    let (own, before) = (own.clone(), n.checked_sub(1).map(|n| gates[n].clone()));
                    async move {
                        own.wait().await;
                        before.iter().for_each(Gate::open);
                        Ok(n)
                    }
                });
                gates[199].open();
                assert_eq!(g.spawn_all(tasks).await?, (0..200).collect::<Vec<_>>());
                assert!(
                    g.spawn_all(iter::empty::<R::Sleep>().map(|_| never::<()>())).await?.is_empty()
                );
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn g23_all_run_at_once<R: Runtime>(env: &Env<R>) {
    let (begun, many) = (Count::new(), env.size(1_000));
    env.run(async |rt| {
        let all: Outcome<Vec<()>> = rt
            .group(async |g| {
                let finish = Gate::new();
                let task = || {
                    let (begun, finish) = (begun.clone(), finish.clone());
                    async move {
                        if begun.add() == many {
                            finish.open();
                        }
                        finish.wait().await;
                        Ok(())
                    }
                };
                Ok(g.spawn_all(iter::repeat_with(task).take(many)).await?)
            })
            .await;
        assert_eq!(all.unwrap().len(), many);
    });
}

fn g23_executor_has_its_turn_while_they_are_spawned<R: Runtime>(env: &Env<R>) {
    let (begun, spawned) = (Gate::new(), Count::new());
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                // As many as it takes until the first has run.
                let task = || {
                    let begun = begun.clone();
                    async move {
                        begun.open();
                        Ok(())
                    }
                };
                let until_begun = iter::from_fn(|| (!begun.is_open()).then(task));
                g.spawn_all(until_begun.inspect(|_| assert!(spawned.add() < 1_000_000))).await?;
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn g23_first_by_position_is_the_one_whose_error_comes<R: Runtime>(env: &Env<R>) {
    let (ids, done) = (Arc::new(Mutex::new([None; 4])), Count::new());
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (last_has_failed, go_on) = (Gate::new(), Gate::new());
                let tasks = (0..4).map(|n| {
                    let (last_has_failed, go_on) = (last_has_failed.clone(), go_on.clone());
                    let (ids, done) = (ids.clone(), done.clone());
                    async move {
                        ids.lock().unwrap()[n] = TaskContext::current().map(|task| task.id());
                        match n {
                            0 | 1 => last_has_failed.wait().await,
                            2 => go_on.wait().await,
                            _ => last_has_failed.open(),
                        }
                        done.add();
                        if n % 2 == 1 { Err(boom("by its position")) } else { Ok(()) }
                    }
                });
                let error = g.spawn_all(tasks).await.unwrap_err();
                assert_eq!(Some(error.task()), ids.lock().unwrap()[1]);
                // The others were not stopped.
                go_on.open();
                Ok(())
            })
            .policy(Supervise)
            .await;
        assert_eq!(outcome.unwrap_err().failures().map_or(0, ErrorGroup::len), 2);
    });
    assert_eq!(done.get(), 4);
}

fn g23_dropped_half_way_it_stops_nothing_and_spawns_no_more<R: Runtime>(env: &Env<R>) {
    let (made, ended, dropped) = (Count::new(), Count::new(), Count::new());
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let finish = Gate::new();
                let task = || {
                    let (finish, ended, probe) = (finish.clone(), ended.clone(), dropped.on_drop());
                    made.add();
                    async move {
                        let _probe = probe;
                        finish.wait().await;
                        ended.add();
                        Ok(())
                    }
                };
                let mut all = Box::pin(g.spawn_all(iter::repeat_with(task).take(100_000)));
                assert_eq!(made.get(), 0, "nothing is spawned before the first poll");
                assert!(poll_once(all.as_mut()).is_pending());
                drop(all);
                assert!((1..100_000).contains(&made.get()));
                assert_eq!((g.live(), dropped.get()), (made.get() + 1, 0));
                finish.open();
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!((ended.get(), dropped.get()), (made.get(), made.get()));
}

fn g23_waits_for_places_in_a_group_with_a_limit<R: Runtime>(env: &Env<R>) {
    const LIMIT: usize = 3;
    let (made, ended) = (Count::new(), Count::new());
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let finish = Gate::new();
                let task = || {
                    let (finish, ended) = (finish.clone(), ended.clone());
                    made.add();
                    async move {
                        finish.wait().await;
                        ended.add();
                        Ok(())
                    }
                };
                let mut all = Box::pin(g.spawn_all(iter::repeat_with(task).take(50)));
                let first = poll_fn(|cx| Poll::Ready(all.as_mut().poll(cx)));
                assert!(first.await.is_pending());
                // One more than there are places, which waits for one.
                assert_eq!((made.get(), g.live()), (LIMIT + 1, LIMIT + 1));
                finish.open();
                assert_eq!(all.await?.len(), 50);
                Ok(())
            })
            .limit(LIMIT)
            .await;
        outcome.unwrap();
    });
    assert_eq!((made.get(), ended.get()), (50, 50));
}

fn g23_cancelled_while_it_waits_for_a_place<R: Runtime>(env: &Env<R>) {
    let dropped = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (begun, finish) = (Gate::new(), Gate::new());
                let tasks = (0..5).map(|_| {
                    let (begun, finish, probe) = (begun.clone(), finish.clone(), dropped.on_drop());
                    async move {
                        let _probe = probe;
                        begun.open();
                        shield(finish.wait()).await;
                        Ok(())
                    }
                });
                let (h, dropped, inner) = (g.clone(), dropped.clone(), rt.clone());
                let (first, go_on) = (begun.clone(), finish.clone());
                rt.spawn_detached(async move {
                    first.wait().await;
                    h.cancel();
                    // The second, while the first keeps the place.
                    eventually(&inner, "it is told", || dropped.get() == 1).await;
                    go_on.open();
                });
                let error = shield(g.spawn_all(tasks)).await.unwrap_err();
                assert!(error.is_refused(), "{error}");
                Ok(())
            })
            .limit(1)
            .await;
        drop(outcome);
    });
    assert_eq!(dropped.get(), 2);
}

fn g23_is_refused_by_a_group_that_has_ended<R: Runtime>(env: &Env<R>) {
    let (polled, dropped) = (Gate::new(), Count::new());
    env.run(async |rt| {
        let g = ended_group(&rt).await;
        let tasks = iter::repeat_with(|| parked(&polled, &dropped)).take(3);
        let error = g.spawn_all(tasks).await.unwrap_err();
        assert!(error.is_refused(), "{error}");
    });
    assert!(!polled.is_open());
    assert_eq!(dropped.get(), 1);
}

fn g23_first_that_is_refused_is_the_last<R: Runtime>(env: &Env<R>) {
    let (made, dropped) = (Count::new(), Count::new());
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let started = Gate::new();
                let tasks = iter::repeat_with(|| {
                    if made.add() == 2 {
                        g.cancel();
                    }
                    parked(&started, &dropped)
                });
                // The first is not refused, and has not ended.
                assert!(poll_once(g.spawn_all(tasks)).is_pending());
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!((made.get(), dropped.get()), (2, 2));
}

fn g23_failure_ends_the_spawning_and_leaves_the_place<R: Runtime>(env: &Env<R>) {
    let made = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let tasks = iter::repeat_with(|| {
                    made.add();
                    async { Err::<(), _>(boom("the first")) }
                });
                let mut all = Box::pin(g.spawn_all(tasks));
                assert!(all.as_mut().await.unwrap_err().is_failed());
                // What waited for a place has been dropped, though the future is there.
                let so_far = made.get();
                assert_eq!(g.spawn(async { Ok(7) }).await?, 7);
                assert_eq!(made.get(), so_far);
                drop(all);
                Ok(())
            })
            .policy(Supervise)
            .limit(1)
            .await;
        assert!(outcome.is_err());
    });
}

fn g23_tasks_carry_what_they_are_given<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        for limit in [usize::MAX, 1] {
            let outcome: Outcome<()> = rt
                .group(async |g| {
                    let tasks =
                        (0..3).map(|_| async { Ok(Carried::here().get::<u32>().map(|n| *n)) });
                    let values = g.spawn_all(tasks).carrying(Carried::of(7_u32)).await?;
                    assert_eq!(values, [Some(7); 3]);
                    Ok(())
                })
                .limit(limit)
                .await;
            outcome.unwrap();
        }
    });
}

fn g23_panic_of_the_iterator_is_the_callers<R: Runtime>(env: &Env<R>) {
    let ended = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let tasks = (0..3).map(|n| {
                    assert!(n < 2, "no more");
                    let ended = ended.clone();
                    async move {
                        ended.add();
                        Ok(())
                    }
                });
                assert!(caught(g.spawn_all(tasks)).await.is_err());
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(ended.get(), 2);
}

fn g23_tasks_are_known_by_the_place_of_the_call<R: Runtime>(env: &Env<R>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let started = Gate::new();
                let tasks = (0..2).map(|_| parked(&started, &Count::new()));
                let (all, here) = (g.spawn_all(tasks), Location::caller());
                let mut all = Box::pin(all);
                assert!(poll_once(all.as_mut()).is_pending());
                eventually(&rt, "both run", || started.is_open()).await;
                *seen.lock().unwrap() = g.tasks();
                let lines =
                    seen.lock().unwrap().iter().map(|t| t.location().line()).collect::<Vec<_>>();
                assert_eq!(lines[1..], [here.line(), here.line()]);
                g.cancel();
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    let ids = seen.lock().unwrap().iter().map(|t| t.id()).collect::<Vec<_>>();
    assert!(ids[1] < ids[2], "{ids:?}");
}

fn g23_settled_has_an_outcome_for_each<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let odd_fails =
                    |n| async move { if n % 2 == 1 { Err(boom("odd")) } else { Ok(n) } };
                let outcomes = g.spawn_all((0..200).map(odd_fails)).settled().await;
                let is_right = |(n, outcome): (usize, &Result<usize, TaskError>)| match outcome {
                    Ok(value) => *value == n && n % 2 == 0,
                    Err(error) => error.is_failed() && n % 2 == 1,
                };
                assert_eq!(outcomes.len(), 200);
                assert!(outcomes.iter().enumerate().all(is_right), "{outcomes:?}");
                Ok(())
            })
            .policy(Supervise)
            .await;
        assert_eq!(outcome.unwrap_err().failures().map_or(0, ErrorGroup::len), 100);
    });
}

fn g23_settled_has_what_was_taken_before<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (open, shut) = (Gate::new(), Gate::new());
                let tasks = [(1, open.clone()), (2, shut.clone())].map(|(n, gate)| async move {
                    gate.wait().await;
                    Ok(n)
                });
                let mut all = g.spawn_all(tasks);
                open.open();
                assert!(poll_once(&mut all).is_pending());
                eventually(&rt, "the first has ended", || g.live() == 2).await;
                assert!(poll_once(&mut all).is_pending());
                shut.open();
                let outcomes: Result<Vec<_>, _> = all.settled().await.into_iter().collect();
                assert_eq!(outcomes.unwrap(), [1, 2]);
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn g23_settled_of_what_is_refused_says_so_of_each<R: Runtime>(env: &Env<R>) {
    let (polled, dropped) = (Gate::new(), Count::new());
    env.run(async |rt| {
        let g = ended_group(&rt).await;
        let tasks = iter::repeat_with(|| parked(&polled, &dropped)).take(100);
        let outcomes = g.spawn_all(tasks).settled().await;
        let refused = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
        assert_eq!(refused.filter(|error| error.is_refused()).count(), 100);
    });
    assert_eq!((polled.is_open(), dropped.get()), (false, 100));
}
