//! A runtime that is shut down, and one that is dead already (rules R1, R5).

#![expect(
    clippy::async_yields_async,
    reason = "handles and groups are handed out of a block that drives the runtime"
)]

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::mpsc;
use std::time::Duration;

use anyscope_core::{BoxError, CauseKind, GroupHandle, Runtime, TaskError, TaskHandle, shield};

use super::{Case, LONG, case};
use crate::env::Env;
use crate::probe::{
    Count, Gate, Outcome, Stuck, block_on_here, eventually, eventually_blocking, never, on_drop,
    parked, poll_once,
};
use crate::thread;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    let cases = vec![
        case(r1_shutdown_drops_tasks_and_their_handles_say_so::<R>),
        case(r1_shutdown_wakes_who_waits_in_another_thread::<R>),
        case(t3_shutdown_tells_nobody_before_the_destructor_has_run::<R>),
        case(r1_shutdown_ends_a_group_that_is_awaited_elsewhere::<R>),
        case(r1_shutdown_ends_a_group_with_a_deadline_that_is_awaited_elsewhere::<R>),
        case(r1_shutdown_while_a_job_runs_ends_a_group_with_a_deadline::<R>),
        case(r1_shutdown_leaves_a_deadline_that_is_awaited_elsewhere_an_error::<R>),
        case(r1_shutdown_ends_groups_within_groups::<R>),
        case(r1_shutdown_while_jobs_are_queued_ends_their_group::<R>),
        case(r1_timeouts_and_limits_outlast_the_shutdown::<R>),
        case(r1_spawn_in_a_destructor_at_shutdown_is_answered::<R>),
        case(r1_spawns_that_race_with_the_shutdown_are_answered::<R>),
        case(r5_spawn_on_a_dead_runtime_drops_the_future::<R>),
        case(r5_group_on_a_dead_runtime_is_cancelled::<R>),
        case(r5_job_on_a_dead_runtime_is_answered::<R>),
    ];
    cases.into_iter().map(Case::needs_shutdown).collect()
}

/// Starts a detached task that never ends by itself, and waits until it has begun.
fn start_parked<R: Runtime>(env: &Env<R>, dropped: &Count) -> TaskHandle<(), R> {
    env.block_on(async |rt| {
        let started = Gate::new();
        let parked = parked(&started, dropped);
        let task = rt.spawn_detached(async { drop(parked.await) });
        eventually(&rt, "the task runs", || started.is_open()).await;
        task
    })
}

fn assert_shut_down(outcome: Result<(), TaskError>) {
    let error = outcome.unwrap_err();
    assert!(error.is_cancelled());
    assert_eq!(error.cause().unwrap().kind(), &CauseKind::Shutdown);
}

fn r1_shutdown_drops_tasks_and_their_handles_say_so<R: Runtime>(env: &Env<R>) {
    let dropped = Count::new();
    let task = start_parked(env, &dropped);
    env.shut_down();
    assert_eq!(dropped.get(), 1);
    assert!(task.is_finished());
    assert_shut_down(block_on_here(task));
}

fn r1_shutdown_wakes_who_waits_in_another_thread<R: Runtime>(env: &Env<R>) {
    let task = start_parked(env, &Count::new());
    let waiting = Gate::new();
    let in_thread = waiting.clone();
    let thread = thread::spawn(move || {
        let mut task = pin!(task);
        block_on_here(poll_fn(|cx| {
            let polled = task.as_mut().poll(cx);
            in_thread.open();
            polled
        }))
    });
    waiting.wait_blocking();
    env.shut_down();
    assert_shut_down(thread.join().unwrap());
}

/// The destructor waits until somebody has looked at the handle.
fn t3_shutdown_tells_nobody_before_the_destructor_has_run<R: Runtime>(env: &Env<R>) {
    let (started, destroying, looked) = (Gate::new(), Gate::new(), Gate::new());
    let mut task = env.block_on(async |rt: R| {
        let (opener, begun, seen) = (started.clone(), destroying.clone(), looked.clone());
        let slow = on_drop(move || {
            begun.open();
            seen.wait_blocking();
        });
        let task = rt.spawn_detached(async move {
            let _slow = slow;
            opener.open();
            std::future::pending::<()>().await;
        });
        eventually(&rt, "the task runs", || started.is_open()).await;
        task
    });
    let thread = thread::spawn(move || {
        destroying.wait_blocking();
        let told = task.is_finished() || poll_once(&mut task).is_ready();
        looked.open();
        (told, block_on_here(task))
    });
    env.shut_down();
    let (told, outcome) = thread.join().unwrap();
    assert!(!told, "the destructor still ran");
    assert_shut_down(outcome);
}

