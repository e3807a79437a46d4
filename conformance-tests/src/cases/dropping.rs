//! Groups whose future is dropped, or kept where nobody polls it (rule G2).

use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use anyscope_core::unhandled::UnhandledKind;
use anyscope_core::{BoxError, CauseKind, Group, GroupHandle, Runtime};
use futures_util::future::{join, select};

use super::{Case, case};
use crate::env::Env;
use crate::held::Held;
use crate::probe::{
    Count, Gate, Outcome, Stuck, boom, eventually, lost, never, on_drop, poll_once, unique,
};
use crate::thread;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(g2_dropped_before_the_first_poll_does_nothing::<R>),
        case(g2_dropped_in_a_select_is_waited_for_by_the_outer_group::<R>),
        case(g2_dropped_by_a_timeout_is_waited_for_by_the_outer_group::<R>),
        case(g2_dropped_with_a_cancelled_task_is_waited_for_by_the_outer_group::<R>),
        case(g2_dropped_with_a_cancelled_body_is_waited_for_by_the_outer_group::<R>),
        case(g2_dropped_in_a_destructor_is_waited_for_by_the_outer_group::<R>),
        case(g2_dropped_in_another_thread_is_waited_for_by_the_outer_group::<R>),
        case(g2_dropped_with_the_group_around_it_is_waited_for_by_the_outermost::<R>),
        case(g2_dropped_while_draining_is_waited_for_by_the_outer_group::<R>),
        case(g2_dropped_with_tasks_never_polled_is_waited_for_by_the_outer_group::<R>),
        case(g2_drop_does_not_block::<R>),
        case(g2_parent_is_fixed_at_the_first_poll::<R>),
        case(g2_parent_stays_where_it_was_first_polled::<R>),
        case(g2_kept_elsewhere_ends_with_the_task_that_opened_it::<R>),
        case(g2_polled_elsewhere_ends_with_the_task_that_opened_it::<R>),
        case(g2_kept_elsewhere_is_waited_for_without_being_polled::<R>),
        case(g2_failures_of_a_dropped_group_go_to_the_hook_once::<R>),
    ]
}

/// What a dropped group leaves: tasks, some of them two groups below, and a job.
#[derive(Default)]
struct Rest {
    job: Stuck,
    /// Opened by the body when all of it has begun.
    begun: Gate,
    gone: Count,
}

impl Rest {
    const TASKS: usize = 12;

    /// The group, whose body never ends; or ends once all of it has begun.
    fn group<R: Runtime>(
        &self,
        rt: &R,
        body_ends: bool,
    ) -> impl Future<Output = Outcome<()>> + Send + use<R> {
        let (job, running) = (self.job.job(), self.job.running.clone());
        let (begun, gone) = (self.begun.clone(), self.gone.clone());
        rt.group(async move |g: GroupHandle<BoxError, R>| {
            let tasks = Count::new();
            drop(g.spawn_blocking(job));
            Self::plant(&g, 2, &tasks, &gone);
            running.wait().await;
            let rt = g.runtime();
            eventually(&rt, "all tasks have begun", || tasks.get() == Self::TASKS).await;
            begun.open();
            if body_ends { Ok(()) } else { never().await }
        })
    }

    /// Some tasks here, and as many in a group below, and so on.
    fn plant<R: Runtime>(g: &GroupHandle<BoxError, R>, depth: usize, began: &Count, gone: &Count) {
        for _ in 0..Self::TASKS / 3 {
            let (began, probe) = (began.clone(), gone.on_drop());
            g.spawn(async move {
                let _probe = probe;
                began.add();
                never::<()>().await
            });
        }
        if depth > 0 {
            let (began, gone) = (began.clone(), gone.clone());
            g.spawn_group(async move |h| {
                Self::plant(&h, depth - 1, &began, &gone);
                Ok(())
            });
        }
    }

    /// Polls the group until all of it has begun, and drops it.
    async fn open_and_drop<F: Future>(&self, group: F) {
        let (group, begun) = (pin!(group), pin!(self.begun.wait()));
        select(group, begun).await;
        assert!(self.begun.is_open(), "the group has returned");
    }

