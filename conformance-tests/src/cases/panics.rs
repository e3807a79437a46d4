//! What a panic of a body, a task or a job means (rules P1, P2, P4).

use std::future::Pending;
use std::panic::panic_any;
use std::sync::Mutex;

use anyscope_core::unhandled::UnhandledKind;
use anyscope_core::{
    BoxError, CauseKind, FailureKind, GroupHandle, PanicPolicy, Payload, Runtime, Supervise,
    TaskContext, TaskHandle, panic_message,
};

use super::{Case, case};
use crate::env::Env;
use crate::probe::{
    Count, Gate, Outcome, assert_alive, boom, caught, eventually, eventually_blocking, holding,
    lost, never, on_drop, parked, unique, yield_now,
};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(p1_panic_of_a_task_is_raised_again_when_all_have_ended::<R>),
        case(p1_panic_of_the_body_is_raised_again_when_all_have_ended::<R>),
        case(p1_panic_of_the_closure_before_its_future_is_raised_again::<R>),
        case(p1_panic_goes_up_through_nested_groups::<R>),
        case(p1_panic_is_told_to_handles_without_its_payload::<R>),
        case(p1_first_panic_wins_and_what_it_displaced_is_reported::<R>),
        case(p2_captured_panic_is_a_failure_like_an_error::<R>),
        case(p2_captured_panic_of_the_body_is_a_failure::<R>),
        case(p2_captured_panic_under_supervise_leaves_the_siblings::<R>),
        case(p4_panic_of_a_job_is_a_value_with_its_payload::<R>),
        case(p4_panic_of_a_job_is_no_failure_of_the_group::<R>),
        case(p4_panic_of_a_job_that_nobody_looked_at_is_reported::<R>),
        case(p4_pools_survive_many_panics::<R>),
    ]
}

/// A payload that is no text.
#[derive(Debug, PartialEq)]
struct Precious(u32);

fn precious(payload: Payload) -> Precious {
    *payload.downcast().expect("the payload itself, not a text")
}

/// Children that end only because of the panic: one is dropped, and a job sees the cancellation and
/// takes its time.
async fn spawn_witnesses<R: Runtime>(g: &GroupHandle<BoxError, R>, ended: &Count) {
    let (started, begun) = (Gate::new(), Gate::new());
    g.spawn(parked(&started, ended));
    let (running, group, ended) = (begun.clone(), g.clone(), ended.clone());
    g.spawn_blocking(move || {
        running.open();
        eventually_blocking("the panic cancels the group", || group.is_cancelled());
        eventually_blocking("the task and the body are gone", || group.live() == 1);
        ended.add();
    });
    started.wait().await;
    begun.wait().await;
}

fn p1_panic_of_a_task_is_raised_again_when_all_have_ended<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let (ended, cause) = (Count::new(), Mutex::new(None));
        let group = rt.group::<BoxError, _>(async |g| {
            spawn_witnesses(&g, &ended).await;
            let _probe = on_drop(|| {
                *cause.lock().unwrap() = TaskContext::current().unwrap().cause();
            });
            g.spawn::<_, ()>(async { panic_any(Precious(1)) });
            never::<()>().await
        });
        let payload = caught(group).await.unwrap_err();
        assert_eq!(precious(payload), Precious(1));
        assert_eq!(ended.get(), 2, "drained before it was raised");
        let cause = cause.lock().unwrap().clone().unwrap();
        assert!(matches!(cause.kind(), CauseKind::SiblingFailed(_)));
        assert_alive(&rt).await;
    });
}

fn p1_panic_of_the_body_is_raised_again_when_all_have_ended<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let ended = Count::new();
        let group = rt.group(async |g| -> Result<(), BoxError> {
            spawn_witnesses(&g, &ended).await;
            panic_any(Precious(2))
        });
        assert_eq!(precious(caught(group).await.unwrap_err()), Precious(2));
        assert_eq!(ended.get(), 2, "drained before it was raised");
    });
}

fn p1_panic_of_the_closure_before_its_future_is_raised_again<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let dropped = Count::new();
        let closure = |g: GroupHandle<BoxError, R>| -> Pending<Result<(), BoxError>> {
            g.spawn(parked(&Gate::new(), &dropped));
            panic_any(Precious(3))
        };
        let payload = caught(rt.group(closure)).await.unwrap_err();
        assert_eq!(precious(payload), Precious(3));
        assert_eq!(dropped.get(), 1);
    });
}