/// Drives `group`, whose task waits, on a thread of its own while the runtime is shut down.
fn shut_down_while_awaited_elsewhere<R, F>(
    env: &Env<R>,
    group: impl FnOnce(Gate, Count) -> F + Send + 'static,
) where
    R: Runtime,
    F: Future<Output = Outcome<()>>,
{
    let (started, dropped) = (Gate::new(), Count::new());
    let in_thread = (started.clone(), dropped.clone());
    let thread = thread::spawn(move || block_on_here(group(in_thread.0, in_thread.1)));
    env.block_on(async |rt| eventually(&rt, "the task runs", || started.is_open()).await);
    env.shut_down();
    let error = thread.join().expect("the group does not panic").unwrap_err();
    assert_eq!(error.cause().unwrap().kind(), &CauseKind::Shutdown);
    assert!(error.failures().is_none());
    assert_eq!(dropped.get(), 1);
}

fn r1_shutdown_ends_a_group_that_is_awaited_elsewhere<R: Runtime>(env: &Env<R>) {
    let rt = env.runtime();
    shut_down_while_awaited_elsewhere(env, move |started, dropped| {
        rt.group(async move |g| {
            g.spawn(parked(&started, &dropped));
            Ok(())
        })
    });
}

/// Its timer belongs to the runtime that is gone.
fn r1_shutdown_ends_a_group_with_a_deadline_that_is_awaited_elsewhere<R: Runtime>(env: &Env<R>) {
    let rt = env.runtime();
    shut_down_while_awaited_elsewhere(env, move |started, dropped| {
        let group = rt.group(async move |g| {
            g.spawn(parked(&started, &dropped));
            never().await
        });
        group.deadline(Duration::from_secs(3600))
    });
}

/// The group is polled while its task is gone and its timer may be, but not its job.
fn r1_shutdown_while_a_job_runs_ends_a_group_with_a_deadline<R: Runtime>(env: &Env<R>) {
    let (rt, job, dropped) = (env.runtime(), Stuck::default(), Count::new());
    let (running, work, finish) = (job.running.clone(), job.job(), job.finish.clone());
    let thread = thread::spawn(move || {
        let finish = on_drop(move || finish.open());
        let started = Gate::new();
        let group = rt.group::<BoxError, _>(async |g| {
            g.spawn(parked(&started, &dropped));
            g.spawn_blocking(work);
            never::<()>().await
        });
        let mut group = pin!(group.deadline(Duration::from_secs(3600)));
        eventually_blocking("the task is dropped", || {
            assert!(poll_once(group.as_mut()).is_pending());
            dropped.get() == 1
        });
        for _ in 0..20 {
            assert!(poll_once(group.as_mut()).is_pending());
            thread::sleep(Duration::from_millis(1));
        }
        drop(finish);
        block_on_here(group)
    });
    env.block_on(async |rt| eventually(&rt, "the job runs", || running.is_open()).await);
    env.shut_down();
    let error = thread.join().expect("the group does not panic").unwrap_err();
    assert_eq!(error.cause().unwrap().kind(), &CauseKind::Shutdown);
    assert_eq!(job.ended.get(), 1);
}

/// Nothing of this group runs on the runtime but its timer, which may be gone with it.
fn r1_shutdown_leaves_a_deadline_that_is_awaited_elsewhere_an_error<R: Runtime>(env: &Env<R>) {
    let (rt, polled) = (env.runtime(), Gate::new());
    let opener = polled.clone();
    let thread = thread::spawn(move || {
        let group = rt.group::<BoxError, _>(async |_| {
            opener.open();
            never::<()>().await
        });
        block_on_here(group.deadline(Duration::from_millis(50)))
    });
    polled.wait_blocking();
    env.shut_down();
    let error = thread.join().expect("the group does not panic").unwrap_err();
    let cause = error.cause().unwrap();
    assert!(matches!(cause.kind(), CauseKind::Shutdown | CauseKind::Deadline(_)));
}

