//! Protection at its edges: what happens between two steps, or elsewhere than one thinks (rules C3,
//! C4, C5, G19).

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Poll;
use std::time::Duration;

use anyscope_core::{BoxError, Group, GroupHandle, Runtime, Timer, acquire, defer, shield};

use super::{Case, SHORT, case};
use crate::env::Env;
use crate::hooked::Hooked;
use crate::probe::{
    Count, Gate, Outcome, caught, eventually, holding, lost, never, on_drop, parked, poll_once,
    unique, yield_now,
};
use crate::queued::Queued;
use crate::thread;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(c3_period_is_measured_while_the_body_cleans_up::<R>),
        case(d2_deadline_can_be_set_while_the_body_cleans_up::<R>),
        case(c3_period_is_measured_for_a_group_whose_opener_has_ended::<R>),
        case(c3_period_that_ends_while_tasks_are_told_ends_for_all::<R>),
        case(d2_deadline_set_between_two_looks_is_not_missed::<R>),
        case(g19_others_that_end_take_no_background_task_along::<R>),
        case(c5_clean_up_deferred_in_a_callback_is_reported::<R>),
        case(p3_clean_up_deferred_by_a_revoked_job_is_contained::<R>),
        case(c4_task_cancelled_alone_is_told_of_a_shield_that_ends_elsewhere::<R>),
        case(d1_timeout_is_told_of_a_shield_that_ends_elsewhere::<R>),
        case(c5_clean_up_of_an_abandoned_body_may_defer_more::<R>),
        case(c5_release_that_panics_is_not_polled_again::<R>),
    ]
}

/// A group with a grace period whose body has returned and cleans up until its one task has ended.
async fn clean_up_slowly<R: Runtime>(
    rt: &R,
    act: impl FnOnce(&GroupHandle<BoxError, R>) + Send + 'static,
) -> Outcome<()> {
    let (gone, begun) = (Gate::new(), Gate::new());
    let (cleaning, ends) = (Gate::new(), gone.clone());
    rt.group(async move |g: GroupHandle<BoxError, R>| {
        let (started, cleans) = (begun.clone(), cleaning.clone());
        g.spawn(async move {
            let _probe = on_drop(move || ends.open());
            started.open();
            never::<()>().await
        });
        let handle = g.clone();
        g.spawn(async move {
            cleans.wait().await;
            begun.wait().await;
            act(&handle);
            Ok(())
        });
        defer(async move |_| {
            cleaning.open();
            gone.wait().await;
        });
        Ok(())
    })
    .grace(SHORT)
    .await
}

fn c3_period_is_measured_while_the_body_cleans_up<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        clean_up_slowly(&rt, |g| g.cancel()).await.unwrap();
    });
}

fn d2_deadline_can_be_set_while_the_body_cleans_up<R: Runtime>(env: &Env<R>) {
    env.run(async |rt: R| {
        let now = rt.now();
        let outcome = clean_up_slowly(&rt, move |g| g.set_deadline(now)).await;
        assert!(outcome.unwrap_err().is_cancelled());
    });
}

fn c3_period_is_measured_for_a_group_whose_opener_has_ended<R: Runtime>(env: &Env<R>) {
    let (kept, dropped) = (Arc::new(Mutex::new(None)), Count::new());
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (kept, dropped, rt) = (kept.clone(), dropped.clone(), g.runtime());
                g.spawn(async move {
                    let begun = Gate::new();
                    let started = begun.clone();
                    let inner = async move |g: GroupHandle<BoxError, R>| {
                        g.spawn(parked(&started, &dropped));
                        never::<()>().await
                    };
                    let mut group = Box::pin(rt.group(inner).grace(SHORT));
                    assert!(poll_once(group.as_mut()).is_pending());
                    begun.wait().await;
                    *kept.lock().unwrap() = Some(group);
                    Ok(())
                });
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_eq!(dropped.get(), 1);
    });
    drop(kept.lock().unwrap().take());
}