fn p1_panic_goes_up_through_nested_groups<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let ended = Count::new();
        let group = rt.group::<BoxError, _>(async |g| {
            spawn_witnesses(&g, &ended).await;
            g.spawn_group(async |inner| {
                inner.spawn_group(async |innermost| {
                    innermost.spawn::<_, ()>(async { panic_any(Precious(4)) });
                    never::<()>().await
                });
                never::<()>().await
            });
            never::<()>().await
        });
        assert_eq!(precious(caught(group).await.unwrap_err()), Precious(4));
        assert_eq!(ended.get(), 2);
    });
}

fn p1_panic_is_told_to_handles_without_its_payload<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let handle: Mutex<Option<TaskHandle<(), R>>> = Mutex::default();
        let group = rt.group::<BoxError, _>(async |g| {
            let panicking = g.spawn::<_, ()>(async { panic!("expected: p1") });
            *handle.lock().unwrap() = Some(panicking);
            never::<()>().await
        });
        let payload = caught(group).await.unwrap_err();
        assert_eq!(panic_message(&*payload), "expected: p1");
        let mut error = handle.into_inner().unwrap().unwrap().await.unwrap_err();
        assert!(error.is_panic());
        assert_eq!(error.panic_message(), Some("expected: p1"));
        assert!(error.take_panic().is_none());
    });
}

fn p1_first_panic_wins_and_what_it_displaced_is_reported<R: Runtime>(env: &Env<R>) {
    let (failure, second) = (unique("displaced failure"), unique("displaced panic"));
    assert!(lost(&failure).is_empty());
    env.block_on(async |rt: R| {
        let group = rt.group::<BoxError, _>(async |g| {
            let failing = g.task(async { Err::<(), _>(boom("expected")) });
            let failing = failing.name(&*failure).spawn();
            while !failing.is_finished() {
                yield_now().await;
            }
            let (group, text) = (g.clone(), second.clone());
            let polling = Gate::new();
            let begun = polling.clone();
            // It comes to its own panic when the first has long cancelled the group.
            let probe = on_drop(move || {
                assert!(group.is_cancelled());
                panic!("{text}")
            });
            g.spawn(holding(probe, async move {
                begun.open();
                never::<()>().await
            }));
            polling.wait().await;
            g.spawn::<_, ()>(async { panic_any(Precious(6)) });
            never::<()>().await
        });
        let payload = caught(group.policy(Supervise)).await.unwrap_err();
        assert_eq!(precious(payload), Precious(6));
    });
    let (failure, second) = (lost(&failure), lost(&second));
    assert_eq!((failure.len(), second.len()), (1, 1));
    assert_eq!(failure[0].kind, UnhandledKind::Failure);
    assert_eq!(second[0].kind, UnhandledKind::Panic);
}

fn p2_captured_panic_is_a_failure_like_an_error<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let dropped = Count::new();
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let started = Gate::new();
                g.spawn(parked(&started, &dropped));
                started.wait().await;
                g.task::<_, ()>(async { panic_any(Precious(7)) }).name("captured").spawn();
                never().await
            })
            .panics(PanicPolicy::Capture)
            .await;
        assert_eq!(dropped.get(), 1, "the siblings are cancelled");
        let error = outcome.unwrap_err();
        let failures = error.failures().unwrap();
        let first = failures.first().task();
        assert_eq!((failures.len(), first.name()), (1, Some("captured")));
        let cause = CauseKind::SiblingFailed(first.id());
        assert_eq!(error.cause().unwrap().kind(), &cause);
        match error.into_failures().unwrap().into_failures().remove(0).into_kind() {
            FailureKind::Panic(panic) => assert_eq!(precious(panic.into_inner()), Precious(7)),
            other => panic!("not a panic: {other:?}"),
        }
    });
}

fn p2_captured_panic_of_the_body_is_a_failure<R: Runtime>(env: &Env<R>) {
    fn message(outcome: Outcome<()>) -> String {
        let failures = outcome.unwrap_err().into_failures().unwrap();
        assert_eq!(failures.len(), 1);
        failures.first().to_string()
    }
    env.block_on(async |rt: R| {
        let body = rt.group(async |_| panic!("expected: body"));
        let outcome: Outcome<()> = body.panics(PanicPolicy::Capture).await;
        assert!(message(outcome).ends_with("expected: body"));
        let closure = |_| -> Pending<Result<(), BoxError>> { panic!("expected: closure") };
        let outcome = rt.group(closure).panics(PanicPolicy::Capture).await;
        assert!(message(outcome).ends_with("expected: closure"));
    });
}

