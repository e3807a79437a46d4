//! Jobs that are given up (rule B3).

use std::future::pending;

use anyscope_core::{BoxError, Group, Runtime, TaskContext, TaskHandle, block_on, check_cancelled};

use super::pools::{counted_jobs, run_dry};
use super::{Case, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, Stuck, boom, lost, parked, unique, yield_now};
use crate::queued::Queued;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(b3_queued_job_that_is_given_up_never_runs::<R>),
        case(b3_given_up_job_is_waited_for_by_drained_only::<R>),
        case(b3_failure_of_a_given_up_job_goes_to_the_hook::<R>),
        case(b3_cancellation_of_a_given_up_job_is_no_failure::<R>),
        case(b3_giving_up_a_task_cancels_it::<R>),
        case(b3_given_up_job_that_awaits_takes_nobodys_place::<R>),
    ]
}

fn b3_queued_job_that_is_given_up_never_runs<R: Runtime>(env: &Env<R>) {
    let (ran, gone) = (Count::new(), Count::new());
    env.block_on(async |rt| {
        let rt = Queued::new(rt);
        let outcome: Outcome<()> = rt
            .group(async |g| {
                for job in counted_jobs(&g, &ran, &gone) {
                    job.give_up();
                }
                assert_eq!(gone.get(), 2);
                Ok(())
            })
            .await;
        outcome.unwrap();
        run_dry(rt).await;
    });
    assert_eq!(ran.get(), 0);
}

/// And its value is dropped.
fn b3_given_up_job_is_waited_for_by_drained_only<R: Runtime>(env: &Env<R>) {
    let (job, values) = (Stuck::default(), Count::new());
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (work, value) = (job.job(), values.on_drop());
                let handle = g.spawn_blocking(move || {
                    work();
                    value
                });
                job.running.wait().await;
                assert_eq!(g.live(), 2);
                handle.give_up();
                assert_eq!(g.live(), 1, "the group counts it no longer");
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_eq!((job.ended.get(), values.get()), (0, 0), "the group has not waited");
        job.is_waited_for_by(rt.drained(), &job.running).await;
        assert_eq!(values.get(), 1);
    });
}

fn b3_failure_of_a_given_up_job_goes_to_the_hook<R: Runtime>(env: &Env<R>) {
    let (failure, panic) = (unique("fails-given-up"), unique("panics-given-up"));
    assert!(lost(&failure).is_empty());
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let text = failure.clone();
                give_up_running(|begin| {
                    g.try_spawn_cpu(move || {
                        begin();
                        Err::<(), _>(boom(&text))
                    })
                })
                .await;
                let text = panic.clone();
                give_up_running(|begin| {
                    g.spawn_blocking(move || {
                        begin();
                        panic!("{text}")
                    })
                })
                .await;
                Ok(())
            })
            .await;
        outcome.unwrap();
        rt.drained().await;
    });
    assert_eq!((lost(&failure).len(), lost(&panic).len()), (1, 1));
}

/// It sees that of its old group, and returns it as its error (G4).
fn b3_cancellation_of_a_given_up_job_is_no_failure<R: Runtime>(env: &Env<R>) {
    let (reason, cancelled, seen) = (unique("cancels-given-up"), Gate::new(), Count::new());
    assert!(lost(&reason).is_empty());
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (told, seen) = (cancelled.clone(), seen.clone());
                give_up_running(|begin| {
                    g.try_spawn_blocking(move || {
                        begin();
                        told.wait_blocking();
                        check_cancelled().inspect_err(|_| seen.note())
                    })
                })
                .await;
                g.cancel_because(reason.clone());
                cancelled.open();
                Ok(())
            })
            .await;
        outcome.unwrap();
        rt.drained().await;
    });
    assert_eq!((seen.get(), lost(&reason).len()), (1, 0));
}

/// Gives a job up while it runs, and lets it go on then.
async fn give_up_running<R: Runtime>(
    spawn: impl FnOnce(Box<dyn FnOnce() + Send>) -> TaskHandle<(), R>,
) {
    let (running, finish) = (Gate::new(), Gate::new());
    let (in_job, told) = (running.clone(), finish.clone());
    let job = spawn(Box::new(move || {
        in_job.open();
        told.wait_blocking();
    }));
    running.wait().await;
    job.give_up();
    finish.open();
}

fn b3_giving_up_a_task_cancels_it<R: Runtime>(env: &Env<R>) {
    let (started, dropped) = (Gate::new(), Count::new());
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let task = g.spawn(parked(&started, &dropped));
                started.wait().await;
                task.give_up();
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_eq!(dropped.get(), 1);
    });
}

/// It keeps its own: what it awaits takes no waker from the task that came after it, which a cancellation
/// finds.
fn b3_given_up_job_that_awaits_takes_nobodys_place<R: Runtime>(env: &Env<R>) {
    let (running, given_up, suspended) = (Gate::new(), Gate::new(), Gate::new());
    let (polled, gone, own) = (Gate::new(), Count::new(), Count::new());
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (begun, told, again) = (running.clone(), given_up.clone(), suspended.clone());
                let own = own.clone();
                let job = g.spawn_blocking(move || {
                    let id = TaskContext::current().map(|job| job.id());
                    begun.open();
                    told.wait_blocking();
                    if TaskContext::current().map(|job| job.id()) == id {
                        own.note();
                    }
                    let cut = block_on(async {
                        // Polled again it has been suspended, and has left its waker.
                        yield_now().await;
                        again.open();
                        pending::<()>().await;
                    });
                    assert!(cut.is_err());
                });
                running.wait().await;
                job.give_up();
                let (first, dropped) = (polled.clone(), gone.on_drop());
                g.spawn(async move {
                    let _dropped = dropped;
                    first.open();
                    pending::<Result<(), BoxError>>().await
                });
                polled.wait().await;
                given_up.open();
                suspended.wait().await;
                g.cancel();
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_eq!(gone.get(), 1, "the cancellation has found the task");
        rt.drained().await;
    });
    assert_eq!(own.get(), 1, "the job is still itself");
}