const TASKS: usize = 3;
const DEPTH: usize = 3;

/// Tasks that wait, here and in groups below.
fn plant<R: Runtime>(g: &GroupHandle<BoxError, R>, depth: usize, began: &Count, dropped: &Count) {
    for _ in 0..TASKS {
        let (began, probe) = (began.clone(), dropped.on_drop());
        g.spawn(async move {
            let _probe = probe;
            began.add();
            never::<()>().await
        });
    }
    if depth > 1 {
        let (began, dropped) = (began.clone(), dropped.clone());
        g.spawn_group(async move |h| {
            plant(&h, depth - 1, &began, &dropped);
            never::<()>().await
        });
    }
}

fn r1_shutdown_ends_groups_within_groups<R: Runtime>(env: &Env<R>) {
    let (began, dropped) = (Count::new(), Count::new());
    let task = env.block_on(async |rt: R| {
        let (inner, begin, probe) = (rt.clone(), began.clone(), dropped.clone());
        let task = rt.spawn_detached(async move {
            let outcome: Outcome<()> = inner
                .group(async |g| {
                    plant(&g, DEPTH, &begin, &probe);
                    never().await
                })
                .await;
            outcome.unwrap();
        });
        eventually(&rt, "all have begun", || began.get() == TASKS * DEPTH).await;
        task
    });
    env.shut_down();
    assert_eq!(dropped.get(), TASKS * DEPTH);
    assert_shut_down(block_on_here(task));
    block_on_here(env.runtime().drained());
}

/// Each of them has run or was dropped: the group does not wait for a pool that is gone.
fn r1_shutdown_while_jobs_are_queued_ends_their_group<R: Runtime>(env: &Env<R>) {
    const JOBS: usize = 50;
    let (rt, ran, gone, queued) = (env.runtime(), Count::new(), Count::new(), Gate::new());
    let (count, probes, all_queued) = (ran.clone(), gone.clone(), queued.clone());
    let thread = thread::spawn(move || {
        let group = rt.group(async |g| {
            let job = |_| {
                let (count, probe) = (count.clone(), probes.on_drop());
                move || {
                    let _probe = probe;
                    count.add();
                }
            };
            let mut jobs: Vec<_> = (0..JOBS).map(|n| g.spawn_blocking(job(n))).collect();
            jobs.extend((0..JOBS).map(|n| g.spawn_cpu(job(n))));
            all_queued.open();
            Ok(jobs)
        });
        let outcome: Outcome<Vec<TaskHandle<(), R>>> = block_on_here(group);
        outcome
    });
    queued.wait_blocking();
    env.shut_down();
    let mut values = 0;
    for job in thread.join().unwrap().unwrap() {
        match block_on_here(job) {
            Ok(()) => values += 1,
            error => assert_shut_down(error),
        }
    }
    assert_eq!((values, gone.get()), (ran.get(), 2 * JOBS));
}

/// Where the runtime's timers do not go on without it, the time is up; nothing panics.
fn r1_timeouts_and_limits_outlast_the_shutdown<R: Runtime>(env: &Env<R>) {
    let (mut timeout, mut group) = env.block_on(async |rt: R| {
        let group = rt.group(async |_: GroupHandle<BoxError, R>| {
            shield(pending::<()>()).limit(LONG).await;
            Ok(())
        });
        (Box::pin(rt.timeout(LONG, pending::<()>())), Box::pin(group))
    });
    assert!(poll_once(timeout.as_mut()).is_pending());
    assert!(poll_once(group.as_mut()).is_pending());
    env.shut_down();
    let _ = poll_once(timeout.as_mut());
    assert!(poll_once(group.as_mut()).is_pending(), "its body waits for ever");
}

