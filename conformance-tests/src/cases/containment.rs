//! Panics where nobody could deal with them, and failures that go to the hook (rules P2 to P4, C9).

use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use anyscope_core::unhandled::UnhandledKind;
use anyscope_core::{BoxError, FailureKind, PanicPolicy, Runtime, Supervise};

use super::{Case, case};
use crate::env::Env;
use crate::probe::{
    Count, Gate, Outcome, assert_alive, bomb, boom, caught, eventually, lost, never, parked,
    poll_once, unique,
};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(p1_failures_displaced_by_a_panic_go_to_the_hook::<R>),
        case(p2_captured_panic_is_a_failure_with_its_payload::<R>),
        case(p3_destructor_of_a_cancelled_task_is_contained::<R>),
        case(p3_destructor_of_an_output_nobody_takes_is_contained::<R>),
        case(p3_destructor_of_a_job_that_never_ran_is_contained::<R>),
        case(p3_done_callback_is_contained_and_reported::<R>),
        case(p3_waker_of_whoever_awaits_is_contained::<R>),
        case(p4_panic_of_a_job_is_a_value_and_the_pool_survives::<R>),
        case(p4_panic_of_a_job_nobody_awaits_goes_to_the_hook::<R>),
        case(c9_failure_of_a_dropped_group_goes_to_the_hook_once::<R>),
        case(c9_panic_of_a_dropped_group_goes_to_the_hook_once::<R>),
    ]
}

fn p1_failures_displaced_by_a_panic_go_to_the_hook<R: Runtime>(env: &Env<R>) {
    let name = unique("displaced");
    assert!(lost(&name).is_empty());
    env.block_on(async |rt| {
        let group = rt.group::<BoxError, (), _, _>(async |g| {
            let failing = g.task(async { Err::<(), _>(boom("displaced")) }).name(&*name).spawn();
            assert!(failing.await.unwrap_err().is_failed());
            panic!("displaces it")
        });
        let payload = caught(group.policy(Supervise)).await.unwrap_err();
        assert_eq!(anyscope_core::panic_message(&*payload), "displaces it");
    });
    let found = lost(&name);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].kind, UnhandledKind::Failure);
}

fn p2_captured_panic_is_a_failure_with_its_payload<R: Runtime>(env: &Env<R>) {
    let dropped = Count::new();
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.spawn(parked(&Gate::new(), &dropped));
                g.spawn::<_, ()>(async { std::panic::panic_any(42_u8) });
                never().await
            })
            .panics(PanicPolicy::Capture)
            .await;
        let failures = outcome.unwrap_err().into_failures().unwrap().into_failures();
        assert_eq!((failures.len(), dropped.get()), (1, 1));
        match failures.into_iter().next().unwrap().into_kind() {
            FailureKind::Panic(panic) => {
                assert_eq!(panic.into_inner().downcast_ref::<u8>(), Some(&42));
            }
            other => panic!("not a panic: {other:?}"),
        }
    });
}

/// The destructor's panic is the task's, so that the group raises it; the worker goes on.
fn p3_destructor_of_a_cancelled_task_is_contained<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let group = rt.group::<BoxError, (), _, _>(async |g| {
            let started = Gate::new();
            let (in_task, bomb) = (started.clone(), bomb("in a destructor"));
            g.spawn(async move {
                let _bomb = bomb;
                in_task.open();
                never::<()>().await
            });
            started.wait().await;
            g.cancel();
            Ok(())
        });
        let payload = caught(group).await.unwrap_err();
        assert_eq!(anyscope_core::panic_message(&*payload), "in a destructor");
        assert_alive(&rt).await;
    });
}

fn p3_destructor_of_an_output_nobody_takes_is_contained<R: Runtime>(env: &Env<R>) {
    let name = unique("output");
    assert!(lost(&name).is_empty());
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (first, second) = (bomb(&name), bomb(&name));
                drop(g.spawn(async { Ok(first) }));
                drop(g.spawn_blocking(|| second));
                Ok(())
            })
            .await;
        outcome.unwrap();
        eventually(&rt, "both are reported", || lost(&name).len() == 2).await;
        assert_alive(&rt).await;
    });
}

fn p3_destructor_of_a_job_that_never_ran_is_contained<R: Runtime>(env: &Env<R>) {
    let name = unique("closure");
    assert!(lost(&name).is_empty());
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.cancel();
                let bomb = bomb(&name);
                let job = g.spawn_blocking(move || drop(bomb));
                assert!(job.await.unwrap_err().is_refused());
                Ok(())
            })
            .await;
        // Cancelled, the body stays pending at the refused handle until it is cut.
        drop(outcome);
        assert_eq!(lost(&name).len(), 1);
        assert_alive(&rt).await;
    });
}

