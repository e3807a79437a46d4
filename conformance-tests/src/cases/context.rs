//! The current task: what it can ask, and that it leaks to nobody (rules X1, X2).

use std::sync::mpsc;
use std::time::Duration;

use anyscope_core::{BoxError, Group, GroupHandle, Runtime, TaskContext, TaskId, check_cancelled};

use super::{Case, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, eventually, never, on_drop, yield_now};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(x1_task_knows_its_id_name_and_group::<R>),
        case(x1_body_and_jobs_have_a_context::<R>),
        case(x1_task_reaches_its_group_by_type::<R>),
        case(x1_runtime_of_the_context_opens_groups::<R>),
        case(x1_cause_and_deadline_can_be_read::<R>),
        case(x1_running_job_sees_the_cause::<R>),
        case(x2_tasks_on_one_thread_see_their_own::<R>),
        case(x2_inner_group_restores_the_outer_context::<R>),
        case(x2_nothing_is_left_after_a_panic::<R>),
        case(x2_context_is_there_in_destructors::<R>),
        case(x2_context_is_there_in_destructors_at_shutdown::<R>).needs_shutdown(),
    ]
}

fn current_id() -> Option<TaskId> {
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
    const HOUR: Duration = Duration::from_secs(3600);
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

fn x2_tasks_on_one_thread_see_their_own<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let ask = async || {
                    let before = current_id();
                    yield_now().await;
                    Ok((before, current_id()))
                };
                let tasks: Vec<_> = (0..50).map(|_| g.spawn(ask())).collect();
                for task in tasks {
                    let id = task.id();
                    assert_eq!(task.await?, (Some(id), Some(id)));
                }
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn x2_inner_group_restores_the_outer_context<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |_| {
                let outer = current_id();
                let inner: Outcome<Option<TaskId>> = rt
                    .group(async |_| {
                        yield_now().await;
                        Ok(current_id())
                    })
                    .await;
                assert_ne!(inner?, outer);
                assert_eq!(current_id(), outer);
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn x2_nothing_is_left_after_a_panic<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let task = rt.spawn_detached(async {
            yield_now().await;
            panic!("leaves no context behind")
        });
        let _: Result<(), _> = task.await;
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let task = g.spawn(async { Ok(current_id()) });
                let id = task.id();
                assert_eq!(task.await?, Some(id));
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert!(TaskContext::current().is_none());
    });
}

/// A value that sends the id of the task in whose context it is dropped.
fn tell_on_drop() -> (impl Send, mpsc::Receiver<Option<TaskId>>) {
    let (sender, receiver) = mpsc::channel();
    (on_drop(move || sender.send(current_id()).unwrap()), receiver)
}

fn x2_context_is_there_in_destructors<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (probe, told) = tell_on_drop();
                let cancelled = g.spawn(async move {
                    let _probe = probe;
                    never::<()>().await
                });
                cancelled.cancel();
                let id = cancelled.id();
                assert!(cancelled.await.unwrap_err().is_cancelled());
                assert_eq!(told.recv().unwrap(), Some(id));

                let (probe, told) = tell_on_drop();
                let ended = g.spawn(async move {
                    let _probe = probe;
                    Ok(())
                });
                let id = ended.id();
                ended.await?;
                assert_eq!(told.recv().unwrap(), Some(id));
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn x2_context_is_there_in_destructors_at_shutdown<R: Runtime>(env: &Env<R>) {
    let (probe, told) = tell_on_drop();
    let (started, polled) = (Gate::new(), Count::new());
    let id = env.block_on(async |rt| {
        let in_task = started.clone();
        let task = rt.spawn_detached(async move {
            let _probe = probe;
            in_task.open();
            never::<()>().await
        });
        eventually(&rt, "the task runs", || started.is_open()).await;
        polled.add();
        task.id()
    });
    env.shut_down();
    assert_eq!(told.recv().unwrap(), Some(id));
}
