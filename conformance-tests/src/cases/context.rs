//! The current task: what body, tasks and jobs can ask (rule X1).

use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyscope_core::{
    BoxError, Group, GroupHandle, GroupId, Runtime, TaskContext, TaskId, check_cancelled,
};

use super::{Case, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, eventually, never, on_drop};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(x1_task_knows_its_id_name_and_group::<R>),
        case(x1_body_and_jobs_have_a_context::<R>),
        case(x1_task_reaches_its_group_by_type::<R>),
        case(x1_runtime_of_the_context_opens_groups::<R>),
        case(x1_cause_and_deadline_can_be_read::<R>),
        case(x1_running_job_sees_the_cause::<R>),
        case(x1_body_task_and_jobs_can_ask_everything::<R>),
        case(x1_earliest_deadline_in_force_is_told::<R>),
        case(x1_task_cancelled_alone_has_its_own_cause::<R>),
        case(x1_context_kept_after_the_end_answers::<R>),
    ]
}

const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn current_id() -> Option<TaskId> {
    TaskContext::current().map(|current| current.id())
}

fn x1_task_knows_its_id_name_and_group<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let named = g.task(async { Ok(TaskContext::current().unwrap()) }).name("n").spawn();
                let (id, context) = (named.id(), named.await?);
                assert_eq!((context.id(), context.name()), (id, Some("n")));
                assert_eq!(context.group_id(), g.id());
                let unnamed = g.spawn(async { Ok(TaskContext::current().unwrap()) });
                let (id, context) = (unnamed.id(), unnamed.await?);
                assert_eq!((context.id(), context.name()), (id, None));
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn x1_body_and_jobs_have_a_context<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let body = TaskContext::current().unwrap();
                assert_eq!((body.name(), body.group_id()), (Some("the body"), g.id()));
                let ask = || TaskContext::current().map(|c| (c.id(), c.group_id()));
                let blocking = g.spawn_blocking(ask);
                let cpu = g.spawn_cpu(ask);
                for job in [blocking, cpu] {
                    let id = job.id();
                    assert_eq!(job.await?, Some((id, g.id())));
                }
                Ok(())
            })
            .name("the body")
            .await;
        outcome.unwrap();
        assert!(TaskContext::current().is_none());
    });
}

fn x1_task_reaches_its_group_by_type<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<u32> = rt
            .group(async |g| {
                let task = g.spawn(async {
                    let context = TaskContext::current().unwrap();
                    assert!(context.group::<anyscope_core::TaskError, R>().is_none());
                    let group: GroupHandle<BoxError, R> = context.group().unwrap();
                    Ok(group.spawn(async { Ok(5) }).await?)
                });
                Ok(task.await?)
            })
            .await;
        assert_eq!(outcome.unwrap(), 5);
    });
}

fn x1_runtime_of_the_context_opens_groups<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<u32> = rt
            .group(async |g| {
                let task = g.spawn(async {
                    let erased = TaskContext::current().unwrap().runtime().unwrap();
                    let inner: Outcome<u32> =
                        erased.group(async |h| Ok(h.spawn(async { Ok(6) }).await?)).await;
                    Ok(inner?)
                });
                Ok(task.await?)
            })
            .await;
        assert_eq!(outcome.unwrap(), 6);
    });
}

fn x1_cause_and_deadline_can_be_read<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let context = g.spawn(async { Ok(TaskContext::current().unwrap()) }).await?;
                assert!(context.cause().is_none());
                let left = context.remaining().unwrap();
                assert!(left > HOUR / 2 && left <= HOUR);
                let waiting = context.cancelled();
                g.cancel_because("seen");
                assert_eq!(waiting.await.to_string(), "requested: seen");
                assert_eq!(context.cause().unwrap().to_string(), "requested: seen");
                assert!(check_cancelled().is_err());
                Ok(())
            })
            .deadline(HOUR)
            .await;
        outcome.unwrap();
    });
}

fn x1_running_job_sees_the_cause<R: Runtime>(env: &Env<R>) {
    let (running, cancelled) = (Gate::new(), Gate::new());
    env.block_on(async |rt| {
        let outcome: Outcome<_> = rt
            .group(async |g| {
                let (running, cancelled) = (running.clone(), cancelled.clone());
                let started = running.clone();
                let told = cancelled.clone();
                let job = g.spawn_blocking(move || {
                    let before = check_cancelled();
                    running.open();
                    cancelled.wait_blocking();
                    (before, check_cancelled())
                });
                started.wait().await;
                g.cancel_because("stop");
                told.open();
                Ok(job)
            })
            .await;
        let (before, after) = outcome.unwrap().await.unwrap();
        assert!(before.is_ok());
        assert_eq!(after.unwrap_err().to_string(), "cancelled: requested: stop");
    });
}

