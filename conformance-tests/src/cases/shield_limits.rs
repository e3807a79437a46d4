//! Shields: their limits, and those who honour them: timeouts, races, deadlines, scopes (rule C4).

use std::future::{pending, poll_fn};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Poll;

use anyscope_core::{BoxError, GroupHandle, Runtime, defer, in_place, race, scope, shield};
use futures_util::future::{Either, LocalBoxFuture, join, select};

use super::{Case, SHORT, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, boom, eventually, never, poll_once, yield_now};
use crate::shielded::{Work, cancelled};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(c4_limit_ends_the_protection::<R>),
        case(c4_limit_without_a_cancellation_changes_nothing::<R>),
        case(c4_nests::<R>),
        case(c4_timeout_waits_for_a_shield_inside_it::<R>),
        case(c4_timeout_inside_a_shield_fires::<R>),
        case(c4_timeout_in_a_clean_up_that_was_left_sees_a_shield_end::<R>),
        case(c5_group_in_a_clean_up_that_was_left_goes_on::<R>),
        case(c4_race_waits_for_a_shield_in_a_loser::<R>),
        case(c4_deadline_waits_for_a_shield::<R>),
        case(c4_foreign_code_can_drop_it::<R>),
        case(c4_holds_in_a_local_scope::<R>),
    ]
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

/// The body was dropped from outside, so that the runtime runs its clean-up; and the shield ends where that
/// is not polled.
fn c4_timeout_in_a_clean_up_that_was_left_sees_a_shield_end<R: Runtime>(env: &Env<R>) {
    let (polls, ended) = (Count::new(), Count::new());
    env.run(async |rt: R| {
        let shielded = Arc::new(Mutex::new(Some(Box::pin(shield(pending::<()>())))));
        let group = rt.group(async |g: GroupHandle<BoxError, R>| {
            let (rt, shielded) = (g.runtime(), shielded.clone());
            let (polls, ended) = (polls.clone(), ended.clone());
            defer(async move |_| {
                let waiting = poll_fn(|cx| {
                    polls.add();
                    let mut shielded = shielded.lock().unwrap();
                    shielded.as_mut().map_or(Poll::Pending, |shielded| shielded.as_mut().poll(cx))
                });
                assert!(rt.timeout(SHORT, waiting).await.is_err());
                ended.add();
            });
            never::<()>().await
        });
        let mut group = Box::pin(group);
        assert!(poll_once(group.as_mut()).is_pending());
        drop(group);
        eventually(&rt, "the time is up", || polls.get() > 1).await;
        let shielded = shielded.lock().unwrap().take();
        drop(shielded);
        eventually(&rt, "the clean-up ends", || ended.get() == 1).await;
    });
}

/// The group's future is dropped while its body's clean-up awaits an inner group: what runs it from then on
/// shields it as well.
fn c5_group_in_a_clean_up_that_was_left_goes_on<R: Runtime>(env: &Env<R>) {
    let (work, ended) = (Work::default(), Count::new());
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |_| {
                let group = rt.group(async |g: GroupHandle<BoxError, R>| {
                    let (rt, work, ended) = (g.runtime(), work.clone(), ended.clone());
                    defer(async move |_| {
                        let inner: Outcome<u32> = rt
                            .group(async move |h| {
                                let task = h.spawn(async move { Ok(work.run().await) });
                                Ok(task.await?)
                            })
                            .await;
                        assert_eq!(inner.unwrap(), 7);
                        ended.add();
                    });
                    Ok(())
                });
                select(Box::pin(group), Box::pin(work.begun.wait())).await;
                yield_now().await;
                work.finish.open();
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!((work.done.get(), ended.get()), (1, 1));
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
