//! Groups that are values, when those are dropped: who waits for them, and who is told (rules G24, R6, C9).

use std::future::pending;
use std::task::Poll;
use std::time::Duration;

use anyscope_core::unhandled::UnhandledKind;
use anyscope_core::{
    BoxError, CauseKind, GroupHandle, OpenGroup, Runtime, TaskContext, TaskInfo, root_future,
    shield,
};

use super::open_group::open;
use super::{Case, LONG, case};
use crate::env::Env;
use crate::probe::{
    Count, Gate, Outcome, Stuck, block_on_here, boom, eventually, holding, lost, never, on_drop,
    parked, poll_once, unique, yield_now,
};
use crate::thread;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(g24_dropped_in_a_group_is_waited_for_by_that::<R>),
        case(g24_dropped_in_a_task_is_waited_for_by_its_group::<R>),
        case(g24_dropped_in_a_job_is_waited_for_by_its_group::<R>),
        case(g24_dropped_with_a_cancelled_task_is_waited_for::<R>),
        case(g24_dropped_while_it_is_closed_is_waited_for::<R>),
        case(g24_run_returns_after_what_was_dropped_in_it::<R>),
        case(r6_open_group_that_nothing_encloses_is_counted::<R>),
        case(r6_idle_open_group_is_counted_until_it_is_dropped::<R>),
        case(r6_idle_open_group_is_counted_after_a_shutdown::<R>).needs_shutdown(),
        case(r6_open_group_dropped_by_its_own_task_is_counted::<R>),
        case(r6_open_groups_that_drop_each_other_are_counted::<R>),
        case(g24_dropped_gives_all_of_it_its_grace_period::<R>),
        case(g24_cancelled_group_around_leaves_all_of_it_its_grace_period::<R>),
        case(g24_nobody_is_overdue_but_who_did_not_stop::<R>),
        case(g19_background_task_that_dropped_it_does_not_keep_the_others::<R>),
        case(c9_failures_of_a_dropped_open_group_go_to_the_hook::<R>),
        case(c9_failure_that_races_with_the_drop_is_told_once::<R>),
        case(c9_failure_of_a_dropped_open_group_is_told_before_that_around_returns::<R>),
    ]
}

/// One in which the job runs.
async fn open_with<R: Runtime>(rt: &R, job: &Stuck) -> OpenGroup<(), BoxError, R> {
    let group = open(rt);
    job.spawn_into(&group);
    eventually(rt, "the job runs", || job.running.is_open()).await;
    group
}

fn g24_dropped_in_a_group_is_waited_for_by_that<R: Runtime>(env: &Env<R>) {
    let (job, dropped) = (Stuck::default(), Gate::new());
    env.block_on(async |rt: R| {
        let outer = rt.group::<BoxError, _>(async |_| {
            drop(open_with(&rt, &job).await);
            dropped.open();
            Ok(())
        });
        job.is_waited_for_by(outer, &dropped).await.unwrap();
    });
}

/// Also where it was opened elsewhere.
fn g24_dropped_in_a_task_is_waited_for_by_its_group<R: Runtime>(env: &Env<R>) {
    assert_waited_for_where_dropped(env, |g, drop_it| {
        g.spawn(async move {
            drop_it();
            Ok(())
        });
    });
}

fn g24_dropped_in_a_job_is_waited_for_by_its_group<R: Runtime>(env: &Env<R>) {
    assert_waited_for_where_dropped(env, |g, drop_it| {
        g.spawn_cpu(drop_it);
    });
}

/// A group that does with `drop_within` what drops one that was opened outside.
fn assert_waited_for_where_dropped<R: Runtime>(
    env: &Env<R>,
    drop_within: impl FnOnce(&GroupHandle<BoxError, R>, Box<dyn FnOnce() + Send>),
) {
    let (job, dropped) = (Stuck::default(), Gate::new());
    env.block_on(async |rt: R| {
        let group = open_with(&rt, &job).await;
        let outer = rt.group::<BoxError, _>(async |g| {
            let dropped = dropped.clone();
            let drop_it = move || {
                drop(group);
                dropped.open();
            };
            drop_within(&g, Box::new(drop_it));
            Ok(())
        });
        job.is_waited_for_by(outer, &dropped).await.unwrap();
    });
}

