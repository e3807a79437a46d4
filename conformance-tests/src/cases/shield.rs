//! Shields: what a cancellation does not cut, and for how long (rule C4).

use std::future::{Future, pending, ready};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use anyscope_core::{
    BoxError, GroupError, GroupHandle, Runtime, TaskContext, check_cancelled, in_place, race,
    scope, shield,
};
use futures_util::future::{Either, LocalBoxFuture, join, select};

use super::{Case, case};
use crate::env::Env;
use crate::probe::{
    Count, Gate, Outcome, boom, counted, eventually, never, parked, poll_once, yield_now,
};

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
        case(c4_limit_ends_the_protection::<R>),
        case(c4_limit_without_a_cancellation_changes_nothing::<R>),
        case(c4_nests::<R>),
        case(c4_timeout_waits_for_a_shield_inside_it::<R>),
        case(c4_timeout_inside_a_shield_fires::<R>),
        case(c4_race_waits_for_a_shield_in_a_loser::<R>),
        case(c4_deadline_waits_for_a_shield::<R>),
        case(c4_inside_it_nobody_is_told_by_a_check::<R>),
        case(t1_shielded_task_that_awaits_a_failed_sibling_is_told::<R>),
        case(c4_foreign_code_can_drop_it::<R>),
        case(c4_holds_in_a_local_scope::<R>),
        case(c10_shielded_task_is_not_polled_for_further_cancellations::<R>),
    ]
}

const SHORT: Duration = Duration::from_millis(5);
const LONG: Duration = Duration::from_secs(3600);

/// A shielded wait: tells that it has begun, and counts that it has ended.
#[derive(Clone, Default)]
struct Work {
    begun: Gate,
    finish: Gate,
    done: Count,
}

impl Work {
    fn run(&self) -> impl Future<Output = u32> + Send + use<> {
        let Self { begun, finish, done } = self.clone();
        async move {
            begun.open();
            finish.wait().await;
            done.add();
            7
        }
    }
}

/// Cancels a group around the shielded work, sees that it waits, and lets the work end.
async fn cancel_around<R: Runtime>(rt: &R, work: &Work, g: &GroupHandle<BoxError, R>) {
    work.begun.wait().await;
    g.cancel();
    let gone = Count::new();
    g.spawn(parked(&Gate::new(), &gone));
    eventually(rt, "a task without a shield is refused or dropped", || gone.get() == 1).await;
    assert_eq!(work.done.get(), 0, "nobody has let it end");
    work.finish.open();
}

/// Runs a group whose one task is `task`, and cancels it while the work is under way.
fn cancelled<R: Runtime, F>(
    env: &Env<R>,
    work: &Work,
    task: impl FnOnce(GroupHandle<BoxError, R>) -> F,
) -> GroupError<BoxError>
where
    F: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    env.run(async |rt| {
        let handle = OnceLock::new();
        let group = rt.group(async |g| {
            g.spawn(task(g.clone()));
            handle.get_or_init(|| g);
            never::<()>().await
        });
        let mut group = Box::pin(group);
        let _ = poll_once(group.as_mut());
        let g = handle.get().expect("the body was polled");
        let (outcome, ()) = join(group, cancel_around(&rt, work, g)).await;
        outcome.unwrap_err()
    })
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

fn c4_limit_ends_the_protection<R: Runtime>(env: &Env<R>) {
    let gone = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (started, probe) = (Gate::new(), gone.on_drop());
                let begun = started.clone();
                g.spawn(async move {
                    let _probe = probe;
                    begun.open();
                    shield(pending::<()>()).limit(SHORT).await;
                    Ok(())
                });
                started.wait().await;
                g.cancel();
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(gone.get(), 1);
}

fn c4_limit_without_a_cancellation_changes_nothing<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<u32> = rt
            .group(async |g| {
                let rt = g.runtime();
                let slow = async move {
                    rt.sleep(SHORT * 3).await;
                    7
                };
                Ok(g.spawn(async { Ok(shield(slow).limit(SHORT).await) }).await?)
            })
            .await;
        assert_eq!(outcome.unwrap(), 7);
    });
}

fn c4_nests<R: Runtime>(env: &Env<R>) {
    let (work, done) = (Work::default(), Count::new());
    let (inner, seen) = (work.clone(), done.clone());
    cancelled(env, &work, |g| async move {
        let rt = g.runtime();
        let outer = async {
            inner.run().await;
            shield(yield_now()).await;
            // The inner one has ended, and so has the limit of the next.
            shield(rt.sleep(SHORT * 3)).limit(SHORT).await;
            yield_now().await;
            seen.add();
        };
        shield(outer).await;
        Ok(())
    });
    assert_eq!(done.get(), 1);
}