/// The period is ended by one thread while another is telling the tasks.
fn c3_period_that_ends_while_tasks_are_told_ends_for_all<R: Runtime>(env: &Env<R>) {
    const GROUPS: usize = 10;
    let each = env.size(60);
    let dropped = Count::new();
    env.run(async |rt| {
        let begun = Count::new();
        let outcome: Outcome<()> = rt
            .group(async |g| {
                for _ in 0..GROUPS {
                    let (begun, dropped) = (begun.clone(), dropped.clone());
                    g.spawn_group(async move |g: GroupHandle<BoxError, R>| {
                        for _ in 0..each {
                            let (begun, dropped) = (begun.clone(), dropped.clone());
                            g.spawn_group(async move |g: GroupHandle<BoxError, R>| {
                                g.spawn(holding(dropped.on_drop(), async move {
                                    begun.add();
                                    never::<()>().await
                                }));
                                never::<()>().await
                            });
                        }
                        never::<()>().await
                    });
                }
                eventually(&g.runtime(), "all have begun", || begun.get() == GROUPS * each).await;
                let (ends, running) = (g.clone(), Gate::new());
                let watches = running.clone();
                g.spawn_blocking(move || {
                    watches.open();
                    while !ends.is_cancelled() {
                        thread::spin();
                    }
                    ends.cancel_now();
                });
                running.wait().await;
                g.cancel();
                never::<()>().await
            })
            .grace(Duration::from_secs(3600))
            .await;
        assert!(outcome.unwrap_err().is_cancelled());
    });
    assert_eq!(dropped.get(), GROUPS * each);
}

fn d2_deadline_set_between_two_looks_is_not_missed<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let handle = Arc::new(OnceLock::new());
        let sets = handle.clone();
        let hooked = Hooked::new(rt, move || {
            if let Some((g, now)) = sets.get() {
                let g: &GroupHandle<BoxError, Hooked<R>> = g;
                g.set_deadline(*now);
            }
        });
        let outcome: Outcome<()> = hooked
            .group(async |g| {
                g.spawn(never::<()>());
                let now = g.runtime().now();
                handle.get_or_init(|| (g, now));
                Ok(())
            })
            .deadline(Duration::from_secs(3600))
            .await;
        assert!(outcome.unwrap_err().is_cancelled());
    });
}

fn g19_others_that_end_take_no_background_task_along<R: Runtime>(env: &Env<R>) {
    let (dropped, rounds) = (Count::new(), env.size(500));
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let begun = Gate::new();
                g.spawn_background(parked(&begun, &dropped));
                begun.wait().await;
                for _ in 0..rounds {
                    let done = Count::new();
                    for _ in 0..20 {
                        let done = done.clone();
                        g.spawn_background(async move {
                            done.add();
                            Ok(())
                        });
                    }
                    eventually(&g.runtime(), "they end", || done.get() == 20).await;
                }
                assert_eq!(dropped.get(), 0, "the body has not ended");
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(dropped.get(), 1);
}

fn c5_clean_up_deferred_in_a_callback_is_reported<R: Runtime>(env: &Env<R>) {
    let text = unique("deferred in a callback");
    assert!(lost(&text).is_empty());
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (name, what) = (text.clone(), text.clone());
                let late = move |_: Result<&(), &_>| {
                    let bomb = on_drop(move || panic!("{what}"));
                    defer(async move |_| drop(bomb));
                };
                g.task(async { Ok(()) }).name(name).on_done(late).spawn();
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    // That it did not run, and the panic of its destructor.
    assert_eq!(lost(&text).len(), 2, "{:?}", lost(&text));
}