    /// Runs `form` in the body of a group and sees that this waits for what `form` has dropped.
    fn waited_for<R: Runtime>(
        env: &Env<R>,
        form: impl AsyncFnOnce(&R, &GroupHandle<BoxError, R>, &Rest),
    ) -> Outcome<()> {
        let (rest, dropped) = (Self::default(), Gate::new());
        env.block_on(async |rt: R| {
            let outer = rt.group(async |g| {
                let dropped = dropped.clone();
                let _at_the_end = on_drop(move || dropped.open());
                form(&rt, &g, &rest).await;
                assert_eq!(rest.job.ended.get(), 0, "the drop has waited for the job");
                Ok(())
            });
            let outcome = rest.job.is_waited_for_by(outer, &dropped).await;
            assert_eq!(rest.gone.get(), Self::TASKS, "some task has not ended");
            outcome
        })
    }
}

fn g2_dropped_before_the_first_poll_does_nothing<R: Runtime>(env: &Env<R>) {
    let (called, gone) = (Count::new(), Count::new());
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let probe = gone.on_drop();
                drop(rt.group::<BoxError, _>(async |_| {
                    let _probe = probe;
                    called.add();
                    Ok(())
                }));
                assert_eq!((gone.get(), g.live()), (1, 1));
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(called.get(), 0);
}

fn g2_dropped_in_a_select_is_waited_for_by_the_outer_group<R: Runtime>(env: &Env<R>) {
    let outcome = Rest::waited_for(env, async |rt, _, rest| {
        rest.open_and_drop(rest.group(rt, false)).await;
    });
    outcome.unwrap();
}

/// The time is up as soon as all has begun.
fn g2_dropped_by_a_timeout_is_waited_for_by_the_outer_group<R: Runtime>(env: &Env<R>) {
    let outcome = Rest::waited_for(env, async |rt, _, rest| {
        let mut group = Box::pin(rest.group(rt, false));
        select(group.as_mut(), pin!(rest.begun.wait())).await;
        assert!(rt.timeout(Duration::ZERO, group).await.is_err());
    });
    outcome.unwrap();
}

fn g2_dropped_with_a_cancelled_task_is_waited_for_by_the_outer_group<R: Runtime>(env: &Env<R>) {
    let outcome = Rest::waited_for(env, async |rt, g, rest| {
        let inner = rest.group(rt, false);
        let task = g.spawn(async { Ok(inner.await?) });
        rest.begun.wait().await;
        task.cancel();
    });
    outcome.unwrap();
}

fn g2_dropped_with_a_cancelled_body_is_waited_for_by_the_outer_group<R: Runtime>(env: &Env<R>) {
    let outcome = Rest::waited_for(env, async |rt, g, rest| {
        let cancel = async {
            rest.begun.wait().await;
            g.cancel();
            pending::<()>().await;
        };
        let _ = join(rest.group(rt, false), cancel).await;
    });
    assert!(outcome.unwrap_err().is_cancelled());
}

fn g2_dropped_in_a_destructor_is_waited_for_by_the_outer_group<R: Runtime>(env: &Env<R>) {
    let outcome = Rest::waited_for(env, async |rt, g, rest| {
        let (inner, begun) = (rest.group(rt, false), rest.begun.clone());
        let task = g.spawn(async move {
            let mut inner = Some(Box::pin(inner));
            select(inner.as_mut().unwrap().as_mut(), pin!(begun.wait())).await;
            let _dropper = on_drop(move || drop(inner.take()));
            never::<()>().await
        });
        rest.begun.wait().await;
        task.cancel();
    });
    outcome.unwrap();
}

fn g2_dropped_in_another_thread_is_waited_for_by_the_outer_group<R: Runtime>(env: &Env<R>) {
    let outcome = Rest::waited_for(env, async |rt, _, rest| {
        let mut inner = Box::pin(rest.group(rt, false));
        select(inner.as_mut(), pin!(rest.begun.wait())).await;
        thread::spawn(move || drop(inner)).join().unwrap();
    });
    outcome.unwrap();
}

