//! Task handles: what awaiting one gives, and to whom (rule T1).

use std::sync::{Arc, Mutex};

use anyscope_core::{
    BoxError, CancelCause, GroupHandle, PanicPolicy, Runtime, Supervise, TaskHandle,
};

use super::{Case, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, block_on_here, boom, never, parked, yield_now};
use crate::thread;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(t1_awaiting_gives_the_value::<R>),
        case(t1_failed_sibling_is_a_value_under_supervise::<R>),
        case(t1_panicked_sibling_is_a_value_where_panics_are_captured::<R>),
        case(t1_cancelled_task_gives_its_cause::<R>),
        case(t1_refused_task_says_why::<R>),
        case(t1_outer_group_sees_the_failure_while_the_inner_one_drains::<R>),
        case(t1_foreign_thread_sees_the_failure_while_the_group_drains::<R>),
        case(t1_body_that_awaits_a_failed_sibling_is_dropped_there::<R>),
        case(t1_task_that_awaits_a_cancelled_sibling_is_dropped_there::<R>),
        case(t1_job_that_awaits_a_failed_sibling_is_told::<R>),
    ]
}

fn t1_awaiting_gives_the_value<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<(i32, String)> = rt
            .group(async |g| {
                let slow = g.spawn(async {
                    yield_now().await;
                    Ok("slow".to_owned())
                });
                let fast = g.spawn(async { Ok(1) });
                Ok((fast.await?, slow.await?))
            })
            .await;
        assert_eq!(outcome.unwrap(), (1, "slow".to_owned()));
    });
}

fn t1_failed_sibling_is_a_value_under_supervise<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let went_on = Count::new();
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let mut failing = g.spawn(async { Err::<(), _>(boom("the failure")) });
                let error = (&mut failing).await.unwrap_err();
                assert!(error.is_failed() && !error.is_cancelled() && !error.is_panic());
                assert_eq!(error.task(), failing.id());
                assert!(error.cause().is_none());
                yield_now().await;
                went_on.add();
                Ok(())
            })
            .policy(Supervise)
            .await;
        assert_eq!(went_on.get(), 1, "awaiting never cancels the one who waits");
        let failures = outcome.unwrap_err().into_failures().unwrap();
        assert_eq!(failures.len(), 1, "and takes nothing from the group's error");
        let error = failures.first().error().unwrap();
        assert_eq!(error.to_string(), "the failure");
    });
}

fn t1_panicked_sibling_is_a_value_where_panics_are_captured<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let panicking = g.spawn::<_, ()>(async { panic!("expected: t1") });
                let mut error = panicking.await.unwrap_err();
                assert!(error.is_panic() && !error.is_failed());
                assert_eq!(error.panic_message(), Some("expected: t1"));
                assert!(error.take_panic().is_none(), "the group has the payload");
                Ok(())
            })
            .policy(Supervise)
            .panics(PanicPolicy::Capture)
            .await;
        assert_eq!(outcome.unwrap_err().failures().unwrap().len(), 1);
    });
}

fn t1_cancelled_task_gives_its_cause<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<i32> = rt
            .group(async |g| {
                let started = Gate::new();
                let task = g.spawn(parked(&started, &Count::new()));
                started.wait().await;
                task.cancel_because("no longer wanted");
                let error = task.await.unwrap_err();
                assert!(error.is_cancelled() && !error.is_failed() && !error.is_refused());
                let cause = CancelCause::because("no longer wanted");
                assert_eq!(error.cause(), Some(&cause));
                Ok(7)
            })
            .await;
        assert_eq!(outcome.unwrap(), 7);
    });
}

fn t1_refused_task_says_why<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let (cancelled, ended) = (Mutex::new(None), Mutex::new(None));
        let outcome: Outcome<()> = rt
            .group(async |g: GroupHandle<_, R>| {
                g.cancel_because("closing");
                *cancelled.lock().unwrap() = Some(g.spawn(async { Ok(()) }));
                Ok(())
            })
            .await;
        outcome.unwrap();
        let outcome: Outcome<GroupHandle<BoxError, R>> = rt.group(async |g| Ok(g)).await;
        *ended.lock().unwrap() = Some(outcome.unwrap().spawn(async { Ok(()) }));

        let error = cancelled.into_inner().unwrap().unwrap().await.unwrap_err();
        assert!(error.is_refused() && !error.is_cancelled());
        assert_eq!(error.cause(), Some(&CancelCause::because("closing")));
        let error = ended.into_inner().unwrap().unwrap().await.unwrap_err();
        assert!(error.is_refused());
        assert_eq!(error.cause(), None);
    });
}