fn c4_timeout_waits_for_a_shield_inside_it<R: Runtime>(env: &Env<R>) {
    let (work, cut) = (Work::default(), Count::new());
    env.run(async |rt| {
        let (inner, probe) = (work.clone(), cut.on_drop());
        let timeout = rt.timeout(SHORT, async move {
            let _probe = probe;
            shield(inner.run()).await;
            pending::<()>().await
        });
        let let_end = async {
            work.begun.wait().await;
            rt.sleep(SHORT * 4).await;
            assert_eq!(cut.get(), 0, "cut in a shield");
            work.finish.open();
        };
        let (outcome, ()) = join(timeout, let_end).await;
        assert!(outcome.is_err());
    });
    assert_eq!((work.done.get(), cut.get()), (1, 1));
}

fn c4_timeout_inside_a_shield_fires<R: Runtime>(env: &Env<R>) {
    let (work, fired) = (Work::default(), Count::new());
    let (inner, seen) = (work.clone(), fired.clone());
    cancelled(env, &work, |g| async move {
        let rt = g.runtime();
        let protected = async {
            inner.run().await;
            assert!(rt.timeout(SHORT, pending::<()>()).await.is_err());
            seen.add();
        };
        shield(protected).await;
        Ok(())
    });
    assert_eq!(fired.get(), 1);
}

fn c4_race_waits_for_a_shield_in_a_loser<R: Runtime>(env: &Env<R>) {
    let (work, cut) = (Work::default(), Count::new());
    env.run(async |_| {
        let (inner, probe) = (work.clone(), cut.on_drop());
        let loser = async move {
            let _probe = probe;
            shield(inner.run()).await;
            pending().await
        };
        let winner = async {
            work.begun.wait().await;
            7
        };
        let (loser, winner): (LocalBoxFuture<'_, u32>, LocalBoxFuture<'_, u32>) =
            (Box::pin(loser), Box::pin(winner));
        let mut race = race([in_place(loser), in_place(winner)]);
        for _ in 0..3 {
            assert!(poll_once(&mut race).is_pending(), "has not waited for the shield");
        }
        assert_eq!((work.done.get(), cut.get()), (0, 0));
        work.finish.open();
        assert_eq!(race.await, 7);
        assert_eq!((work.done.get(), cut.get()), (1, 1));
    });
}

fn c4_deadline_waits_for_a_shield<R: Runtime>(env: &Env<R>) {
    let (work, cut) = (Work::default(), Count::new());
    env.run(async |rt| {
        let (handle, probe) = (OnceLock::new(), cut.on_drop());
        let mut group = Box::pin(
            rt.group(async |g: GroupHandle<BoxError, R>| {
                handle.get_or_init(|| g);
                let _probe = probe;
                shield(work.run()).await;
                never::<()>().await
            })
            .deadline(SHORT),
        );
        let _ = poll_once(group.as_mut());
        let told = async {
            handle.get().expect("the body was polled").cancelled().await;
            assert_eq!(cut.get(), 0, "cut in a shield");
            work.finish.open();
        };
        let (outcome, ()) = join(group.as_mut(), told).await;
        assert!(outcome.unwrap_err().is_cancelled());
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

fn c4_foreign_code_can_drop_it<R: Runtime>(env: &Env<R>) {
    let gone = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (started, probe) = (Gate::new(), gone.on_drop());
                let begun = started.clone();
                let task = g.spawn(async move {
                    let protected = Box::pin(shield(async move {
                        let _probe = probe;
                        pending::<()>().await;
                    }));
                    let Either::Right(_) = select(protected, Box::pin(yield_now())).await else {
                        panic!("what is pending was ready");
                    };
                    begun.open();
                    never::<()>().await
                });
                started.wait().await;
                assert_eq!(gone.get(), 1);
                task.cancel();
                assert!(task.await.unwrap_err().is_cancelled(), "not protected any more");
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn c4_holds_in_a_local_scope<R: Runtime>(env: &Env<R>) {
    let (work, told, gone) = (Work::default(), Count::new(), Count::new());
    env.run(async |_| {
        let outcome: Outcome<()> = scope(async |s| {
            let fail = &work.begun;
            let sibling = s.spawn(async {
                fail.wait().await;
                Err::<(), _>(boom("first"))
            });
            s.spawn(async {
                let waiting = async {
                    work.run().await;
                    assert!(sibling.await.unwrap_err().is_failed());
                    told.add();
                };
                shield(waiting).await;
                never::<()>().await
            });
            let probe = gone.on_drop();
            s.spawn(async {
                let _probe = probe;
                never::<()>().await
            });
            shield(async {
                while gone.get() == 0 {
                    yield_now().await;
                }
                work.finish.open();
            })
            .await;
            never().await
        })
        .await;
        assert_eq!(outcome.unwrap_err().failures().unwrap().len(), 1);
    });
    assert_eq!((work.done.get(), told.get(), gone.get()), (1, 1, 1));
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
