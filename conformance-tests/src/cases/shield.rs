//! Shields: what a cancellation does not cut (rule C4).

use std::future::ready;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyscope_core::{BoxError, GroupHandle, Runtime, TaskContext, check_cancelled, shield};
use futures_util::future::join;

use super::{Case, LONG, case};
use crate::env::Env;
use crate::probe::{
    Count, Gate, Outcome, boom, counted, eventually, never, parked, poll_once, yield_now,
};
use crate::shielded::{Work, cancel_around, cancelled};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(c4_shielded_task_ends_by_itself::<R>),
        case(c4_shielded_body_ends_by_itself::<R>),
        case(c4_task_cancelled_alone_is_protected::<R>),
        case(c4_cancellation_takes_effect_at_the_next_suspension::<R>),
        case(c4_covers_groups_and_jobs_opened_inside::<R>),
        case(c4_covers_a_shield_in_a_group_that_its_task_runs_in_place::<R>),
        case(c4_does_not_cover_tasks_spawned_into_outer_groups::<R>),
        case(c4_group_left_open_inside_is_cancelled_after_it::<R>),
        case(c4_group_beside_it_is_cancelled_with_its_task_alone::<R>),
        case(c4_group_beside_it_is_cancelled_with_its_background_task::<R>),
        case(c4_inside_it_nobody_is_told_by_a_check::<R>),
        case(t1_shielded_task_that_awaits_a_failed_sibling_is_told::<R>),
        case(c10_shielded_task_is_not_polled_for_further_cancellations::<R>),
    ]
}

fn c4_shielded_task_ends_by_itself<R: Runtime>(env: &Env<R>) {
    let (work, value, gone) = (Work::default(), Count::new(), Count::new());
    let (inner, seen, probe) = (work.clone(), value.clone(), gone.on_drop());
    let error = cancelled(env, &work, |_| async move {
        let _probe = probe;
        assert_eq!(shield(inner.run()).await, 7);
        seen.add();
        never().await
    });
    assert!(error.is_cancelled());
    assert_eq!((work.done.get(), value.get(), gone.get()), (1, 1, 1));
}

fn c4_shielded_body_ends_by_itself<R: Runtime>(env: &Env<R>) {
    let (work, beyond) = (Work::default(), Count::new());
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (rt, work, h) = (rt.clone(), work.clone(), g.clone());
                let outside = {
                    let work = work.clone();
                    async move { cancel_around(&rt, &work, &h).await }
                };
                join(shield(work.run()), shield(outside)).await;
                yield_now().await;
                beyond.add();
                Ok(())
            })
            .await;
        assert!(outcome.unwrap_err().is_cancelled());
    });
    assert_eq!((work.done.get(), beyond.get()), (1, 0));
}

fn c4_task_cancelled_alone_is_protected<R: Runtime>(env: &Env<R>) {
    let work = Work::default();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let inner = work.clone();
                let task = g.spawn(async move {
                    shield(inner.run()).await;
                    never::<()>().await
                });
                work.begun.wait().await;
                task.cancel();
                for _ in 0..10 {
                    yield_now().await;
                }
                assert!(!task.is_finished());
                work.finish.open();
                assert!(task.await.unwrap_err().is_cancelled());
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(work.done.get(), 1);
}

fn c4_cancellation_takes_effect_at_the_next_suspension<R: Runtime>(env: &Env<R>) {
    let (work, after, beyond) = (Work::default(), Count::new(), Count::new());
    let (inner, ready_still, later) = (work.clone(), after.clone(), beyond.clone());
    cancelled(env, &work, |_| async move {
        shield(inner.run()).await;
        ready(()).await;
        ready_still.add();
        yield_now().await;
        later.add();
        Ok(())
    });
    assert_eq!((after.get(), beyond.get()), (1, 0));
}

fn c4_covers_groups_and_jobs_opened_inside<R: Runtime>(env: &Env<R>) {
    let (work, done) = (Work::default(), Count::new());
    let (inner, seen) = (work.clone(), done.clone());
    cancelled(env, &work, |g| async move {
        let rt = g.runtime();
        let protected = async {
            inner.run().await;
            let group: Outcome<u32> = rt
                .group(async |h| {
                    let job = h.spawn_cpu(|| 2);
                    let below = h.spawn_group(async |i| Ok(i.spawn(async { Ok(1) }).await?));
                    yield_now().await;
                    Ok(below.await? + job.await?)
                })
                .await;
            assert_eq!(group.unwrap(), 3);
            assert_eq!(rt.spawn_blocking(|| 4).await.unwrap(), 4);
            seen.add();
        };
        shield(protected).await;
        Ok(())
    });
    assert_eq!(done.get(), 1);
}

fn c4_covers_a_shield_in_a_group_that_its_task_runs_in_place<R: Runtime>(env: &Env<R>) {
    let work = Work::default();
    let inner = work.clone();
    cancelled(env, &work, |g| async move {
        let outcome: Outcome<()> = g
            .runtime()
            .group(async |_| {
                shield(inner.run()).await;
                never().await
            })
            .await;
        outcome.map_err(Into::into)
    });
    assert_eq!(work.done.get(), 1);
}

