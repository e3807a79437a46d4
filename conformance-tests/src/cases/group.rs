//! Groups: waiting for what is in them, failing fast, giving the body's value (rules G1, G3, G8, G12).

use std::pin::pin;
use std::rc::Rc;
use std::sync::OnceLock;
use std::task::Poll;
use std::time::Duration;

use anyscope_core::{BoxError, CauseKind, GroupHandle, Runtime, TaskId, shield};

use super::{Case, case};
use crate::env::Env;
use crate::probe::{
    Count, Gate, Outcome, Stuck, boom, eventually, never, on_drop, parked, poll_once, yield_now,
};
use crate::thread;
use crate::waits::Watched;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(g1_waits_for_every_child::<R>),
        case(g1_waits_for_the_destructors_of_its_children::<R>),
        case(g1_waits_for_descendants_of_every_depth::<R>),
        case(g1_waits_however_often_it_is_cancelled::<R>),
        case(g1_waits_for_a_job_after_a_failure::<R>),
        case(g1_body_that_is_cut_short_is_gone_before_it_returns::<R>),
        case(g3_first_failure_cancels_body_and_siblings::<R>),
        case(g3_failure_after_the_body_has_ended_cancels_siblings::<R>),
        case(g3_failure_of_a_job_cancels_body_and_siblings::<R>),
        case(g3_body_runs_no_further_than_where_it_awaits::<R>),
        case(g8_value_is_returned_after_all_children::<R>),
        case(g8_value_is_dropped_where_a_child_fails::<R>),
        case(g12_empty_group_returns_without_suspending::<R>),
        case(g12_empty_groups_nest_without_suspending::<R>),
        case(g12_body_of_a_group_opened_in_a_cancelled_one_is_not_polled::<R>),
    ]
}

fn g1_waits_for_every_child<R: Runtime>(env: &Env<R>) {
    let (gate, ended) = (Gate::new(), Count::new());
    env.block_on(async |rt| {
        let group = rt.group::<BoxError, _>(async |g| {
            for _ in 0..10 {
                let (gate, ended) = (gate.clone(), ended.clone());
                g.spawn(async move {
                    gate.wait().await;
                    ended.add();
                    Ok(())
                });
            }
            Ok(())
        });
        let mut group = pin!(group);
        for _ in 0..10 {
            assert!(poll_once(group.as_mut()).is_pending(), "its tasks wait at the gate");
            yield_now().await;
        }
        gate.open();
        group.await.unwrap();
        assert_eq!(ended.get(), 10);
    });
}

/// The destructor lasts until the group was polled again, so that one that does not wait for it is seen.
fn g1_waits_for_the_destructors_of_its_children<R: Runtime>(env: &Env<R>) {
    let destroyed = Count::new();
    env.block_on(async |rt| {
        for cancel in [false, true] {
            let watched = Watched::default();
            let group = rt.group(async |g| {
                let (began, probe) = (Gate::new(), watched.waits_for(&destroyed));
                let in_task = began.clone();
                g.spawn(async move {
                    let _probe = probe;
                    in_task.open();
                    if cancel { never().await } else { Ok(()) }
                });
                began.wait().await;
                if cancel {
                    g.cancel();
                }
                Ok(())
            });
            let outcome: Outcome<()> = watched.drive(group).await;
            outcome.unwrap();
            assert_eq!(destroyed.get(), 1 + usize::from(cancel));
        }
    });
}

/// Each level leaves its inner group to be waited for by the level above; the deepest starts the job.
fn plant<R: Runtime, J: FnOnce() + Send + 'static>(
    g: &GroupHandle<BoxError, R>,
    depth: usize,
    job: J,
    ended: &Count,
) {
    let (probe, ended) = (ended.on_drop(), ended.clone());
    g.spawn_group(async move |h| {
        let _probe = probe;
        match depth {
            0 => drop(h.spawn_blocking(job)),
            _ => plant(&h, depth - 1, job, &ended),
        }
        Ok(())
    });
}

fn g1_waits_for_descendants_of_every_depth<R: Runtime>(env: &Env<R>) {
    let (job, ended, planted) = (Stuck::default(), Count::new(), Gate::new());
    env.block_on(async |rt: R| {
        let group = rt.group::<BoxError, _>(async |g| {
            plant(&g, 3, job.job(), &ended);
            eventually(&rt, "all bodies have ended", || ended.get() == 4).await;
            planted.open();
            Ok(())
        });
        job.is_waited_for_by(group, &planted).await.unwrap();
    });
}