fn g2_dropped_with_the_group_around_it_is_waited_for_by_the_outermost<R: Runtime>(env: &Env<R>) {
    let outcome = Rest::waited_for(env, async |rt, _, rest| {
        let middle = rt.group::<BoxError, _>(async |_| Ok(rest.group(rt, false).await?));
        rest.open_and_drop(middle).await;
    });
    outcome.unwrap();
}

fn g2_dropped_while_draining_is_waited_for_by_the_outer_group<R: Runtime>(env: &Env<R>) {
    let outcome = Rest::waited_for(env, async |rt, _, rest| {
        rest.open_and_drop(rest.group(rt, true)).await;
    });
    outcome.unwrap();
}

/// On a runtime that starts nothing before the group is dropped.
fn g2_dropped_with_tasks_never_polled_is_waited_for_by_the_outer_group<R: Runtime>(env: &Env<R>) {
    let (start, polled, dropped) = (Gate::new(), Count::new(), Count::new());
    env.block_on(async |rt: R| {
        let held = Held::new(rt.clone(), &start);
        let outer = rt.group::<BoxError, _>(async |_| {
            let inner = held.group::<BoxError, _>(async |g| {
                for _ in 0..10 {
                    let (polled, probe) = (polled.clone(), dropped.on_drop());
                    g.spawn(async move {
                        let _probe = probe;
                        polled.add();
                        Ok(())
                    });
                }
                never::<()>().await
            });
            let mut inner = Box::pin(inner);
            assert!(poll_once(inner.as_mut()).is_pending());
            drop(inner);
            Ok(())
        });
        let mut outer = Box::pin(outer);
        assert!(poll_once(outer.as_mut()).is_pending(), "has not waited for what has not begun");
        start.open();
        outer.await.unwrap();
    });
    assert_eq!((polled.get(), dropped.get()), (0, 10));
}

fn g2_drop_does_not_block<R: Runtime>(env: &Env<R>) {
    let (job, dropped) = (Stuck::default(), Gate::new());
    env.block_on(async |rt: R| {
        let outer = rt.group::<BoxError, _>(async |_| {
            let mut inner = Box::pin(rt.group::<BoxError, _>(async |g| {
                job.spawn_into(&g);
                never::<()>().await
            }));
            select(inner.as_mut(), pin!(job.running.wait())).await;
            drop(inner);
            assert_eq!(job.ended.get(), 0, "it has waited for the job");
            dropped.open();
            Ok(())
        });
        job.is_waited_for_by(outer, &dropped).await.unwrap();
    });
}

/// Made in one group and first polled in another: the second is the one that waits.
fn g2_parent_is_fixed_at_the_first_poll<R: Runtime>(env: &Env<R>) {
    let outcome = Rest::waited_for(env, async |rt, g, rest| {
        let (inner, dropped) = (rest.group(rt, false), Gate::new());
        let second = rt.group::<BoxError, _>(async |_| {
            rest.open_and_drop(inner).await;
            assert_eq!(g.live(), 2, "the body, and the second group");
            dropped.open();
            Ok(())
        });
        let mut second = Box::pin(second);
        select(second.as_mut(), pin!(dropped.wait())).await;
        assert!(poll_once(second.as_mut()).is_pending(), "has not waited for it");
    });
    outcome.unwrap();
}

/// First polled in one group and dropped in another: the first is the one that waits.
fn g2_parent_stays_where_it_was_first_polled<R: Runtime>(env: &Env<R>) {
    let outcome = Rest::waited_for(env, async |rt, _, rest| {
        let mut inner = Box::pin(rest.group(rt, false));
        select(inner.as_mut(), pin!(rest.begun.wait())).await;
        let second: Outcome<()> = rt
            .group(async |_| {
                drop(inner);
                Ok(())
            })
            .await;
        second.unwrap();
    });
    outcome.unwrap();
}

/// A group's future where nobody polls it.
type Kept = Arc<Mutex<Option<Pin<Box<dyn Future<Output = Outcome<()>> + Send>>>>>;