fn r1_spawn_in_a_destructor_at_shutdown_is_answered<R: Runtime>(env: &Env<R>) {
    let (sender, handles) = mpsc::channel();
    let dropped = Count::new();
    env.block_on(async |rt: R| {
        let (started, in_task, probes) = (Gate::new(), Gate::new(), dropped.clone());
        let (inner, opener) = (rt.clone(), started.clone());
        drop(rt.spawn_detached(async move {
            let outcome: Outcome<()> = inner
                .group(async |g| {
                    let late = g.clone();
                    let _late = on_drop(move || {
                        let into_group = late.spawn(parked(&in_task, &probes));
                        let parked = parked(&in_task, &probes);
                        let detached = late.runtime().spawn_detached(async { drop(parked.await) });
                        sender.send([into_group, detached]).unwrap();
                    });
                    opener.open();
                    never().await
                })
                .await;
            outcome.unwrap();
        }));
        eventually(&rt, "the task runs", || started.is_open()).await;
    });
    env.shut_down();
    for handle in handles.recv().unwrap() {
        let error = block_on_here(handle).unwrap_err();
        assert!(error.is_cancelled() || error.is_refused());
    }
    assert_eq!(dropped.get(), 2);
}

fn r1_spawns_that_race_with_the_shutdown_are_answered<R: Runtime>(env: &Env<R>) {
    let (rt, dropped, done) = (env.runtime(), Count::new(), Gate::new());
    let (spawned, probes, is_dead) = (Count::new(), dropped.clone(), done.clone());
    let count = spawned.clone();
    let thread = thread::spawn(move || {
        let (mut tasks, mut after) = (Vec::new(), 0);
        while after < 10 {
            after += usize::from(is_dead.is_open());
            thread::spin();
            let (number, probe) = (count.add(), probes.on_drop());
            tasks.push(rt.spawn_detached(async move {
                let _probe = probe;
                if number % 2 == 0 { std::future::pending().await } else { number }
            }));
        }
        tasks.into_iter().map(block_on_here).collect::<Vec<_>>()
    });
    eventually_blocking("some were spawned", || spawned.get() > 100);
    env.shut_down();
    done.open();
    let outcomes = thread.join().unwrap();
    assert_eq!((outcomes.len(), dropped.get()), (spawned.get(), spawned.get()));
    for error in outcomes.into_iter().filter_map(Result::err) {
        assert_shut_down(Err(error));
    }
}

fn r5_spawn_on_a_dead_runtime_drops_the_future<R: Runtime>(env: &Env<R>) {
    let (polled, dropped) = (Count::new(), Count::new());
    env.shut_down();
    let (count, probe) = (polled.clone(), dropped.on_drop());
    let task = env.runtime().spawn_detached(async move {
        let _probe = probe;
        count.add();
    });
    assert_shut_down(block_on_here(task));
    assert_eq!((polled.get(), dropped.get()), (0, 1));
}

fn r5_group_on_a_dead_runtime_is_cancelled<R: Runtime>(env: &Env<R>) {
    let (started, dropped) = (Gate::new(), Count::new());
    env.shut_down();
    let rt = env.runtime();
    let outcome: Outcome<()> = block_on_here(rt.group(async |g| {
        let task = g.spawn(parked(&started, &dropped));
        assert_eq!(g.cancelled().await.kind(), &CauseKind::Shutdown);
        assert!(task.is_finished());
        let refused = g.try_spawn(parked(&started, &dropped)).unwrap_err();
        assert_eq!(refused.cause().unwrap().kind(), &CauseKind::Shutdown);
        never().await
    }));
    let error = outcome.unwrap_err();
    assert_eq!(error.cause().unwrap().kind(), &CauseKind::Shutdown);
    assert!(!started.is_open());
    assert_eq!(dropped.get(), 2);
    block_on_here(rt.drained());
}

/// Whether it runs is the pool's business, which may be the process's: the handle answers.
fn r5_job_on_a_dead_runtime_is_answered<R: Runtime>(env: &Env<R>) {
    let dropped = Count::new();
    env.shut_down();
    let rt = env.runtime();
    let outcome: Outcome<()> = block_on_here(rt.group(async |g| {
        for number in 0..2 {
            let probe = dropped.on_drop();
            let job = move || drop(probe);
            let handle = if number == 0 { g.spawn_blocking(job) } else { g.spawn_cpu(job) };
            if let Err(error) = handle.await {
                assert_shut_down(Err(error));
            }
        }
        Ok(())
    }));
    outcome.unwrap();
    assert_eq!(dropped.get(), 2);
}