fn g1_waits_however_often_it_is_cancelled<R: Runtime>(env: &Env<R>) {
    let (job, cancelled) = (Stuck::default(), Gate::new());
    env.block_on(async |rt| {
        let group = rt.group::<BoxError, _>(async |g| {
            job.spawn_into(&g);
            job.running.wait().await;
            let group = g.clone();
            let thread = thread::spawn(move || (0..50).for_each(|_| group.cancel()));
            (0..50).for_each(|n| g.cancel_because(n.to_string()));
            thread.join().unwrap();
            let (group, cancelled) = (g.clone(), cancelled.clone());
            // Dropped with the body, which is about to be cut.
            let _probe = on_drop(move || {
                group.cancel();
                cancelled.open();
            });
            never::<()>().await
        });
        let error = job.is_waited_for_by(group, &cancelled).await.unwrap_err();
        assert!(error.is_cancelled());
    });
}

fn g1_waits_for_a_job_after_a_failure<R: Runtime>(env: &Env<R>) {
    let (job, failed) = (Stuck::default(), Gate::new());
    env.block_on(async |rt| {
        let group = rt.group::<BoxError, _>(async |g| {
            let failed = failed.clone();
            let _probe = on_drop(move || failed.open());
            job.spawn_into(&g);
            job.running.wait().await;
            g.spawn(async { Err::<(), _>(boom("failed")) });
            never::<()>().await
        });
        let error = job.is_waited_for_by(group, &failed).await.unwrap_err();
        assert_eq!(error.failures().unwrap().len(), 1);
    });
}

fn g1_body_that_is_cut_short_is_gone_before_it_returns<R: Runtime>(env: &Env<R>) {
    let dropped = Count::new();
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let _probe = dropped.on_drop();
                g.cancel();
                never().await
            })
            .await;
        assert!(outcome.unwrap_err().is_cancelled());
        assert_eq!(dropped.get(), 1);
    });
}

fn assert_failed_by(error: &anyscope_core::GroupError<BoxError>, task: TaskId, text: &str) {
    assert_eq!(error.cause().unwrap().kind(), &CauseKind::SiblingFailed(task));
    let failures = error.failures().unwrap();
    assert_eq!(failures.len(), 1);
    assert_eq!(failures.first().task().id(), task);
    assert_eq!(failures.first().error().unwrap().to_string(), text);
}

fn g3_first_failure_cancels_body_and_siblings<R: Runtime>(env: &Env<R>) {
    let dropped = Count::new();
    env.block_on(async |rt| {
        let mut failing = None;
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let _probe = dropped.on_drop();
                let began = Gate::new();
                g.spawn(parked(&began, &dropped));
                began.wait().await;
                failing = Some(g.spawn(async { Err::<(), _>(boom("first")) }).id());
                never().await
            })
            .await;
        assert_failed_by(&outcome.unwrap_err(), failing.unwrap(), "first");
        assert_eq!(dropped.get(), 2);
    });
}

fn g3_failure_after_the_body_has_ended_cancels_siblings<R: Runtime>(env: &Env<R>) {
    let (gate, began, dropped) = (Gate::new(), Gate::new(), Count::new());
    env.block_on(async |rt| {
        let mut failing = None;
        let group = rt.group::<BoxError, _>(async |g| {
            g.spawn(parked(&began, &dropped));
            let gate = gate.clone();
            let task = g.spawn(async move {
                gate.wait().await;
                Err::<(), _>(boom("late"))
            });
            failing = Some(task.id());
            Ok(())
        });
        let mut group = Box::pin(group);
        assert!(poll_once(group.as_mut()).is_pending(), "the body has returned, the tasks wait");
        began.wait().await;
        gate.open();
        let error = group.await.unwrap_err();
        assert_failed_by(&error, failing.unwrap(), "late");
        assert_eq!(dropped.get(), 1);
    });
}

fn g3_failure_of_a_job_cancels_body_and_siblings<R: Runtime>(env: &Env<R>) {
    let dropped = Count::new();
    env.block_on(async |rt| {
        let mut failing = None;
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.spawn(parked(&Gate::new(), &dropped));
                failing = Some(g.try_spawn_blocking(|| Err::<(), _>(boom("job"))).id());
                never().await
            })
            .await;
        assert_failed_by(&outcome.unwrap_err(), failing.unwrap(), "job");
        assert_eq!(dropped.get(), 1);
    });
}