/// A task that polls the group until all of it has begun, keeps it in `kept`, and ends.
async fn open_and_keep<R: Runtime>(rt: &R, g: &GroupHandle<BoxError, R>, rest: &Rest, kept: &Kept) {
    let (inner, begun, kept) = (rest.group(rt, false), rest.begun.clone(), kept.clone());
    let task = g.spawn(async move {
        let mut inner = Box::pin(inner);
        select(inner.as_mut(), pin!(begun.wait())).await;
        *kept.lock().unwrap() = Some(inner);
        Ok(())
    });
    task.await.unwrap();
}

fn g2_kept_elsewhere_ends_with_the_task_that_opened_it<R: Runtime>(env: &Env<R>) {
    let kept = Kept::default();
    let outcome = Rest::waited_for(env, async |rt, g, rest| {
        open_and_keep(rt, g, rest, &kept).await;
        let inner = kept.lock().unwrap().take().unwrap();
        let error = inner.await.unwrap_err();
        assert_eq!(error.cause().unwrap().root().kind(), &CauseKind::Dropped);
    });
    outcome.unwrap();
}

/// Its body has returned, so that whoever polls it waits for its tasks alone.
fn g2_polled_elsewhere_ends_with_the_task_that_opened_it<R: Runtime>(env: &Env<R>) {
    let (kept, moved, polled) = (Kept::default(), Gate::new(), Gate::new());
    let outcome = Rest::waited_for(env, async |rt, g, rest| {
        let (inner, begun) = (rest.group(rt, true), rest.begun.clone());
        let (put, has_moved, until) = (kept.clone(), moved.clone(), polled.clone());
        g.spawn(async move {
            let mut inner = Box::pin(inner);
            select(inner.as_mut(), pin!(begun.wait())).await;
            *put.lock().unwrap() = Some(inner);
            has_moved.open();
            until.wait().await;
            Ok(())
        });
        moved.wait().await;
        let inner = kept.lock().unwrap().take().unwrap();
        let (outcome, ()) = join(inner, async { polled.open() }).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.cause().unwrap().root().kind(), &CauseKind::Dropped);
    });
    outcome.unwrap();
}

fn g2_kept_elsewhere_is_waited_for_without_being_polled<R: Runtime>(env: &Env<R>) {
    let kept = Kept::default();
    let outcome = Rest::waited_for(env, async |rt, g, rest| {
        open_and_keep(rt, g, rest, &kept).await;
    });
    outcome.unwrap();
    assert!(kept.lock().unwrap().take().is_some(), "it was kept all the time");
}

/// One failure comes before the drop, one after it.
fn g2_failures_of_a_dropped_group_go_to_the_hook_once<R: Runtime>(env: &Env<R>) {
    let text = unique("left-over");
    assert!(lost(&text).is_empty());
    let (job, dropped, handle) = (Stuck::default(), Gate::new(), OnceLock::new());
    env.block_on(async |rt: R| {
        let outer = rt.group::<BoxError, _>(async |_| {
            let inner = rt.group::<BoxError, _>(async |g| {
                let g = handle.get_or_init(|| g);
                let (run, late) = (job.job(), boom(&format!("{text}late")));
                g.try_spawn_blocking(move || {
                    run();
                    Err::<(), _>(late)
                });
                job.running.wait().await;
                let early = boom(&format!("{text}early"));
                g.task(async { Err::<(), _>(early) }).name("early").spawn();
                never::<()>().await
            });
            let mut inner = Box::pin(inner);
            let has_failed = || handle.get().is_some_and(GroupHandle::is_cancelled);
            let failed = eventually(&rt, "a task has failed", has_failed);
            select(inner.as_mut(), pin!(failed)).await;
            drop(inner);
            assert!(lost(&text).is_empty(), "the job may yet fail");
            dropped.open();
            Ok(())
        });
        job.is_waited_for_by(outer, &dropped).await.unwrap();
    });
    let seen = lost(&text);
    let found: Vec<_> = seen.iter().map(|lost| (lost.kind, lost.name.as_deref())).collect();
    let expected = [(UnhandledKind::Failure, Some("early")), (UnhandledKind::Failure, None)];
    assert_eq!(found, expected, "{seen:?}");
    assert!(seen[0].text.ends_with("early") && seen[1].text.ends_with("late"), "{seen:?}");
}
