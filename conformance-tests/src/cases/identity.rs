//! Who a task is: id, name, spawn location, through every way to spawn (rule G17).

use std::collections::BTreeSet;
use std::panic::Location;
use std::sync::{Arc, Mutex};

use anyscope_core::{
    BoxError, Failure, FailureKind, GroupHandle, Runtime, Supervise, TaskContext, TaskId, TaskInfo,
};

use super::{Case, case};
use crate::env::Env;
use crate::probe::{Outcome, boom, never};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(g17_failures_carry_the_line_that_spawned_the_task::<R>),
        case(g17_context_knows_the_line_that_spawned_it::<R>),
        case(g17_group_and_body_carry_the_line_that_opened_them::<R>),
        case(g17_names_are_carried_by_failures_and_context::<R>),
        case(g17_ids_are_those_of_the_handles_and_unique::<R>),
        case(g17_a_group_lists_what_is_alive::<R>),
    ]
}

/// A place in this file.
fn assert_is_line(location: &Location<'_>, line: u32) {
    assert_eq!((location.file(), location.line()), (file!(), line));
}

fn find<E>(failures: &[Failure<E>], id: TaskId) -> &Failure<E> {
    let found: Vec<_> = failures.iter().filter(|one| one.task().id() == id).collect();
    assert_eq!(found.len(), 1, "each task's failure stands there once");
    found[0]
}

async fn fail() -> Result<(), BoxError> {
    Err(boom("expected"))
}

/// Spawns a failing child in each way that there is; gives the id and the line of each.
fn spawn_in_each_way<R: Runtime>(g: &GroupHandle<BoxError, R>) -> Vec<(TaskId, u32)> {
    vec![
        (g.spawn(fail()).id(), line!()),
        (g.try_spawn(fail()).unwrap().id(), line!()),
        (g.task(fail()).spawn().id(), line!()),
        (g.task(fail()).try_spawn().unwrap().id(), line!()),
        (g.spawn_group(async |_| fail().await).id(), line!()),
        (g.try_spawn_blocking(failing_job).id(), line!()),
        (g.try_spawn_cpu(failing_job).id(), line!()),
    ]
}

fn failing_job() -> Result<(), BoxError> {
    Err(boom("expected"))
}

fn g17_failures_carry_the_line_that_spawned_the_task<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let mut spawned = Vec::new();
        let outcome: Outcome<()> = rt
            .group(async |g| {
                spawned = spawn_in_each_way(&g);
                Ok(())
            })
            .policy(Supervise)
            .await;
        let failures = outcome.unwrap_err().into_failures().unwrap().into_failures();
        assert_eq!(failures.len(), spawned.len());
        for (id, line) in spawned {
            assert_is_line(find(&failures, id).task().location(), line);
        }
    });
}

/// Where the current task says that it was spawned.
fn here() -> (TaskId, &'static Location<'static>) {
    let context = TaskContext::current().unwrap();
    (context.id(), context.location())
}

fn g17_context_knows_the_line_that_spawned_it<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let told = |(id, location): (TaskId, _), handle: TaskId, line| {
                    assert_eq!(id, handle);
                    assert_is_line(location, line);
                };
                let task = g.spawn(async { Ok(here()) });
                let (line, id) = (line!() - 1, task.id());
                told(task.await?, id, line);
                let job = g.spawn_blocking(here);
                let (line, id) = (line!() - 1, job.id());
                told(job.await?, id, line);
                let job = g.spawn_cpu(here);
                let (line, id) = (line!() - 1, job.id());
                told(job.await?, id, line);
                let detached = rt.spawn_detached(async { here() });
                let (line, id) = (line!() - 1, detached.id());
                told(detached.await?, id, line);
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn g17_group_and_body_carry_the_line_that_opened_them<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let body: Mutex<Option<TaskId>> = Mutex::default();
        let see = async |_| {
            let (id, location) = here();
            *body.lock().unwrap() = Some(id);
            Err::<(), _>(boom(&location.line().to_string()))
        };
        let (group, line) = (rt.group(see), line!());
        let outcome: Outcome<()> = group.await;
        let error = outcome.unwrap_err();
        let first = error.failures().unwrap().first();
        assert_eq!(Some(first.task().id()), *body.lock().unwrap());
        assert_is_line(first.task().location(), line);
        assert_eq!(first.error().unwrap().to_string(), line.to_string());

        // The body of a spawned group was opened where it was spawned.
        let mut line = 0;
        let outcome: Outcome<()> = rt
            .group(async |g| {
                line = line!() + 1;
                g.spawn_group(async |_| fail().await);
                Ok(())
            })
            .await;
        let outer = outcome.unwrap_err();
        match outer.failures().unwrap().first().kind() {
            FailureKind::Group(inner) => {
                let body = inner.failures().unwrap().first();
                assert_is_line(body.task().location(), line);
            }
            other => panic!("not nested: {other:?}"),
        }
    });
}