/// Cancels the group when a task of it owns this, which is dropped with the task.
async fn cancel_around<R: Runtime>(g: &GroupHandle<BoxError, R>, owned: impl Send + 'static) {
    let owns = Gate::new();
    let begun = owns.clone();
    g.spawn(async move {
        let _owned = owned;
        begun.open();
        never::<()>().await
    });
    owns.wait().await;
    g.cancel();
}

fn g24_dropped_with_a_cancelled_task_is_waited_for<R: Runtime>(env: &Env<R>) {
    let (job, dropped) = (Stuck::default(), Gate::new());
    env.block_on(async |rt: R| {
        let group = open_with(&rt, &job).await;
        let handle = group.clone();
        let outer = rt.group::<BoxError, _>(async |g| {
            let tell = dropped.clone();
            cancel_around(&g, (group, on_drop(move || tell.open()))).await;
            Ok(())
        });
        job.is_waited_for_by(outer, &dropped).await.unwrap();
        let cause = handle.cause().unwrap();
        assert!(matches!(cause.root().kind(), CauseKind::Requested(_)), "that of the task");
    });
}

fn g24_dropped_while_it_is_closed_is_waited_for<R: Runtime>(env: &Env<R>) {
    let (job, dropped) = (Stuck::default(), Gate::new());
    env.block_on(async |rt: R| {
        let outer = rt.group::<BoxError, _>(async |_| {
            let mut closing = Box::pin(open_with(&rt, &job).await.close());
            assert!(poll_once(closing.as_mut()).is_pending());
            drop(closing);
            dropped.open();
            Ok(())
        });
        job.is_waited_for_by(outer, &dropped).await.unwrap();
    });
}

fn g24_run_returns_after_what_was_dropped_in_it<R: Runtime>(env: &Env<R>) {
    let (job, dropped) = (Stuck::default(), Gate::new());
    env.block_on(async |rt: R| {
        let run = root_future(&rt, async {
            drop(open_with(&rt, &job).await);
            dropped.open();
        });
        job.is_waited_for_by(run, &dropped).await;
    });
}

fn r6_open_group_that_nothing_encloses_is_counted<R: Runtime>(env: &Env<R>) {
    let job = Stuck::default();
    env.block_on(async |rt: R| {
        let group = open_with(&rt, &job).await;
        thread::spawn(move || drop(group)).join().unwrap();
        job.is_waited_for_by(rt.drained(), &job.running).await;
    });
}

async fn open_idle<R: Runtime>(rt: &R) -> OpenGroup<(), BoxError, R> {
    let group = open(rt);
    group.spawn(async { Ok(()) }).await.unwrap();
    eventually(rt, "body and task have ended", || group.tasks().is_empty()).await;
    group
}

fn r6_idle_open_group_is_counted_until_it_is_dropped<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let group = open_idle(&rt).await;
        let mut drained = Box::pin(rt.drained());
        for _ in 0..10 {
            assert!(poll_once(drained.as_mut()).is_pending(), "the value is there");
            yield_now().await;
        }
        drop(group);
        drained.await;
    });
}

fn r6_idle_open_group_is_counted_after_a_shutdown<R: Runtime>(env: &Env<R>) {
    let group = env.block_on(async |rt: R| open_idle(&rt).await);
    let mut drained = Box::pin(env.runtime().drained());
    env.shut_down();
    assert!(poll_once(drained.as_mut()).is_pending(), "the value is there");
    drop(group);
    block_on_here(drained);
}