fn p3_clean_up_deferred_by_a_revoked_job_is_contained<R: Runtime>(env: &Env<R>) {
    let text = unique("deferred by a job");
    assert!(lost(&text).is_empty());
    env.run(async |rt| {
        let queued = Queued::new(rt);
        let outcome: Outcome<()> = queued
            .group(async |g| {
                let what = text.clone();
                let probe = on_drop(move || {
                    let what = what.clone();
                    let bomb = on_drop(move || panic!("{what}"));
                    defer(async move |_| drop(bomb));
                });
                g.spawn_blocking(move || drop(probe));
                g.cancel();
                Ok(())
            })
            .await;
        outcome.unwrap();
        queued.drop_jobs();
    });
    assert_eq!(lost(&text).len(), 1, "{:?}", lost(&text));
}

type Shielded = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Begins to poll a shield, gives it away, and waits for ever.
async fn begin_elsewhere(shelf: Arc<Mutex<Option<Shielded>>>, gone: Gate) {
    let mut shielded: Shielded = Box::pin(shield(pending()));
    poll_fn(|cx| {
        assert!(shielded.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    *shelf.lock().unwrap() = Some(shielded);
    gone.open();
    pending().await
}

fn c4_task_cancelled_alone_is_told_of_a_shield_that_ends_elsewhere<R: Runtime>(env: &Env<R>) {
    let shelf = Arc::new(Mutex::new(None));
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let gone = Gate::new();
                let inner = begin_elsewhere(shelf.clone(), gone.clone());
                let task = g.spawn(async move {
                    inner.await;
                    Ok(())
                });
                gone.wait().await;
                task.cancel();
                // Time to be polled, and protected, and suspended again.
                for _ in 0..100 {
                    yield_now().await;
                }
                assert!(!task.is_finished());
                let shielded = shelf.lock().unwrap().take();
                drop(shielded);
                assert!(task.await.unwrap_err().is_cancelled());
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn d1_timeout_is_told_of_a_shield_that_ends_elsewhere<R: Runtime>(env: &Env<R>) {
    let shelf = Arc::new(Mutex::new(None));
    env.run(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (gone, kept, rt) = (Gate::new(), shelf.clone(), g.runtime());
                // The time is up at the first poll.
                let timeout = rt.timeout(Duration::ZERO, begin_elsewhere(kept, gone.clone()));
                let task = g.spawn(async move { Ok(timeout.await.is_err()) });
                gone.wait().await;
                for _ in 0..100 {
                    yield_now().await;
                }
                assert!(!task.is_finished());
                let shielded = shelf.lock().unwrap().take();
                drop(shielded);
                assert!(task.await?);
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn c5_clean_up_of_an_abandoned_body_may_defer_more<R: Runtime>(env: &Env<R>) {
    let ran = Count::new();
    env.run(async |rt| {
        let kept = Arc::new(Mutex::new(None));
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (ran, kept, rt) = (ran.clone(), kept.clone(), g.runtime());
                g.spawn(async move {
                    let mut group = Box::pin(rt.group(async move |_: GroupHandle<BoxError, R>| {
                        defer(async move |_| defer(async move |_| ran.note()));
                        never::<()>().await
                    }));
                    assert!(poll_once(group.as_mut()).is_pending());
                    *kept.lock().unwrap() = Some(group);
                    Ok(())
                });
                Ok(())
            })
            .await;
        outcome.unwrap();
        drop(kept.lock().unwrap().take());
        rt.drained().await;
    });
    assert_eq!(ran.get(), 1);
}

fn c5_release_that_panics_is_not_polled_again<R: Runtime>(env: &Env<R>) {
    let name = unique("released with a panic");
    assert!(lost(&name).is_empty());
    env.run(async |rt| {
        let body = async |_: GroupHandle<BoxError, R>| {
            let open = async { Ok::<_, BoxError>(()) };
            let resource = acquire(open, async |(), _| -> () { panic!("expected") }).await?;
            resource.release().await?;
            Ok(())
        };
        assert!(caught(rt.group(body).name(&*name)).await.is_err());
    });
    assert!(lost(&name).is_empty(), "{:?}", lost(&name));
}