fn g17_names_are_carried_by_failures_and_context<R: Runtime>(env: &Env<R>) {
    fn name() -> Option<String> {
        TaskContext::current().unwrap().name().map(str::to_owned)
    }
    env.block_on(async |rt: R| {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let see = || {
                    let seen = seen.clone();
                    async move {
                        seen.lock().unwrap().push(name());
                        fail().await
                    }
                };
                g.task(see()).name("worker").spawn();
                g.task(see()).name(String::from("other")).try_spawn()?;
                g.spawn(see());
                seen.lock().unwrap().push(name());
                fail().await
            })
            .policy(Supervise)
            .name("whole")
            .await;
        let failures = outcome.unwrap_err().into_failures().unwrap();
        let names = failures.iter().map(|one| one.task().name().map(str::to_owned));
        let expected = [None, Some("other"), Some("whole"), Some("worker")];
        let expected: Vec<_> = expected.iter().map(|name| name.map(str::to_owned)).collect();
        let mut names: Vec<_> = names.collect();
        names.sort();
        assert_eq!(names, expected);
        let mut seen = seen.lock().unwrap().clone();
        seen.sort();
        assert_eq!(seen, expected);
        let texts: Vec<_> = failures.iter().map(ToString::to_string).collect();
        assert_eq!(texts.iter().filter(|text| text.contains("'worker'")).count(), 1);
    });
}

fn g17_ids_are_those_of_the_handles_and_unique<R: Runtime>(env: &Env<R>) {
    let pairs = env.size(50);
    env.block_on(async |rt: R| {
        let outcome: Outcome<usize> = rt
            .group(async |g| {
                let mut ids = BTreeSet::new();
                for _ in 0..pairs {
                    let task = g.spawn(async { Ok(here().0) });
                    let job = g.spawn_blocking(|| here().0);
                    let (task_id, job_id) = (task.id(), job.id());
                    assert_eq!((task.await?, job.await?), (task_id, job_id));
                    ids.extend([task_id, job_id]);
                }
                ids.insert(here().0);
                Ok(ids.len())
            })
            .await;
        assert_eq!(outcome.unwrap(), 2 * pairs + 1);
    });
}

fn g17_a_group_lists_what_is_alive<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g: GroupHandle<_, R>| {
                let line = line!() + 1;
                let named = g.task(never::<()>()).name("waits").spawn();
                let over = g.spawn(async { Ok(()) });
                let id = over.id();
                over.await?;
                let body = TaskContext::current().unwrap().id();
                let alive = g.tasks();
                let ids: Vec<_> = alive.iter().map(TaskInfo::id).collect();
                assert_eq!(ids, [body, named.id()], "and not {id}, which has ended");
                assert_eq!((alive[0].name(), alive[1].name()), (Some("lists"), Some("waits")));
                assert_is_line(alive[1].location(), line);
                assert_eq!(alive.len(), g.live());
                g.cancel();
                Ok(())
            })
            .name("lists")
            .await;
        outcome.unwrap();
    });
}