fn c4_does_not_cover_tasks_spawned_into_outer_groups<R: Runtime>(env: &Env<R>) {
    let (work, gone) = (Work::default(), Count::new());
    let (inner, dropped) = (work.clone(), gone.clone());
    cancelled(env, &work, |g| async move {
        let protected = async {
            let started = Gate::new();
            g.spawn(parked(&started, &dropped));
            started.wait().await;
            inner.run().await;
            eventually(&g.runtime(), "it is dropped while the shield goes on", || {
                dropped.get() == 1
            })
            .await;
        };
        shield(protected).await;
        Ok(())
    });
    assert_eq!(gone.get(), 1);
}

fn c4_group_left_open_inside_is_cancelled_after_it<R: Runtime>(env: &Env<R>) {
    let (work, checked) = (Work::default(), Count::new());
    let (inner, seen) = (work.clone(), checked.clone());
    cancelled(env, &work, |g| async move {
        let (rt, slot) = (g.runtime(), Arc::new(Mutex::new(None)));
        let handle = slot.clone();
        let mut group = Box::pin(rt.group(async move |h: GroupHandle<BoxError, R>| {
            *handle.lock().unwrap() = Some(h);
            never::<()>().await
        }));
        let inside = async {
            assert!(poll_once(group.as_mut()).is_pending());
            inner.run().await;
            assert!(!slot.lock().unwrap().as_ref().unwrap().is_cancelled(), "covered");
        };
        shield(inside).await;
        assert!(slot.lock().unwrap().as_ref().unwrap().is_cancelled(), "covered no more");
        seen.add();
        Ok(())
    });
    assert_eq!(checked.get(), 1);
}

/// A group that is open beside a shield, which ends when the group's body has been dropped.
async fn with_a_group_beside<R: Runtime>(rt: R, work: Work, begun: Gate) -> Result<(), BoxError> {
    let finish = work.finish.clone();
    let beside = async move {
        let inner: Outcome<()> = rt
            .group(async |_| {
                let _finish = finish.open_on_drop();
                begun.open();
                never().await
            })
            .await;
        assert!(inner.unwrap_err().is_cancelled());
    };
    join(beside, shield(work.run())).await;
    never().await
}

fn c4_group_beside_it_is_cancelled_with_its_task_alone<R: Runtime>(env: &Env<R>) {
    let (work, begun) = (Work::default(), Gate::new());
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let task = g.spawn(with_a_group_beside(rt.clone(), work.clone(), begun.clone()));
                work.begun.wait().await;
                begun.wait().await;
                task.cancel();
                assert!(task.await.unwrap_err().is_cancelled());
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(work.done.get(), 1);
}

fn c4_group_beside_it_is_cancelled_with_its_background_task<R: Runtime>(env: &Env<R>) {
    let (work, begun) = (Work::default(), Gate::new());
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let task = with_a_group_beside(rt.clone(), work.clone(), begun.clone());
                drop(g.spawn_background(task));
                work.begun.wait().await;
                begun.wait().await;
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(work.done.get(), 1);
}

fn c4_inside_it_nobody_is_told_by_a_check<R: Runtime>(env: &Env<R>) {
    let (work, checked) = (Work::default(), Count::new());
    let (inner, seen) = (work.clone(), checked.clone());
    cancelled(env, &work, |_| async move {
        let protected = async {
            inner.run().await;
            assert!(check_cancelled().is_ok());
            assert!(TaskContext::current().unwrap().cause().is_some(), "it can be read");
        };
        shield(protected).await;
        assert!(check_cancelled().is_err());
        seen.add();
        Ok(())
    });
    assert_eq!(checked.get(), 1);
}

fn t1_shielded_task_that_awaits_a_failed_sibling_is_told<R: Runtime>(env: &Env<R>) {
    let told = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let fail = Gate::new();
                let failing = fail.clone();
                let sibling = g.spawn(async move {
                    failing.wait().await;
                    Err::<(), _>(boom("first"))
                });
                let told = told.clone();
                g.spawn(async move {
                    let waiting = async {
                        fail.open();
                        assert!(sibling.await.unwrap_err().is_failed());
                        told.add();
                    };
                    shield(waiting).await;
                    Ok(())
                });
                never().await
            })
            .await;
        assert_eq!(outcome.unwrap_err().failures().unwrap().len(), 1);
    });
    assert_eq!(told.get(), 1);
}

fn c10_shielded_task_is_not_polled_for_further_cancellations<R: Runtime>(env: &Env<R>) {
    let (work, polls) = (Work::default(), Count::new());
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let task = g.spawn(counted(polls.clone(), {
                    let work = work.clone();
                    async move {
                        shield(work.run()).await;
                        never::<()>().await
                    }
                }));
                let (h, rt, work) = (g.clone(), g.runtime(), work.clone());
                let disturb = async move {
                    work.begun.wait().await;
                    for _ in 0..100 {
                        h.cancel();
                        task.cancel();
                        rt.sleep(Duration::ZERO).await;
                        yield_now().await;
                    }
                    work.finish.open();
                };
                shield(disturb).await;
                never().await
            })
            .deadline(LONG)
            .await;
        assert!(outcome.unwrap_err().is_cancelled());
    });
    assert!(polls.get() <= 6, "polled {} times", polls.get());
}