/// What it awaits is ready as well when it is polled again.
fn g3_body_runs_no_further_than_where_it_awaits<R: Runtime>(env: &Env<R>) {
    let (fail, go_on, ran_on) = (Gate::new(), Gate::new(), Count::new());
    env.block_on(async |rt: R| {
        let handle = OnceLock::new();
        let group = rt.group::<BoxError, _>(async |g| {
            let g = handle.get_or_init(|| g);
            let fail = fail.clone();
            g.spawn(async move {
                fail.wait().await;
                Err::<(), _>(boom("first"))
            });
            go_on.wait().await;
            ran_on.add();
            Ok(())
        });
        let mut group = Box::pin(group);
        assert!(poll_once(group.as_mut()).is_pending());
        fail.open();
        let handle = handle.get().unwrap();
        eventually(&rt, "the group is cancelled", || handle.is_cancelled()).await;
        go_on.open();
        assert_eq!(group.await.unwrap_err().failures().unwrap().len(), 1);
    });
    assert_eq!(ran_on.get(), 0, "the body was not dropped where it awaits");
}

fn g8_value_is_returned_after_all_children<R: Runtime>(env: &Env<R>) {
    let job = Stuck::default();
    env.block_on(async |rt| {
        // Neither `Send` nor `Clone`.
        let value = Rc::new(7);
        let given = value.clone();
        let group = rt.group::<BoxError, _>(async |g| {
            job.spawn_into(&g);
            Ok(given)
        });
        let given = job.is_waited_for_by(group, &job.running).await.unwrap();
        assert!(Rc::ptr_eq(&value, &given));
    });
}

fn g8_value_is_dropped_where_a_child_fails<R: Runtime>(env: &Env<R>) {
    let (gate, dropped) = (Gate::new(), Count::new());
    env.block_on(async |rt| {
        let group = rt.group::<BoxError, _>(async |g| {
            let gate = gate.clone();
            g.spawn(async move {
                gate.wait().await;
                Err::<(), _>(boom("late"))
            });
            Ok(dropped.on_drop())
        });
        let mut group = Box::pin(group);
        assert!(poll_once(group.as_mut()).is_pending());
        assert_eq!(dropped.get(), 0, "the value is kept while the group drains");
        gate.open();
        let Err(error) = group.await else { panic!("a child has failed") };
        assert_eq!(error.failures().unwrap().len(), 1);
    });
    assert_eq!(dropped.get(), 1);
}

fn g12_empty_group_returns_without_suspending<R: Runtime>(env: &Env<R>) {
    let once = |rt: &R| {
        let value = poll_once(rt.group::<BoxError, _>(async |_| Ok(5)));
        assert!(matches!(value, Poll::Ready(Ok(5))));
        let failed = poll_once(rt.group(async |_| Err::<(), _>(boom("body"))));
        let Poll::Ready(Err(error)) = failed else { panic!("suspended, or succeeded") };
        assert_eq!(error.failures().unwrap().first().error().unwrap().to_string(), "body");
        let far = Duration::from_secs(3600);
        let timed = poll_once(rt.group::<BoxError, _>(async |_| Ok(6)).deadline(far));
        assert!(matches!(timed, Poll::Ready(Ok(6))));
    };
    // Outside the runtime, inside it, and inside a task.
    once(&env.runtime());
    env.block_on(async |rt: R| {
        once(&rt);
        let in_task = rt.clone();
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.spawn(async move {
                    once(&in_task);
                    Ok(())
                });
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn g12_empty_groups_nest_without_suspending<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let group = rt.group::<BoxError, _>(async |_| {
            let inner = rt.group::<BoxError, _>(async |_| {
                Ok(rt.group::<BoxError, _>(async |_| Ok(1)).await? + 1)
            });
            Ok(inner.await? + 1)
        });
        assert!(matches!(poll_once(group), Poll::Ready(Ok(3))));
    });
}

/// But in a shield, where nothing is cancelled (C4).
fn g12_body_of_a_group_opened_in_a_cancelled_one_is_not_polled<R: Runtime>(env: &Env<R>) {
    let (begun, shielded) = (Count::new(), Count::new());
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (begun, shielded, inner) = (begun.clone(), shielded.clone(), rt.clone());
                let h = g.clone();
                g.spawn(async move {
                    let group = |count: &Count| {
                        let count = count.clone();
                        inner.group(async move |_| {
                            count.note();
                            Ok(7)
                        })
                    };
                    h.cancel();
                    shield(async {
                        let value = poll_once(group(&shielded));
                        assert!(matches!(value, Poll::Ready(Ok(7))));
                    })
                    .await;
                    let outcome: Outcome<i32> = group(&begun).await;
                    outcome?;
                    Ok(())
                });
                never().await
            })
            .await;
        assert!(outcome.unwrap_err().is_cancelled());
    });
    assert_eq!((begun.get(), shielded.get()), (0, 1));
}