fn p2_captured_panic_under_supervise_leaves_the_siblings<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let ended = Count::new();
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let panicking = g.spawn::<_, ()>(async { panic!("expected: p2") });
                let ended = ended.clone();
                g.spawn(async move {
                    assert!(panicking.await.unwrap_err().is_panic());
                    yield_now().await;
                    ended.add();
                    Ok(())
                });
                Ok(())
            })
            .policy(Supervise)
            .panics(PanicPolicy::Capture)
            .await;
        let error = outcome.unwrap_err();
        assert!(error.cause().is_none());
        assert_eq!((error.failures().unwrap().len(), ended.get()), (1, 1));
    });
}

/// A panicking job of each kind.
fn spawn_panicking_jobs<R: Runtime>(
    g: &GroupHandle<BoxError, R>,
    number: u32,
) -> Vec<TaskHandle<(), R>> {
    let job = move || panic_any(Precious(number));
    let failing = move || -> Result<(), BoxError> { panic_any(Precious(number)) };
    vec![
        g.spawn_blocking(job),
        g.spawn_cpu(job),
        g.try_spawn_blocking(failing),
        g.try_spawn_cpu(failing),
    ]
}

fn p4_panic_of_a_job_is_a_value_with_its_payload<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                for job in spawn_panicking_jobs(&g, 8) {
                    let mut error = job.await.unwrap_err();
                    assert!(error.is_panic() && !error.is_failed());
                    assert_eq!(precious(error.take_panic().unwrap()), Precious(8));
                    assert!(error.take_panic().is_none(), "once");
                }
                let text = g.spawn_blocking(|| panic!("expected: {}", "p4"));
                let error: Result<(), _> = text.await;
                assert_eq!(error.unwrap_err().panic_message(), Some("expected: p4"));
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn p4_panic_of_a_job_is_no_failure_of_the_group<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<i32> = rt
            .group(async |g| {
                let jobs = spawn_panicking_jobs(&g, 9);
                let sibling = g.spawn(async move {
                    while jobs.iter().any(|job| !job.is_finished()) {
                        yield_now().await;
                    }
                    Ok(7)
                });
                let value = sibling.await?;
                assert!(!g.is_cancelled());
                Ok(value)
            })
            .await;
        assert_eq!(outcome.unwrap(), 7);
    });
}

fn p4_panic_of_a_job_that_nobody_looked_at_is_reported<R: Runtime>(env: &Env<R>) {
    let (early, late, seen) = (unique("early"), unique("late"), unique("seen"));
    assert!(lost(&early).is_empty());
    env.block_on(async |rt: R| {
        let panicking = |text: &str| {
            let text = text.to_owned();
            move || panic!("{text}")
        };
        let outcome: Outcome<TaskHandle<(), R>> = rt
            .group(async |g| {
                drop(g.spawn_blocking::<_, ()>(panicking(&early)));
                let job = g.spawn_blocking::<_, ()>(panicking(&seen));
                assert!(job.await.unwrap_err().is_panic());
                Ok(g.spawn_cpu(panicking(&late)))
            })
            .await;
        let job = outcome.unwrap();
        assert!(lost(&late).is_empty(), "somebody may still look at it");
        drop(job);
        eventually(&rt, "both are reported", || {
            !lost(&early).is_empty() && !lost(&late).is_empty()
        })
        .await;
    });
    let [early, late] = [lost(&early), lost(&late)];
    assert_eq!((early.len(), late.len()), (1, 1));
    assert!([&early[0], &late[0]].iter().all(|lost| lost.kind == UnhandledKind::Panic));
    assert!(lost(&seen).is_empty());
}

fn p4_pools_survive_many_panics<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let jobs: Vec<_> = (0..8).flat_map(|_| spawn_panicking_jobs(&g, 10)).collect();
                for job in jobs {
                    assert!(job.await.is_err());
                }
                // As many as any pool of this machine has threads, all at the same time.
                let jobs: Vec<_> = (0..8).map(|number| g.spawn_cpu(move || number)).collect();
                for (number, job) in jobs.into_iter().enumerate() {
                    assert_eq!(job.await?, number);
                }
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_alive(&rt).await;
    });
}
