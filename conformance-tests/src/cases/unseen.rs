//! Failed tasks that nobody looked at: in a group there are none (rules G4, C9).

use std::error::Error;
use std::future::ready;
use std::sync::{Arc, Mutex};

use anyscope_core::unhandled::UnhandledKind;
use anyscope_core::{
    BoxError, Group, GroupHandle, Runtime, Supervise, TaskError, TaskId, WaitFor, wait,
};

use super::{Case, case};
use crate::env::Env;
use crate::held::Held;
use crate::probe::{Count, Gate, Outcome, assert_alive, boom, eventually, lost, unique, yield_now};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(g4_failed_task_is_in_the_error_whatever_became_of_its_handle::<R>),
        case(g1_output_that_is_not_stored_yet_is_waited_for::<R>),
        case(c9_report_of_a_detached_task_comes_before_drained::<R>),
        case(c9_detached_failure_is_reported_unless_its_handle_is_awaited::<R>),
        case(c9_failure_that_was_waited_for_and_not_taken_is_reported::<R>),
    ]
}

/// Tasks as their callbacks saw them fail, against the error of their group.
fn g4_failed_task_is_in_the_error_whatever_became_of_its_handle<R: Runtime>(env: &Env<R>) {
    env.run(async |rt: R| {
        for round in env.rounds(200) {
            let failed = Arc::default();
            let group = rt.group(async |g| {
                spawn_and_look_away(&g, &mut fastrand::Rng::with_seed(round as u64), &failed);
                Ok(())
            });
            let outcome = match round % 2 {
                0 => group.await,
                _ => group.policy(Supervise).await,
            };
            let error = outcome.err();
            let leaves = error.iter().flat_map(|error| error.leaves());
            let mut told: Vec<_> = leaves.map(|leaf| leaf.task().id()).collect();
            let mut failed = failed.lock().unwrap().clone();
            told.sort();
            failed.sort();
            assert_eq!(told, failed, "round {round}");
            assert!(round % 2 == 0 || !failed.is_empty(), "the last one fails");
        }
    });
}

fn spawn_and_look_away<R: Runtime>(
    g: &GroupHandle<BoxError, R>,
    rng: &mut fastrand::Rng,
    failed: &Arc<Mutex<Vec<TaskId>>>,
) {
    for n in 0..8 {
        let (fails, delay, failed) = (n == 7 || rng.bool(), rng.u8(..4), failed.clone());
        let task = g.task(async move {
            for _ in 0..delay {
                yield_now().await;
            }
            if fails { Err(boom("nobody looks")) } else { Ok(()) }
        });
        let task = task.on_done(move |outcome| {
            let error = outcome.err().filter(|error| error.is_failed());
            failed.lock().unwrap().extend(error.map(TaskError::task));
        });
        let handle = task.spawn();
        match rng.u8(..3) {
            0 => drop(handle),
            1 => std::mem::forget(handle),
            _ => drop(g.spawn(async {
                drop(handle.await);
                Ok(())
            })),
        }
    }
}

/// Nobody looks at it: the handle is dropped before the end, or after it.
fn c9_detached_failure_is_reported_unless_its_handle_is_awaited<R: Runtime>(env: &Env<R>) {
    let [seen, before, after] = ["seen", "before", "after"].map(unique);
    assert!(lost(&seen).is_empty());
    env.block_on(async |rt: R| {
        let fail = |text: &str| rt.try_spawn_detached(ready(Err::<(), _>(boom(text))));
        let mut error = fail(&seen).await.unwrap_err();
        assert!(error.is_failed() && error.to_string().ends_with(&seen), "{error}");
        assert_eq!(error.source().unwrap().to_string(), seen);
        assert_eq!(error.take_error().unwrap().to_string(), seen);
        assert!(error.source().is_none() && error.take_error().is_none());

        let (gate, text) = (Gate::new(), before.clone());
        let open = gate.clone();
        drop(rt.try_spawn_detached(async move {
            open.wait().await;
            Err::<(), _>(boom(&text))
        }));
        gate.open();
        eventually(&rt, "it is reported", || !lost(&before).is_empty()).await;

        let ended = fail(&after);
        eventually(&rt, "it has ended", || ended.is_finished()).await;
        drop(ended);
        eventually(&rt, "it is reported", || !lost(&after).is_empty()).await;
        let ok = rt.try_spawn_detached(async { Ok::<_, BoxError>(7) });
        assert_eq!(ok.await.unwrap(), 7);
        assert_alive(&rt).await;
    });
    assert!(lost(&seen).is_empty());
    for text in [before, after] {
        let lost = lost(&text);
        assert_eq!(lost.len(), 1, "{lost:?}");
        assert_eq!(lost[0].kind, UnhandledKind::Failure);
    }
}

fn c9_failure_that_was_waited_for_and_not_taken_is_reported<R: Runtime>(env: &Env<R>) {
    let (failure, panic) = (unique("failure"), unique("panic"));
    assert!(lost(&failure).is_empty());
    env.block_on(async |rt: R| {
        let error = boom(&failure);
        let failing = rt.try_spawn_detached(async { Err::<(), _>(error) });
        drop(wait([failing], WaitFor::All).await);
        let text = panic.clone();
        let panicking = rt.spawn_blocking(move || panic!("{text}"));
        drop(wait([panicking], WaitFor::All).await);
    });
    assert_eq!([lost(&failure).len(), lost(&panic).len()], [1, 1]);
}

fn g1_output_that_is_not_stored_yet_is_waited_for<R: Runtime>(env: &Env<R>) {
    let (gate, dropped) = (Gate::new(), Count::new());
    env.run(async |rt: R| {
        let late = Held::of_outputs(rt.clone(), &gate);
        let outcome: Outcome<()> = late
            .group(async |g| {
                let probe = dropped.on_drop();
                let task = g.spawn(async move { Ok(probe) });
                eventually(&rt, "it has ended", || task.is_finished()).await;
                drop(task);
                assert_eq!(dropped.get(), 0);
                open_soon(&rt, &gate);
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_eq!(dropped.get(), 1);
    });
}

fn c9_report_of_a_detached_task_comes_before_drained<R: Runtime>(env: &Env<R>) {
    let (gate, text) = (Gate::new(), unique("a detached task"));
    assert!(lost(&text).is_empty());
    env.block_on(async |rt: R| {
        let (late, error) = (Held::of_outputs(rt.clone(), &gate), boom(&text));
        let task = late.try_spawn_detached(async move { Err::<(), _>(error) });
        eventually(&rt, "it has ended", || task.is_finished()).await;
        drop(task);
        open_soon(&rt, &gate);
        rt.drained().await;
        assert_eq!(lost(&text).len(), 1);
    });
}

/// By a task that nobody waits for.
fn open_soon<R: Runtime>(rt: &R, gate: &Gate) {
    let gate = gate.clone();
    drop(rt.start(async move {
        for _ in 0..20 {
            yield_now().await;
        }
        gate.open();
    }));
}
