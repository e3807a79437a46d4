//! What no group encloses: left to the runtime's root, and to `run` (rules G2, R6).

#![expect(
    clippy::async_yields_async,
    reason = "handles and groups are handed out of a block that drives the runtime"
)]

use std::future::Future;
use std::pin::pin;

use anyscope_core::{AnyRuntime, BoxError, Group, Runtime, TaskContext, root_future};
use futures_util::future::select;

use super::{Case, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, Stuck, eventually, never, parked, poll_once, yield_now};
use crate::thread;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(g2_run_returns_after_what_was_dropped_in_it::<R>),
        case(g2_run_waits_for_a_job_of_a_dropped_group::<R>),
        case(g2_run_waits_for_a_group_that_is_kept_until_its_end::<R>),
        case(r6_dropped_outside_any_group_is_counted_until_it_has_ended::<R>),
        case(r6_dropped_in_a_thread_outside_any_group_is_counted::<R>),
        case(r6_values_of_one_runtime_share_the_root::<R>),
        case(r6_every_waiter_is_told::<R>),
        case(r6_awaited_group_is_not_counted::<R>),
        case(r6_group_dropped_inside_another_is_not_counted::<R>),
        case(r6_main_future_of_run_is_not_counted::<R>),
        case(r6_detached_task_is_counted::<R>),
    ]
}

/// A group in which the job runs and tasks wait, and whose body never ends.
fn group_with<R: Runtime>(
    rt: &R,
    job: &Stuck,
    gone: &Count,
) -> impl Future<Output = Outcome<()>> + Send + use<R> {
    let (run, gone) = (job.job(), gone.clone());
    rt.group(async move |g| {
        (0..TASKS).for_each(|_| drop(g.spawn(parked(&Gate::new(), &gone))));
        drop(g.spawn_blocking(run));
        never().await
    })
}

const TASKS: usize = 20;

/// Polls a group until its job runs, and drops it.
async fn open_and_drop<F: Future>(group: F, job: &Stuck) {
    let (group, running) = (pin!(group), pin!(job.running.wait()));
    select(group, running).await;
    assert!(job.running.is_open(), "the group has returned");
}

fn g2_run_returns_after_what_was_dropped_in_it<R: Runtime>(env: &Env<R>) {
    let gone = Count::new();
    env.run(async |rt| {
        let began = Gate::new();
        let group = rt.group::<BoxError, _>(async |g| {
            (0..TASKS).for_each(|_| drop(g.spawn(parked(&began, &gone))));
            never::<()>().await
        });
        let (group, began) = (pin!(group), pin!(began.wait()));
        select(group, began).await;
    });
    assert_eq!(gone.get(), TASKS);
}

fn g2_run_waits_for_a_job_of_a_dropped_group<R: Runtime>(env: &Env<R>) {
    let (job, gone, dropped) = (Stuck::default(), Count::new(), Gate::new());
    env.block_on(async |rt: R| {
        // What `run` blocks on.
        let run = root_future(&rt, async {
            open_and_drop(group_with(&rt, &job, &gone), &job).await;
            dropped.open();
            7
        });
        assert_eq!(job.is_waited_for_by(run, &dropped).await, 7);
    });
    assert_eq!(gone.get(), TASKS);
}

/// The group's future outlives the main future that opened it: its tasks do not.
fn g2_run_waits_for_a_group_that_is_kept_until_its_end<R: Runtime>(env: &Env<R>) {
    let (job, gone, kept) = (Stuck::default(), Count::new(), Gate::new());
    env.block_on(async |rt: R| {
        let run = root_future(&rt, async {
            let mut group = Box::pin(group_with(&rt, &job, &gone));
            select(group.as_mut(), pin!(job.running.wait())).await;
            kept.open();
            group
        });
        let group = job.is_waited_for_by(run, &kept).await;
        assert_eq!(gone.get(), TASKS);
        assert!(group.await.unwrap_err().is_cancelled());
    });
}

