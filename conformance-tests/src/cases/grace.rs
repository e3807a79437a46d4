//! Grace periods: tasks are told first, and dropped later (rule C3).

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use anyscope_core::unhandled::UnhandledKind;
use anyscope_core::{
    BoxError, CauseKind, Group, GroupError, GroupHandle, Runtime, TaskInfo, cancelled,
};
use futures_util::future::select;

use super::{Case, LONG, SHORT, case};
use crate::env::Env;
use crate::held::Held;
use crate::probe::{
    Count, Gate, Outcome, boom, eventually, lost, never, parked, unique, yield_now,
};
use crate::waits::with_enough_time;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(c3_tasks_are_told_and_may_end_by_themselves::<R>),
        case(c3_who_does_not_stop_in_time_is_dropped_and_listed::<R>),
        case(c3_one_period_for_all_that_is_below::<R>),
        case(c3_holds_for_a_deadline::<R>),
        case(c3_holds_for_a_failure::<R>),
        case(c3_holds_for_an_enclosing_group::<R>),
        case(c3_holds_for_a_dropped_future::<R>),
        case(c3_dropped_group_returns_as_soon_as_its_tasks_have_ended::<R>),
        case(c3_body_that_was_told_keeps_its_value::<R>),
        case(c3_task_that_has_not_begun_is_dropped_at_once::<R>),
        case(c3_awaiting_a_failed_sibling_gives_its_error_meanwhile::<R>),
        case(c3_cancel_now_ends_it::<R>),
        case(c3_running_job_is_listed_and_waited_for::<R>),
        case(c3_late_tasks_of_a_group_that_returns_a_value_go_to_the_hook::<R>),
        case(c10_told_tasks_are_not_polled_again::<R>),
    ]
}

/// Ends well once it is told.
fn cooperative(begun: &Gate, told: &Count) -> impl Future<Output = Result<(), BoxError>> + use<> {
    let (begun, told) = (begun.clone(), told.clone());
    async move {
        begun.open();
        cancelled().await;
        yield_now().await;
        told.add();
        Ok(())
    }
}

fn names(error: &GroupError<BoxError>) -> Vec<&str> {
    let mut names: Vec<_> = error.overdue().iter().filter_map(TaskInfo::name).collect();
    names.sort_unstable();
    names
}

fn c3_tasks_are_told_and_may_end_by_themselves<R: Runtime>(env: &Env<R>) {
    let told = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let begun = Gate::new();
                let task = g.spawn(cooperative(&begun, &told));
                begun.wait().await;
                g.cancel();
                task.await?;
                assert!(g.try_spawn(never::<()>()).is_err(), "nobody new is let in");
                Ok(())
            })
            .grace(LONG)
            .await;
        outcome.unwrap();
    });
    assert_eq!(told.get(), 1);
}

fn c3_who_does_not_stop_in_time_is_dropped_and_listed<R: Runtime>(env: &Env<R>) {
    let attempt = async |rt: &R, period| {
        let (told, dropped) = (Count::new(), Count::new());
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (begun, started) = (Gate::new(), Gate::new());
                g.task(cooperative(&begun, &told)).name("stops").spawn();
                g.task(parked(&started, &dropped)).name("stays").spawn();
                begun.wait().await;
                started.wait().await;
                g.cancel();
                never().await
            })
            .name("body")
            .grace(period)
            .await;
        let error = outcome.unwrap_err();
        assert!(error.is_cancelled());
        let late = names(&error);
        assert!(late.contains(&"stays") && late.contains(&"body"), "{late:?}");
        assert!(error.overdue()[0].location().file().ends_with("grace.rs"));
        assert_eq!(dropped.get(), 1);
        told.get() == 1 && !late.contains(&"stops")
    };
    env.run(async |rt| with_enough_time(async |period| attempt(&rt, period).await).await);
}

