//! Whoever has not ended within a grace period is named, and nobody else (rules C3, C9, G17).

use std::error::Error;
use std::fmt;
use std::pin::pin;
use std::sync::OnceLock;
use std::time::Duration;

use anyscope_core::unhandled::UnhandledKind;
use anyscope_core::{
    BoxError, GroupError, GroupHandle, Runtime, TaskInfo, check_cancelled, shield,
};
use futures_util::future::select;

use super::{Case, LONG, SHORT, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, lost, never, parked, unique};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(c3_late_tasks_of_a_group_that_moves_on_go_to_the_hook::<R>),
        case(c3_late_tasks_of_a_nested_group_are_reported::<R>),
        case(c3_late_tasks_in_an_error_of_the_users_own_are_reported::<R>),
        case(c3_period_that_ends_during_a_shield_is_over_after_it::<R>),
        case(c3_period_that_ends_during_a_shield_is_over_for_a_cancelled_group::<R>),
        case(c3_inner_period_may_end_before_the_outer_one::<R>),
        case(c3_inner_period_ends_with_the_outer_one::<R>),
        case(g17_dropped_group_lists_its_tasks_and_nobody_else::<R>),
    ]
}

fn c3_late_tasks_of_a_group_that_moves_on_go_to_the_hook<R: Runtime>(env: &Env<R>) {
    let name = unique("late");
    assert!(lost(&name).is_empty());
    env.run(async |rt| {
        let group = rt.group(async |g: GroupHandle<BoxError, R>| {
            g.task(parked(&Gate::new(), &Count::new())).name(name.clone()).spawn();
            never::<()>().await
        });
        let outcome = group.deadline(SHORT).grace(SHORT).or_move_on().await;
        assert_eq!(outcome.unwrap(), None);
    });
    let seen = lost(&name);
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0].kind, UnhandledKind::Overdue);
}

/// The error of the inner group says "cancelled", which is no failure of the outer one, and goes no further.
fn c3_late_tasks_of_a_nested_group_are_reported<R: Runtime>(env: &Env<R>) {
    let name = unique("late");
    assert!(lost(&name).is_empty());
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (late, runtime) = (name.clone(), g.runtime());
                let inner = runtime.group(async move |h: GroupHandle<BoxError, R>| {
                    h.task(parked(&Gate::new(), &Count::new())).name(late).spawn();
                    never::<()>().await
                });
                g.spawn_nested(inner.deadline(SHORT).grace(SHORT));
                Ok(())
            })
            .await;
        assert!(outcome.unwrap_err().is_cancelled());
    });
    let seen = lost(&name);
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0].kind, UnhandledKind::Overdue);
}

/// What a program says about the error of an inner group.
#[derive(Debug)]
struct Explained(GroupError);

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the inner group")
    }
}

impl Error for Explained {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// The same of an error that no group knows to be that of another.
fn c3_late_tasks_in_an_error_of_the_users_own_are_reported<R: Runtime>(env: &Env<R>) {
    let name = unique("late");
    assert!(lost(&name).is_empty());
    env.run(async |rt| {
        let inner = async || {
            let group = rt.group(async |g: GroupHandle<BoxError, R>| {
                let begun = Gate::new();
                g.task(parked(&begun, &Count::new())).name(name.clone()).spawn();
                begun.wait().await;
                g.cancel();
                never::<()>().await
            });
            group.grace(SHORT).await.map_err(Explained)
        };
        let outcome: Outcome<()> = rt.group(async |_| Ok(inner().await?)).await;
        assert!(outcome.unwrap_err().is_cancelled());
        let alone = inner().await.unwrap_err();
        let alone = rt.try_spawn_detached(async { Err::<(), _>(alone) });
        assert!(alone.await.unwrap_err().is_cancelled());
    });
    let seen = lost(&name);
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert!(seen.iter().all(|lost| lost.kind == UnhandledKind::Overdue));
}

/// A group with a period of its own that is opened in a shield, and kept beyond it. `cancels` is called in
/// its body.
fn kept_beyond_a_shield<R: Runtime>(env: &Env<R>, cancels: fn(&GroupHandle<BoxError, R>)) {
    let dropped = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g: GroupHandle<BoxError, R>| {
                let (rt, begun, finish) = (g.runtime(), Gate::new(), Gate::new());
                let (started, finished, gone) = (begun.clone(), finish.clone(), dropped.clone());
                g.spawn(async move {
                    let body = async move |h: GroupHandle<BoxError, R>| {
                        h.spawn(parked(&started, &gone));
                        started.wait().await;
                        cancels(&h);
                        never::<()>().await
                    };
                    let mut inner = Box::pin(rt.group(body).grace(LONG));
                    shield(async {
                        select(inner.as_mut(), pin!(finished.wait())).await;
                    })
                    .await;
                    Ok(inner.await?)
                });
                begun.wait().await;
                g.cancel_now();
                finish.open();
                never().await
            })
            .await;
        assert!(outcome.unwrap_err().is_cancelled());
    });
    assert_eq!(dropped.get(), 1);
}