/// It would wait for itself.
fn r6_open_group_dropped_by_its_own_task_is_counted<R: Runtime>(env: &Env<R>) {
    let (job, dropped) = (Stuck::default(), Gate::new());
    env.block_on(async |rt: R| {
        let group = open_with(&rt, &job).await;
        let (g, tell, inner) = (group.clone(), dropped.clone(), rt.clone());
        g.spawn(async move {
            let _told = on_drop(move || tell.open());
            // In a group inside it as well.
            let outcome: Outcome<()> = inner
                .group(async move |_| {
                    drop(group);
                    Ok(())
                })
                .await;
            Ok(outcome?)
        });
        eventually(&rt, "the task is gone", || dropped.is_open()).await;
        assert!(g.is_cancelled());
        job.is_waited_for_by(rt.drained(), &dropped).await;
        assert_eq!(g.live(), 0);
    });
}

/// The second of them would wait for the first, which waits for it.
fn r6_open_groups_that_drop_each_other_are_counted<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        for _ in env.rounds(50) {
            let (go, began, gone) = (Gate::new(), Gate::new(), Count::new());
            let (one, other) = (open(&rt), open(&rt));
            let handles = [one.clone(), other.clone()];
            for (g, owned) in handles.iter().zip([other, one]) {
                let go = go.clone();
                g.spawn(parked(&began, &gone));
                g.spawn(async move {
                    go.wait().await;
                    drop(owned);
                    Ok(())
                });
            }
            eventually(&rt, "both wait", || go.waiters() == 2).await;
            go.open();
            rt.drained().await;
            assert_eq!((gone.get(), handles.map(|g| g.live())), (2, [0, 0]));
        }
    });
}

/// Goes on for a moment after it was told to stop.
async fn cooperative(begun: Count, told: Count) -> Result<(), BoxError> {
    let here = TaskContext::current().expect("in a task");
    begun.note();
    here.cancelled().await;
    yield_now().await;
    told.note();
    Ok(())
}

/// One whose body and task do.
async fn open_cooperative<R: Runtime>(rt: &R, told: &Count) -> OpenGroup<(), BoxError, R> {
    let begun = Count::new();
    let body = cooperative(begun.clone(), told.clone());
    let group = rt.group(async |_| body.await).grace(LONG).open();
    group.spawn(cooperative(begun.clone(), told.clone()));
    eventually(rt, "both have begun", || begun.get() == 2).await;
    group
}

/// The body too, which has a task of its own.
fn g24_dropped_gives_all_of_it_its_grace_period<R: Runtime>(env: &Env<R>) {
    let told = Count::new();
    env.run(async |rt| drop(open_cooperative(&rt, &told).await));
    assert_eq!(told.get(), 2);
}

/// Whether that is cancelled before the drop or after it.
fn g24_cancelled_group_around_leaves_all_of_it_its_grace_period<R: Runtime>(env: &Env<R>) {
    let told = Count::new();
    env.run(async |rt| {
        let group = open_cooperative(&rt, &told).await;
        let outcome: Outcome<()> = rt
            .group(async |g| {
                cancel_around(&g, group).await;
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_eq!(told.get(), 2);
        let group = open_cooperative(&rt, &told).await;
        let outcome: Outcome<()> = rt
            .group(async |g| {
                drop(group);
                g.cancel();
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_eq!(told.get(), 4);
    });
}

fn g24_nobody_is_overdue_but_who_did_not_stop<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (began, dropped) = (Gate::new(), Count::new());
                let group: OpenGroup<(), BoxError, R> =
                    rt.group(async |_| Ok(())).name("client").grace(LONG).open();
                drop(group.task(parked(&began, &dropped)).name("late").spawn());
                began.wait().await;
                eventually(&rt, "the body has ended", || group.tasks().len() == 1).await;
                drop(group);
                g.shut_down();
                Ok(())
            })
            .grace(Duration::from_millis(5))
            .await;
        let error = outcome.unwrap_err();
        let late: Vec<_> = error.overdue().iter().map(TaskInfo::name).collect();
        assert_eq!(late, [Some("late")]);
    });
}