fn c3_one_period_for_all_that_is_below<R: Runtime>(env: &Env<R>) {
    let attempt = async |rt: &R, period| {
        let (told, dropped) = (Count::new(), Count::new());
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (begun, started) = (Gate::new(), Gate::new());
                let below = {
                    let (begun, started) = (begun.clone(), started.clone());
                    let (told, dropped) = (told.clone(), dropped.clone());
                    async move |h: GroupHandle<BoxError, R>| {
                        h.spawn(cooperative(&begun, &told));
                        h.task(parked(&started, &dropped)).name("below").spawn();
                        never::<()>().await
                    }
                };
                g.spawn_group(async move |h| {
                    h.spawn_group(below);
                    never::<()>().await
                });
                begun.wait().await;
                started.wait().await;
                g.cancel();
                Ok(())
            })
            .grace(period)
            .await;
        // The value is kept (G20), so that the late ones are not in an error.
        outcome.unwrap();
        assert_eq!(dropped.get(), 1);
        told.get() == 1
    };
    env.run(async |rt| with_enough_time(async |period| attempt(&rt, period).await).await);
}

fn c3_holds_for_a_deadline<R: Runtime>(env: &Env<R>) {
    let (told, dropped) = (Count::new(), Count::new());
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (begun, started) = (Gate::new(), Gate::new());
                g.spawn(cooperative(&begun, &told));
                g.task(parked(&started, &dropped)).name("stays").spawn();
                begun.wait().await;
                started.wait().await;
                g.set_deadline(rt.now() + SHORT);
                never().await
            })
            .deadline(LONG)
            .grace(SHORT)
            .await;
        let error = outcome.unwrap_err();
        assert!(matches!(error.cause().unwrap().kind(), CauseKind::Deadline(_)));
        assert!(names(&error).contains(&"stays"));
    });
    assert_eq!(dropped.get(), 1);
}

fn c3_holds_for_a_failure<R: Runtime>(env: &Env<R>) {
    let told = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let begun = Gate::new();
                let task = g.spawn(cooperative(&begun, &told));
                begun.wait().await;
                g.spawn(async { Err::<(), _>(boom("no")) });
                Ok(task.await?)
            })
            .grace(LONG)
            .await;
        let error = outcome.unwrap_err();
        assert_eq!(error.failures().unwrap().len(), 1);
        assert!(error.overdue().is_empty());
    });
    assert_eq!(told.get(), 1);
}

fn c3_holds_for_an_enclosing_group<R: Runtime>(env: &Env<R>) {
    let told = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (begun, rt, inner_told) = (Gate::new(), g.runtime(), told.clone());
                let started = begun.clone();
                let body = async move |h: GroupHandle<BoxError, R>| {
                    h.spawn(cooperative(&started, &inner_told));
                    Ok(())
                };
                g.spawn_nested(rt.group(body).grace(LONG));
                begun.wait().await;
                g.cancel();
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(told.get(), 1, "the enclosing group waits for the grace of the inner one");
}

/// Drops the future of a group with this task, and its body with it, and sees the outer group wait for the
/// task.
async fn drop_group_of<R: Runtime>(
    rt: &R,
    grace: Duration,
    begun: &Gate,
    task: impl Future<Output = Result<(), BoxError>> + Send + 'static,
) {
    let outer: Outcome<()> = rt
        .group(async |_: GroupHandle<BoxError, R>| {
            let body_gone = Count::new();
            let body = async |g: GroupHandle<BoxError, R>| {
                let _probe = body_gone.on_drop();
                g.spawn(task);
                never::<()>().await
            };
            let mut group = Box::pin(rt.group(body).grace(grace));
            select(group.as_mut(), pin!(begun.wait())).await;
            assert!(begun.is_open());
            drop(group);
            assert_eq!(body_gone.get(), 1, "it has no period");
            Ok(())
        })
        .await;
    outer.unwrap();
}

fn c3_holds_for_a_dropped_future<R: Runtime>(env: &Env<R>) {
    let (begun, dropped) = (Gate::new(), Count::new());
    env.run(async |rt| {
        drop_group_of(&rt, SHORT, &begun, parked(&begun, &dropped)).await;
        assert_eq!(dropped.get(), 1);
    });
}

