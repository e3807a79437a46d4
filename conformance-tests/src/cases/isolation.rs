//! The context of one task leaks to no other, and is there in destructors (rule X2).

use std::future::poll_fn;
use std::sync::mpsc;

use anyscope_core::{BoxError, Group, NativeHandle, Runtime, TaskContext, TaskId, check_cancelled};

use super::context::current_id;
use super::{Case, case};
use crate::env::Env;
use crate::probe::{
    Count, Gate, Outcome, caught, eventually, never, on_drop, poll_once, yield_now,
};
use crate::queued::Queued;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(x2_tasks_on_one_thread_see_their_own::<R>),
        case(x2_inner_group_restores_the_outer_context::<R>),
        case(x2_code_between_the_tasks_sees_none::<R>),
        case(x2_group_polled_and_dropped_by_hand_leaves_nothing::<R>),
        case(x2_nothing_is_left_after_a_panic::<R>),
        case(x2_panic_of_an_inner_body_restores_the_outer_context::<R>),
        case(x2_context_is_there_in_destructors::<R>),
        case(x2_context_is_there_when_a_queued_job_is_dropped::<R>),
        case(x2_context_is_there_in_destructors_at_shutdown::<R>).needs_shutdown(),
    ]
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

/// Tasks of the runtime that were not started by a group, on the same threads.
fn x2_code_between_the_tasks_sees_none<R: Runtime>(env: &Env<R>) {
    let leaks = Count::new();
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let mut natives = Vec::new();
                for _ in 0..50 {
                    let count = leaks.clone();
                    natives.push(rt.start(async move {
                        for _ in 0..5 {
                            (current_id().is_some() || check_cancelled().is_err())
                                .then(|| count.add());
                            yield_now().await;
                        }
                    }));
                    g.spawn(async {
                        for _ in 0..5 {
                            yield_now().await;
                        }
                        Ok(())
                    });
                }
                for mut native in natives {
                    poll_fn(|cx| native.poll_join(cx)).await.expect("it has run");
                }
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(leaks.get(), 0);
}

/// Gives the id of the body of a group that is polled once and dropped here.
fn poll_and_drop<R: Runtime>(rt: &R) -> Option<TaskId> {
    let (outer, mut body) = (current_id(), None);
    let (probe, told) = tell_on_drop();
    let mut group = Box::pin(rt.group::<BoxError, _>(async |_| {
        let _probe = probe;
        body = current_id();
        never::<()>().await
    }));
    assert!(poll_once(group.as_mut()).is_pending());
    assert_eq!(current_id(), outer);
    drop(group);
    assert_eq!(current_id(), outer);
    assert_eq!(told.recv().unwrap(), body, "its destructor ran in its own context");
    body
}

fn x2_group_polled_and_dropped_by_hand_leaves_nothing<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        assert_eq!(current_id(), None);
        assert!(poll_and_drop(&rt).is_some());
        let outcome: Outcome<()> = rt
            .group(async |g| {
                assert_ne!(poll_and_drop(&rt), current_id());
                let inner = rt.clone();
                g.spawn(async move { Ok(poll_and_drop(&inner)) }).await?;
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn x2_panic_of_an_inner_body_restores_the_outer_context<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |_| {
                let (outer, (probe, told)) = (current_id(), tell_on_drop());
                let mut inner = None;
                let group = rt.group(async |_| -> Result<(), BoxError> {
                    let _probe = probe;
                    inner = current_id();
                    yield_now().await;
                    panic!("expected: of an inner body")
                });
                assert!(caught(group).await.is_err());
                assert_eq!(current_id(), outer);
                assert_eq!(told.recv().unwrap(), inner, "unwinding is in its context too");
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

/// Not that of whoever cancels it.
fn x2_context_is_there_when_a_queued_job_is_dropped<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let rt = Queued::new(rt);
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (probe, told) = tell_on_drop();
                let alone = g.spawn_blocking(move || drop(probe));
                alone.cancel();
                assert_eq!(told.recv().unwrap(), Some(alone.id()));

                let (probe, told) = tell_on_drop();
                let job = g.spawn_cpu(move || drop(probe));
                let body = current_id();
                g.cancel();
                assert_eq!(told.recv().unwrap(), Some(job.id()));
                assert_eq!(current_id(), body);
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
