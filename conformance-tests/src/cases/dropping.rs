//! Groups whose future is dropped or kept elsewhere, and what is left to the root (rules G2, R6).

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};

use anyscope_core::{BoxError, CauseKind, Runtime, TaskContext};
use futures_util::future::select;

use super::{Case, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, eventually, never, on_drop, parked, poll_once};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(g2_dropped_before_the_first_poll_does_nothing::<R>),
        case(g2_dropped_in_a_timeout_is_waited_for_by_the_outer_group::<R>),
        case(g2_grandchildren_of_a_dropped_group_are_waited_for::<R>),
        case(g2_dropped_while_draining_is_waited_for::<R>),
        case(g2_dropped_in_a_destructor_is_waited_for::<R>),
        case(g2_drop_does_not_block::<R>),
        case(g2_run_returns_after_what_was_dropped_in_it_has_ended::<R>),
        case(g2_parent_is_fixed_at_the_first_poll::<R>),
        case(g2_kept_elsewhere_ends_with_the_task_that_opened_it::<R>),
        case(r6_dropped_outside_any_group_is_counted_until_it_has_ended::<R>),
        case(r6_root_is_idle_while_a_group_is_only_awaited::<R>),
        case(r6_detached_task_is_counted::<R>),
    ]
}

/// Polls a group once, so that it is open, and drops it when `started` is open.
async fn open_and_drop<F: Future>(group: F, started: &Gate) {
    let group = pin!(group);
    let waiting = pin!(started.wait());
    select(group, waiting).await;
}

fn g2_dropped_before_the_first_poll_does_nothing<R: Runtime>(env: &Env<R>) {
    let called = Count::new();
    env.block_on(async |rt| {
        drop(rt.group::<BoxError, _, _, _>(async |_| {
            called.add();
            Ok(())
        }));
        rt.drained().await;
    });
    assert_eq!(called.get(), 0);
}

fn g2_dropped_in_a_timeout_is_waited_for_by_the_outer_group<R: Runtime>(env: &Env<R>) {
    let dropped = Count::new();
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |_| {
                let inner = rt.group::<BoxError, _, _, _>(async |g| {
                    for _ in 0..20 {
                        g.spawn(parked(&Gate::new(), &dropped));
                    }
                    never::<()>().await
                });
                let timeout = rt.timeout(std::time::Duration::from_millis(5), inner).await;
                assert!(timeout.is_err());
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_eq!(dropped.get(), 20);
    });
}

fn g2_grandchildren_of_a_dropped_group_are_waited_for<R: Runtime>(env: &Env<R>) {
    let (started, dropped) = (Gate::new(), Count::new());
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |_| {
                let inner = rt.group::<BoxError, _, _, _>(async |g| {
                    let (started, dropped) = (started.clone(), dropped.clone());
                    g.spawn_group(async move |h| {
                        h.spawn_group(async move |i| {
                            i.spawn(parked(&started, &dropped));
                            never::<()>().await
                        });
                        never::<()>().await
                    });
                    never::<()>().await
                });
                open_and_drop(inner, &started).await;
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_eq!(dropped.get(), 1);
    });
}

fn g2_dropped_while_draining_is_waited_for<R: Runtime>(env: &Env<R>) {
    let (started, dropped) = (Gate::new(), Count::new());
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |_| {
                let inner = rt.group::<BoxError, _, _, _>(async |g| {
                    g.spawn(parked(&started, &dropped));
                    Ok(())
                });
                open_and_drop(inner, &started).await;
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_eq!(dropped.get(), 1);
    });
}

fn g2_dropped_in_a_destructor_is_waited_for<R: Runtime>(env: &Env<R>) {
    let (started, dropped) = (Gate::new(), Count::new());
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (rt, started, dropped) = (rt.clone(), started.clone(), dropped.clone());
                let in_task = started.clone();
                let task = g.spawn(async move {
                    let mut inner = Box::pin(rt.group::<BoxError, _, _, _>(async |h| {
                        h.spawn(parked(&in_task, &dropped));
                        never::<()>().await
                    }));
                    assert!(poll_once(inner.as_mut()).is_pending());
                    let mut inner = Some(inner);
                    let _dropper = on_drop(move || drop(inner.take()));
                    never::<()>().await
                });
                started.wait().await;
                task.cancel();
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_eq!(dropped.get(), 1);
    });
}