/// Where a case keeps a handle for somebody else.
type Shelf<T, R> = Arc<Mutex<Option<TaskHandle<T, R>>>>;

fn shelf<T: Send + 'static, R: Runtime>() -> Shelf<T, R> {
    Arc::default()
}

/// A group that fails at once, puts the failed task's handle on the shelf, and then drains until
/// `gate` lets its job go.
async fn failing_group<R: Runtime>(rt: R, handle: Shelf<(), R>, shelved: Gate, gate: Gate) {
    let outcome: Outcome<()> = rt
        .group(async |g| {
            let started = Gate::new();
            let (begun, release) = (started.clone(), gate.clone());
            g.spawn_blocking(move || {
                begun.open();
                release.wait_blocking();
            });
            started.wait().await;
            *handle.lock().unwrap() = Some(g.spawn(async { Err(boom("inner")) }));
            shelved.open();
            never().await
        })
        .await;
    assert_eq!(outcome.unwrap_err().failures().unwrap().len(), 1);
}

fn t1_outer_group_sees_the_failure_while_the_inner_one_drains<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (handle, shelved, gate) = (shelf(), Gate::new(), Gate::new());
                let inner =
                    failing_group(g.runtime(), handle.clone(), shelved.clone(), gate.clone());
                let inner = g.spawn(async {
                    inner.await;
                    Ok(())
                });
                shelved.wait().await;
                let failed = handle.lock().unwrap().take().unwrap();
                assert!(failed.await.unwrap_err().is_failed());
                assert!(!inner.is_finished(), "the inner group still drains");
                gate.open();
                Ok(inner.await?)
            })
            .await;
        outcome.unwrap();
    });
}

fn t1_foreign_thread_sees_the_failure_while_the_group_drains<R: Runtime>(env: &Env<R>) {
    let (handle, shelved, gate) = (shelf(), Gate::new(), Gate::new());
    let waiter = {
        let (handle, shelved, gate) = (handle.clone(), shelved.clone(), gate.clone());
        thread::spawn(move || {
            shelved.wait_blocking();
            let failed: TaskHandle<(), R> = handle.lock().unwrap().take().unwrap();
            let error = block_on_here(failed).unwrap_err();
            gate.open();
            error
        })
    };
    env.block_on(|rt| failing_group(rt, handle, shelved, gate));
    assert!(waiter.join().unwrap().is_failed());
}

fn t1_body_that_awaits_a_failed_sibling_is_dropped_there<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let (went_on, dropped) = (Count::new(), Count::new());
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let _probe = dropped.on_drop();
                let failing = g.spawn(async { Err::<(), _>(boom("first")) });
                let error = failing.await.unwrap_err();
                went_on.add();
                Err(boom(&format!("secondary: {error}")))
            })
            .await;
        assert_eq!((went_on.get(), dropped.get()), (0, 1));
        let failures = outcome.unwrap_err().into_failures().unwrap();
        assert_eq!(failures.len(), 1);
        assert_eq!(failures.first().error().unwrap().to_string(), "first");
    });
}

fn t1_task_that_awaits_a_cancelled_sibling_is_dropped_there<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let (went_on, dropped) = (Count::new(), Count::new());
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let started = Gate::new();
                let waited_for = g.spawn(parked(&started, &dropped));
                let (went_on, probe) = (went_on.clone(), dropped.on_drop());
                g.spawn(async move {
                    let _probe = probe;
                    let error = waited_for.await.unwrap_err();
                    went_on.add();
                    Err::<(), _>(boom(&format!("secondary: {error}")))
                });
                started.wait().await;
                yield_now().await;
                g.cancel();
                Ok(())
            })
            .await;
        assert_eq!((went_on.get(), dropped.get()), (0, 2));
        outcome.unwrap();
    });
}

fn t1_job_that_awaits_a_failed_sibling_is_told<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let told = Arc::new(Mutex::new(None));
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (begun, fail) = (Gate::new(), Gate::new());
                let failing = {
                    let fail = fail.clone();
                    g.spawn(async move {
                        fail.wait().await;
                        Err::<(), _>(boom("first"))
                    })
                };
                let (started, told) = (begun.clone(), told.clone());
                g.spawn_blocking(move || {
                    started.open();
                    *told.lock().unwrap() = block_on_here(failing).err();
                });
                begun.wait().await;
                fail.open();
                never().await
            })
            .await;
        assert_eq!(outcome.unwrap_err().failures().unwrap().len(), 1);
        assert!(told.lock().unwrap().as_ref().unwrap().is_failed());
    });
}