fn c3_dropped_group_returns_as_soon_as_its_tasks_have_ended<R: Runtime>(env: &Env<R>) {
    let (begun, told) = (Gate::new(), Count::new());
    env.run(async |rt| {
        drop_group_of(&rt, LONG, &begun, cooperative(&begun, &told)).await;
        assert_eq!(told.get(), 1);
    });
}

fn c3_body_that_was_told_keeps_its_value<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<u32> = rt
            .group(async |g| {
                g.cancel();
                g.cancelled().await;
                yield_now().await;
                Ok(7)
            })
            .grace(LONG)
            .await;
        assert_eq!(outcome.unwrap(), 7);
    });
}

fn c3_task_that_has_not_begun_is_dropped_at_once<R: Runtime>(env: &Env<R>) {
    let (started, dropped) = (Gate::new(), Count::new());
    env.run(async |rt| {
        let gate = Gate::new();
        let held = Held::new(rt, &gate);
        let outcome: Outcome<()> = held
            .group(async |g| {
                g.spawn(parked(&started, &dropped));
                g.cancel();
                gate.open();
                eventually(&held, "it is dropped", || dropped.get() == 1).await;
                Ok(())
            })
            .grace(LONG)
            .await;
        outcome.unwrap();
    });
    assert!(!started.is_open());
}

fn c3_awaiting_a_failed_sibling_gives_its_error_meanwhile<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let task = g.spawn(async { Err::<(), _>(boom("no")) });
                Ok(task.await?)
            })
            .grace(LONG)
            .await;
        let error = outcome.unwrap_err();
        assert_eq!(error.failures().unwrap().len(), 1, "what came back through `?` is an echo");
    });
}

fn c3_cancel_now_ends_it<R: Runtime>(env: &Env<R>) {
    let dropped = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let started = Gate::new();
                g.spawn(parked(&started, &dropped));
                started.wait().await;
                g.cancel();
                yield_now().await;
                assert_eq!(dropped.get(), 0);
                g.cancel_now();
                never().await
            })
            .grace(LONG)
            .await;
        assert!(outcome.unwrap_err().is_cancelled());
    });
    assert_eq!(dropped.get(), 1);
}

fn c3_running_job_is_listed_and_waited_for<R: Runtime>(env: &Env<R>) {
    let ended = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (running, finish, done) = (Gate::new(), Gate::new(), ended.clone());
                let (begun, go_on) = (running.clone(), finish.clone());
                g.spawn_blocking(move || {
                    begun.open();
                    go_on.wait_blocking();
                    done.add();
                });
                running.wait().await;
                let _at_the_end = crate::probe::on_drop(|| finish.open());
                g.cancel();
                never().await
            })
            .grace(SHORT)
            .await;
        assert_eq!(outcome.unwrap_err().overdue().len(), 2, "the body and the job");
    });
    assert_eq!(ended.get(), 1);
}

fn c3_late_tasks_of_a_group_that_returns_a_value_go_to_the_hook<R: Runtime>(env: &Env<R>) {
    let name = unique("late");
    lost(&name);
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let started = Gate::new();
                g.task(parked(&started, &Count::new())).name(name.clone()).spawn();
                started.wait().await;
                g.cancel();
                Ok(())
            })
            .grace(SHORT)
            .await;
        outcome.unwrap();
    });
    let seen = lost(&name);
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].kind, UnhandledKind::Overdue);
}

fn c10_told_tasks_are_not_polled_again<R: Runtime>(env: &Env<R>) {
    let polls = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let started = Gate::new();
                let begun = started.clone();
                let waiting = async move {
                    begun.open();
                    never::<()>().await
                };
                g.spawn(crate::probe::counted(polls.clone(), waiting));
                started.wait().await;
                for _ in 0..100 {
                    g.cancel();
                    yield_now().await;
                }
                g.cancel_now();
                never::<()>().await
            })
            .grace(LONG)
            .await;
        assert!(outcome.unwrap_err().is_cancelled());
    });
    assert!(polls.get() <= 3, "polled {} times", polls.get());
}