/// A job that runs on is not waited for by the drop, only by the outer group.
fn g2_drop_does_not_block<R: Runtime>(env: &Env<R>) {
    let (running, finish, after) = (Gate::new(), Gate::new(), Count::new());
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |_| {
                let inner = rt.group::<BoxError, _, _, _>(async |g| {
                    let (running, finish, after) = (running.clone(), finish.clone(), after.clone());
                    g.spawn_blocking(move || {
                        running.open();
                        finish.wait_blocking();
                        after.add();
                    });
                    never::<()>().await
                });
                open_and_drop(inner, &running).await;
                assert_eq!(after.get(), 0, "the drop has not waited for the job");
                finish.open();
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_eq!(after.get(), 1, "the outer group has");
    });
}

fn g2_run_returns_after_what_was_dropped_in_it_has_ended<R: Runtime>(env: &Env<R>) {
    let (started, dropped) = (Gate::new(), Count::new());
    env.run(async |rt| {
        let group = rt.group::<BoxError, _, _, _>(async |g| {
            g.spawn(parked(&started, &dropped));
            never::<()>().await
        });
        open_and_drop(group, &started).await;
    });
    assert_eq!(dropped.get(), 1);
}

/// Made in one group and first polled in another: the second is the one that waits.
fn g2_parent_is_fixed_at_the_first_poll<R: Runtime>(env: &Env<R>) {
    let (started, dropped) = (Gate::new(), Count::new());
    env.block_on(async |rt: R| {
        let outer: Outcome<()> = rt
            .group(async |_| {
                let inner = rt.group::<BoxError, _, _, _>(async |g| {
                    g.spawn(parked(&started, &dropped));
                    never::<()>().await
                });
                let second: Outcome<()> = rt
                    .group(async |_| {
                        open_and_drop(inner, &started).await;
                        Ok(())
                    })
                    .await;
                second.unwrap();
                assert_eq!(dropped.get(), 1);
                Ok(())
            })
            .await;
        outer.unwrap();
    });
}

fn g2_kept_elsewhere_ends_with_the_task_that_opened_it<R: Runtime>(env: &Env<R>) {
    type Kept = Pin<Box<dyn Future<Output = Outcome<()>> + Send>>;
    let kept: Arc<Mutex<Option<Kept>>> = Arc::default();
    let dropped = Count::new();
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (rt, dropped, keep) = (rt.clone(), dropped.clone(), kept.clone());
                g.spawn(async move {
                    let mut inner: Kept = Box::pin(rt.group(async move |h| {
                        h.spawn(parked(&Gate::new(), &dropped));
                        never::<()>().await
                    }));
                    assert!(poll_once(inner.as_mut()).is_pending());
                    *keep.lock().unwrap() = Some(inner);
                    Ok(())
                })
                .await?;
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_eq!(dropped.get(), 1, "its child has ended");
        let inner = kept.lock().unwrap().take().unwrap();
        let error = inner.await.unwrap_err();
        assert_eq!(error.cause().unwrap().root().kind(), &CauseKind::Dropped);
    });
}

fn r6_dropped_outside_any_group_is_counted_until_it_has_ended<R: Runtime>(env: &Env<R>) {
    let (started, dropped) = (Gate::new(), Count::new());
    env.block_on(async |rt| {
        assert!(TaskContext::current().is_none());
        let group = rt.group::<BoxError, _, _, _>(async |g| {
            for _ in 0..20 {
                g.spawn(parked(&started, &dropped));
            }
            never::<()>().await
        });
        open_and_drop(group, &started).await;
        // Other cases may share the root: this waits for theirs as well.
        rt.clone().drained().await;
        assert_eq!(dropped.get(), 20);
    });
}

fn r6_root_is_idle_while_a_group_is_only_awaited<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.spawn(never::<()>());
                rt.drained().await;
                g.cancel();
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn r6_detached_task_is_counted<R: Runtime>(env: &Env<R>) {
    let (finish, ended) = (Gate::new(), Count::new());
    env.block_on(async |rt| {
        let (in_task, count) = (finish.clone(), ended.on_drop());
        drop(rt.spawn_detached(async move {
            let _count = count;
            in_task.wait().await;
        }));
        assert!(poll_once(rt.drained()).is_pending());
        eventually(&rt, "the detached task waits", || finish.waiters() == 1).await;
        finish.open();
        rt.drained().await;
        assert_eq!(ended.get(), 1);
    });
}