/// It is one of its inner groups from then on. Its task waits for the other to go.
fn g19_background_task_that_dropped_it_does_not_keep_the_others<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (other_gone, dropped) = (Gate::new(), Gate::new());
                let (tell, tell_dropped) = (other_gone.clone(), dropped.clone());
                let told = on_drop(move || tell.open());
                g.spawn_background(holding(told, never::<()>()));
                let group = open(&rt);
                let (shielded, in_shield) = (Gate::new(), Gate::new());
                let inside = in_shield.clone();
                group.spawn(async move {
                    let waits = async {
                        inside.open();
                        other_gone.wait().await;
                    };
                    shield(waits).await;
                    Ok(())
                });
                in_shield.wait().await;
                g.spawn_background(async move {
                    drop(group);
                    tell_dropped.open();
                    shielded.wait().await;
                    Ok(())
                });
                dropped.wait().await;
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn c9_failures_of_a_dropped_open_group_go_to_the_hook<R: Runtime>(env: &Env<R>) {
    let (text, gone) = (unique("dropped open group"), Count::new());
    assert!(lost(&text).is_empty());
    let (error, panic, last) =
        (format!("{text}error"), format!("{text}panic"), format!("{text}last"));
    env.run(async |rt| {
        let value = gone.on_drop();
        let failed: OpenGroup<_, BoxError, R> = rt.group(async move |_| Ok(value)).open();
        failed.spawn(async move { Err::<(), _>(boom(&error)) });
        let panicked = open(&rt);
        panicked.spawn::<_, ()>(async move { panic!("{panic}") });
        let fails_at_its_end = open(&rt);
        let began = Gate::new();
        let tell = began.clone();
        fails_at_its_end.spawn(async move {
            let _fails = on_drop(move || panic!("{last}"));
            tell.open();
            pending::<Outcome<()>>().await?;
            Ok(())
        });
        eventually(&rt, "both have failed", || {
            failed.is_cancelled() && panicked.is_cancelled() && began.is_open()
        })
        .await;
    });
    // Before those were let go who have waited for it.
    let mut kinds: Vec<_> = lost(&text).into_iter().map(|lost| lost.kind).collect();
    kinds.sort_by_key(|kind| format!("{kind:?}"));
    assert_eq!(kinds, [UnhandledKind::Failure, UnhandledKind::Panic, UnhandledKind::Panic]);
    assert_eq!(gone.get(), 1, "the body's value is gone too");
}

fn c9_failure_that_races_with_the_drop_is_told_once<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        for round in env.rounds(100) {
            let (text, failed) = (unique("failure and drop"), Count::new());
            assert!(lost(&text).is_empty());
            let (group, count, failing) = (open(&rt), failed.clone(), format!("{text}error"));
            group.spawn(async move {
                count.note();
                Err::<(), _>(boom(&failing))
            });
            let returned = closed_within(round % 4, group).await;
            rt.drained().await;
            assert_eq!(usize::from(returned) + lost(&text).len(), failed.get());
        }
    });
}

/// Also where the task that runs the group has ended, and its result is on its way to `close`.
fn c9_failure_of_a_dropped_open_group_is_told_before_that_around_returns<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        for round in env.rounds(100) {
            let (text, failed) = (unique("failure before the end"), Count::new());
            assert!(lost(&text).is_empty());
            let (count, failing) = (failed.clone(), format!("{text}error"));
            let outcome: Outcome<usize> = rt
                .group(async |_| {
                    let body = async move |_| {
                        count.note();
                        Err(boom(&failing))
                    };
                    let group: OpenGroup<(), BoxError, R> = rt.group(body).open();
                    let mut closing = Box::pin(group.close());
                    let early = poll_once(closing.as_mut()).is_ready();
                    while !early && failed.get() == 0 {
                        yield_now().await;
                    }
                    (0..round * 20).for_each(|_| std::hint::spin_loop());
                    Ok(usize::from(early))
                })
                .await;
            assert_eq!(lost(&text).len() + outcome.unwrap(), failed.get());
        }
    });
}

/// Closes the group, and drops it after so many polls. Whether it has returned failures.
async fn closed_within<R: Runtime>(polls: usize, group: OpenGroup<(), BoxError, R>) -> bool {
    let mut closing = Box::pin(group.close());
    for _ in 0..polls {
        if let Poll::Ready(outcome) = poll_once(closing.as_mut()) {
            return !outcome.unwrap_err().is_cancelled();
        }
        yield_now().await;
    }
    false
}