fn c3_period_that_ends_during_a_shield_is_over_after_it<R: Runtime>(env: &Env<R>) {
    kept_beyond_a_shield(env, |_| {});
}

fn c3_period_that_ends_during_a_shield_is_over_for_a_cancelled_group<R: Runtime>(env: &Env<R>) {
    kept_beyond_a_shield(env, GroupHandle::cancel);
}

/// A group with this period that is opened by a task, with a task of its own that is named "late".
async fn inner_group<R: Runtime>(
    rt: R,
    grace: Duration,
    begun: Gate,
    dropped: Count,
) -> Outcome<()> {
    let body = async |h: GroupHandle<BoxError, R>| {
        h.task(parked(&begun, &dropped)).name("late").spawn();
        Ok(())
    };
    rt.group(body).grace(grace).await
}

fn names(error: &GroupError<BoxError>) -> Vec<&str> {
    error.overdue().iter().filter_map(TaskInfo::name).collect()
}

/// A task of the outer group lives until the inner one has returned.
fn c3_inner_period_may_end_before_the_outer_one<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let begin = rt.now();
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (begun, finish, outer_gone) = (Gate::new(), Gate::new(), Count::new());
                let (wait, probe, runs) = (finish.clone(), outer_gone.on_drop(), Gate::new());
                let running = runs.clone();
                g.spawn(async move {
                    let _probe = probe;
                    running.open();
                    wait.wait().await;
                    Ok(())
                });
                let dropped = Count::new();
                let inner = inner_group(g.runtime(), SHORT, begun.clone(), dropped.clone());
                g.spawn(async move {
                    let error = inner.await.unwrap_err();
                    assert_eq!(names(&error), ["late"]);
                    assert_eq!((dropped.get(), outer_gone.get()), (1, 0));
                    finish.open();
                    Ok(())
                });
                begun.wait().await;
                runs.wait().await;
                g.cancel();
                Ok(check_cancelled()?)
            })
            .grace(LONG)
            .await;
        let error = outcome.unwrap_err();
        assert!(error.is_cancelled() && error.overdue().is_empty(), "{error:#}");
        assert!(rt.now() - begin < LONG);
    });
}

fn c3_inner_period_ends_with_the_outer_one<R: Runtime>(env: &Env<R>) {
    let dropped = Count::new();
    env.run(async |rt| {
        let begin = rt.now();
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let begun = Gate::new();
                let inner = inner_group(g.runtime(), LONG, begun.clone(), dropped.clone());
                g.spawn(async { Ok(inner.await?) });
                begun.wait().await;
                g.cancel();
                Ok(check_cancelled()?)
            })
            .grace(SHORT)
            .await;
        let error = outcome.unwrap_err();
        assert!(error.is_cancelled() && names(&error).contains(&"late"), "{error:#}");
        assert_eq!(dropped.get(), 1);
        assert!(rt.now() - begin < LONG);
    });
}

fn g17_dropped_group_lists_its_tasks_and_nobody_else<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |_| {
                let (begun, handle) = (Gate::new(), OnceLock::new());
                let body = async |g: GroupHandle<BoxError, R>| {
                    g.task(parked(&begun, &Count::new())).name("stays").spawn();
                    handle.get_or_init(|| g);
                    never::<()>().await
                };
                select(Box::pin(rt.group(body).grace(LONG)), pin!(begun.wait())).await;
                let g = handle.get().expect("the body was polled");
                let tasks = g.tasks();
                let names: Vec<_> = tasks.iter().map(TaskInfo::name).collect();
                g.cancel_now();
                assert_eq!(names, [Some("stays")], "{tasks:?}");
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}