fn p3_done_callback_is_contained_and_reported<R: Runtime>(env: &Env<R>) {
    let name = unique("callback");
    assert!(lost(&name).is_empty());
    env.block_on(async |rt: R| {
        let outcome: Outcome<i32> = rt
            .group(async |g| {
                let text = name.clone();
                let task = g.task(async { Ok(4) }).on_done(move |_| panic!("{text}")).spawn();
                Ok(task.await?)
            })
            .await;
        assert_eq!(outcome.unwrap(), 4);
        assert_eq!(lost(&name)[0].kind, UnhandledKind::Callback);
        assert_alive(&rt).await;
    });
}

/// Panics when it is woken.
struct BadWaker(String);

impl Wake for BadWaker {
    fn wake(self: Arc<Self>) {
        panic!("{}", self.0)
    }
}

fn p3_waker_of_whoever_awaits_is_contained<R: Runtime>(env: &Env<R>) {
    let name = unique("waker");
    assert!(lost(&name).is_empty());
    let waker = Waker::from(Arc::new(BadWaker(name.clone())));
    env.block_on(async |rt: R| {
        let (gate, ended) = (Gate::new(), Count::new());
        let (in_task, probe) = (gate.clone(), ended.on_drop());
        let mut task = rt.spawn_detached(async move {
            let _probe = probe;
            in_task.wait().await;
        });
        // A native handle would abort the process where its runtime does not expect a panic.
        let polled = std::pin::Pin::new(&mut task).poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        gate.open();
        eventually(&rt, "the task has ended", || ended.get() == 1).await;
        eventually(&rt, "the waker is reported", || !lost(&name).is_empty()).await;
        assert_eq!(lost(&name)[0].kind, UnhandledKind::Waker);
        assert_alive(&rt).await;
    });
}

fn p4_panic_of_a_job_is_a_value_and_the_pool_survives<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let blocking = g.spawn_blocking(|| std::panic::panic_any(1_u8));
                let cpu = g.spawn_cpu(|| std::panic::panic_any(2_u8));
                for (job, payload) in [(blocking, 1), (cpu, 2)] {
                    let mut error = job.await.unwrap_err();
                    assert!(error.is_panic());
                    assert_eq!(error.take_panic().unwrap().downcast_ref::<u8>(), Some(&payload));
                }
                assert!(!g.is_cancelled(), "it is a value, not a failure");
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_alive(&rt).await;
    });
}

fn p4_panic_of_a_job_nobody_awaits_goes_to_the_hook<R: Runtime>(env: &Env<R>) {
    let name = unique("job");
    assert!(lost(&name).is_empty());
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let text = name.clone();
                drop(g.spawn_cpu(move || panic!("{text}")));
                Ok(())
            })
            .await;
        outcome.unwrap();
        eventually(&rt, "it is reported", || lost(&name).len() == 1).await;
    });
}

/// Opens a group whose task fails, and drops its future once that has happened.
fn fail_and_drop<R: Runtime>(env: &Env<R>, name: &str, fails: fn() -> Result<(), BoxError>) {
    assert!(lost(name).is_empty());
    env.block_on(async |rt: R| {
        let (failed, polled) = (Count::new(), Gate::new());
        let group = rt.group::<BoxError, (), _, _>(async |g| {
            let (count, gate) = (failed.clone(), polled.clone());
            let task = g.task(async move {
                gate.wait().await;
                fails()
            });
            task.name(name).on_done(move |_| drop(count.on_drop())).spawn();
            never().await
        });
        // It fails only when nobody polls the group any more.
        let mut group = Box::pin(group.policy(Supervise));
        assert!(poll_once(group.as_mut()).is_pending());
        polled.open();
        eventually(&rt, "the task has failed", || failed.get() == 1).await;
        drop(group);
        rt.drained().await;
    });
    assert_eq!(lost(name).len(), 1, "exactly once");
    assert_eq!(lost(name)[0].name.as_deref(), Some(name));
}

fn c9_failure_of_a_dropped_group_goes_to_the_hook_once<R: Runtime>(env: &Env<R>) {
    fail_and_drop(env, &unique("dropped failure"), || Err(boom("returned to nobody")));
}

fn c9_panic_of_a_dropped_group_goes_to_the_hook_once<R: Runtime>(env: &Env<R>) {
    fail_and_drop(env, &unique("dropped panic"), || panic!("raised to nobody"));
}