/// What the current task is told. The group's handle and the runtime are tried out.
#[derive(Debug, PartialEq)]
struct Told {
    id: TaskId,
    group: GroupId,
    deadline: Option<Instant>,
}

impl Told {
    fn ask<R: Runtime>(ran: &Count) -> Self {
        let context = TaskContext::current().unwrap();
        let (by_group, by_runtime) = (ran.clone(), ran.clone());
        let group: GroupHandle<BoxError, R> = context.group().unwrap();
        group.spawn(async move { Ok(by_group.add()) });
        drop(context.runtime().unwrap().spawn_detached(async move { by_runtime.add() }));
        assert!(context.cause().is_none() && check_cancelled().is_ok());
        let left = context.remaining().unwrap();
        assert!(left > HOUR / 2 && left <= HOUR);
        Self { id: context.id(), group: context.group_id(), deadline: context.deadline() }
    }
}

fn x1_body_task_and_jobs_can_ask_everything<R: Runtime>(env: &Env<R>) {
    let ran = Count::new();
    env.block_on(async |rt: R| {
        let at = rt.now() + HOUR;
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (in_task, in_job, in_cpu) = (ran.clone(), ran.clone(), ran.clone());
                let asked = [
                    g.spawn(async move { Ok(Told::ask::<R>(&in_task)) }),
                    g.spawn_blocking(move || Told::ask::<R>(&in_job)),
                    g.spawn_cpu(move || Told::ask::<R>(&in_cpu)),
                ];
                let told_to = |id| Told { id, group: g.id(), deadline: Some(at) };
                assert_eq!(Told::ask::<R>(&ran), told_to(current_id().unwrap()));
                for handle in asked {
                    let id = handle.id();
                    assert_eq!(handle.await?, told_to(id));
                }
                Ok(())
            })
            .deadline_at(at)
            .await;
        outcome.unwrap();
        eventually(&rt, "all have run", || ran.get() == 8).await;
    });
}

fn deadline_here() -> Option<Instant> {
    TaskContext::current().unwrap().deadline()
}

fn x1_earliest_deadline_in_force_is_told<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let at = rt.now() + HOUR;
        let inner = async |deadline| {
            let group = rt.group::<BoxError, _>(async |g| {
                let in_task = g.spawn(async { Ok(deadline_here()) }).await?;
                assert_eq!(in_task, deadline_here());
                Ok(in_task)
            });
            group.deadline_at(deadline).await.unwrap()
        };
        let outcome: Outcome<()> = rt
            .group(async |_| {
                assert_eq!(inner(at + HOUR).await, Some(at));
                assert_eq!(inner(at - HOUR / 2).await, Some(at - HOUR / 2));
                assert_eq!(deadline_here(), Some(at));
                Ok(())
            })
            .deadline_at(at)
            .await;
        outcome.unwrap();
        let none: Outcome<Option<Instant>> = rt.group(async |_| Ok(deadline_here())).await;
        assert_eq!(none.unwrap(), None);
        let past = rt.group::<BoxError, _>(async |_| {
            assert_eq!(TaskContext::current().unwrap().remaining(), Some(Duration::ZERO));
            Ok(())
        });
        past.deadline(Duration::ZERO).await.unwrap();
    });
}

fn x1_task_cancelled_alone_has_its_own_cause<R: Runtime>(env: &Env<R>) {
    let (sender, told) = mpsc::channel();
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let started = Gate::new();
                let opener = started.clone();
                let task = g.spawn(async move {
                    let context = TaskContext::current().unwrap();
                    let _tell = on_drop(move || {
                        let here = check_cancelled().map_err(|cancelled| cancelled.to_string());
                        sender
                            .send((here, context.cause().map(|cause| cause.to_string())))
                            .unwrap();
                    });
                    opener.open();
                    never::<()>().await
                });
                started.wait().await;
                task.cancel_because("alone");
                assert!(task.await.unwrap_err().is_cancelled());
                assert!(check_cancelled().is_ok());
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    let (here, cause) = told.recv().unwrap();
    assert_eq!(here.unwrap_err(), "cancelled: requested: alone");
    assert_eq!(cause.as_deref(), Some("requested: alone"));
}

fn x1_context_kept_after_the_end_answers<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<_> = rt
            .group(async |g| {
                let task = g.task(async { Ok(TaskContext::current().unwrap()) }).name("gone");
                Ok((task.spawn().await?, g.id()))
            })
            .await;
        let (context, group) = outcome.unwrap();
        assert_eq!((context.name(), context.group_id()), (Some("gone"), group));
        assert!(context.cause().is_none());
        let handle: GroupHandle<BoxError, R> = context.group().unwrap();
        assert!(handle.spawn(never::<()>()).await.unwrap_err().is_refused());
        assert_eq!(context.runtime().unwrap().spawn_detached(async { 1 }).await.unwrap(), 1);
    });
}