/// Other cases may share the root: `drained` waits for what they have dropped as well.
fn r6_dropped_outside_any_group_is_counted_until_it_has_ended<R: Runtime>(env: &Env<R>) {
    let (job, gone) = (Stuck::default(), Count::new());
    env.block_on(async |rt: R| {
        assert!(TaskContext::current().is_none());
        open_and_drop(group_with(&rt, &job, &gone), &job).await;
        job.is_waited_for_by(rt.drained(), &job.running).await;
        assert_eq!(gone.get(), TASKS);
    });
}

fn r6_dropped_in_a_thread_outside_any_group_is_counted<R: Runtime>(env: &Env<R>) {
    let (job, gone) = (Stuck::default(), Count::new());
    env.block_on(async |rt: R| {
        let mut group = Box::pin(group_with(&rt, &job, &gone));
        select(group.as_mut(), pin!(job.running.wait())).await;
        thread::spawn(move || drop(group)).join().unwrap();
        job.is_waited_for_by(rt.drained(), &job.running).await;
        assert_eq!(gone.get(), TASKS);
    });
}

fn r6_values_of_one_runtime_share_the_root<R: Runtime>(env: &Env<R>) {
    let (job, gone) = (Stuck::default(), Count::new());
    env.block_on(async |rt: R| {
        open_and_drop(group_with(&rt, &job, &gone), &job).await;
        let erased = AnyRuntime::new(rt.clone());
        assert!(poll_once(erased.drained()).is_pending());
        job.is_waited_for_by(env.runtime().drained(), &job.running).await;
        erased.drained().await;
    });
}

fn r6_every_waiter_is_told<R: Runtime>(env: &Env<R>) {
    let (job, gone, began) = (Stuck::default(), Count::new(), Count::new());
    env.block_on(async |rt: R| {
        open_and_drop(group_with(&rt, &job, &gone), &job).await;
        let all_wait = Gate::new();
        let waiters = rt.group::<BoxError, _>(async |g| {
            for _ in 0..3 {
                let (rt, began) = (rt.clone(), began.clone());
                g.spawn(async move {
                    drop(rt.drained());
                    began.add();
                    rt.drained().await;
                    Ok(())
                });
            }
            eventually(&rt, "all wait", || began.get() == 3).await;
            all_wait.open();
            Ok(())
        });
        job.is_waited_for_by(waiters, &all_wait).await.unwrap();
    });
}

/// Otherwise this would wait for itself.
fn r6_awaited_group_is_not_counted<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let began = Gate::new();
                g.spawn(parked(&began, &Count::new()));
                began.wait().await;
                rt.drained().await;
                g.cancel();
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

/// The outer group waits for it, the root need not: it is idle while the job runs.
fn r6_group_dropped_inside_another_is_not_counted<R: Runtime>(env: &Env<R>) {
    let (job, gone, idle) = (Stuck::default(), Count::new(), Gate::new());
    env.block_on(async |rt: R| {
        let outer = rt.group::<BoxError, _>(async |_| {
            open_and_drop(group_with(&rt, &job, &gone), &job).await;
            rt.drained().await;
            idle.open();
            Ok(())
        });
        job.is_waited_for_by(outer, &idle).await.unwrap();
    });
}

fn r6_main_future_of_run_is_not_counted<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| rt.drained().await);
}

fn r6_detached_task_is_counted<R: Runtime>(env: &Env<R>) {
    let (finish, ended) = (Gate::new(), Count::new());
    env.block_on(async |rt| {
        let (in_task, count) = (finish.clone(), ended.on_drop());
        drop(rt.spawn_detached(async move {
            let _count = count;
            in_task.wait().await;
        }));
        eventually(&rt, "the detached task waits", || finish.waiters() == 1).await;
        for _ in 0..10 {
            assert!(poll_once(rt.drained()).is_pending());
            yield_now().await;
        }
        finish.open();
        rt.drained().await;
        assert_eq!(ended.get(), 1);
    });
}
