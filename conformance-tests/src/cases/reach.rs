//! Who can cancel, how far it reaches, and what waiting for the last costs (rules C7, C8, C10).

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::Context;

use anyscope_core::{BoxError, CancelCause, GroupHandle, Runtime};

use super::{Case, case};
use crate::env::Env;
use crate::probe::{
    Count, Gate, Outcome, boom, calling, counted, eventually, eventually_blocking, holding, never,
    on_drop, parked, poll_once, yield_now,
};
use crate::thread;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(c7_cancel_from_a_thread_outside::<R>),
        case(c7_cancel_from_a_child_its_callback_and_its_destructor::<R>),
        case(c7_cancel_from_a_waker_that_a_cancellation_calls::<R>),
        case(c7_cancel_from_a_job::<R>),
        case(c7_cancel_does_not_wait_for_a_task_in_its_poll::<R>),
        case(c7_cancel_from_everywhere_at_once_counts_once::<R>),
        case(c7_cancel_after_the_end_is_harmless::<R>),
        case(c8_cancellation_reaches_every_depth::<R>),
        case(c8_cancellation_reaches_the_whole_width_once_each::<R>),
        case(c10_waiting_for_a_slow_child_costs_no_polls::<R>),
        case(c10_wake_ups_without_reason_reach_no_child::<R>),
    ]
}

fn assert_cancelled(outcome: Outcome<()>, reason: &str) {
    let error = outcome.unwrap_err();
    assert!(error.is_cancelled(), "{error:#}");
    assert_eq!(error.cause(), Some(&CancelCause::because(reason)));
}

fn c7_cancel_from_a_thread_outside<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (started, dropped) = (Gate::new(), Count::new());
                g.spawn(parked(&started, &dropped));
                thread::spawn(move || {
                    started.wait_blocking();
                    g.cancel_because("thread");
                });
                never().await
            })
            .await;
        assert_cancelled(outcome, "thread");
    });
}

fn c7_cancel_from_a_child_its_callback_and_its_destructor<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let child: Outcome<()> = rt
            .group(async |g| {
                let group = g.clone();
                g.spawn(async move {
                    group.cancel_because("child");
                    never::<()>().await
                });
                never().await
            })
            .await;
        assert_cancelled(child, "child");
        let callback: Outcome<()> = rt
            .group(async |g| {
                let group = g.clone();
                let task = g.task(async { Ok(()) });
                task.on_done(move |_| group.cancel_because("callback")).spawn();
                never().await
            })
            .await;
        assert_cancelled(callback, "callback");
        let destructor: Outcome<()> = rt
            .group(async |g| {
                let group = g.clone();
                let probe = on_drop(move || group.cancel_because("destructor"));
                let task = g.spawn(holding(probe, never::<()>()));
                task.cancel();
                never().await
            })
            .await;
        assert_cancelled(destructor, "destructor");
    });
}

fn c7_cancel_from_a_waker_that_a_cancellation_calls<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (woken, count, group) = (Count::new(), Count::new(), g.clone());
                let seen = woken.clone();
                // Whatever the group can be asked is asked from within its own cancellation.
                let waker = calling(move || {
                    seen.add();
                    group.cancel_because("waker");
                    assert!(group.is_cancelled() && group.live() > 0);
                    assert!(group.try_spawn(never::<()>()).is_err());
                });
                let mut cx = Context::from_waker(&waker);
                let mut watcher = pin!(g.cancelled());
                assert!(watcher.as_mut().poll(&mut cx).is_pending());
                // The body of a group that is polled by hand is woken by this waker, too.
                let inner = rt.group(async |_| holding(count.on_drop(), never::<()>()).await);
                let mut inner = Box::pin(inner);
                assert!(inner.as_mut().poll(&mut cx).is_pending());
                g.cancel_because("first");
                assert_eq!(woken.get(), 2, "each waker once");
                let _ = poll_once(inner.as_mut());
                assert_eq!(count.get(), 1, "its body is gone");
                never().await
            })
            .await;
        assert_cancelled(outcome, "first");
    });
}

fn c7_cancel_from_a_job<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let group = g.clone();
                g.spawn_blocking(move || group.cancel_because("job"));
                never().await
            })
            .await;
        assert_cancelled(outcome, "job");
    });
}

fn c7_cancel_does_not_wait_for_a_task_in_its_poll<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (polling, returned) = (Gate::new(), Gate::new());
                let (begun, release) = (polling.clone(), returned.clone());
                g.spawn(async move {
                    begun.open();
                    // Holds its executor's thread until `cancel` has returned.
                    release.wait_blocking();
                    never::<()>().await
                });
                thread::spawn(move || {
                    polling.wait_blocking();
                    g.cancel_because("meanwhile");
                    returned.open();
                });
                never().await
            })
            .await;
        assert_cancelled(outcome, "meanwhile");
    });
}

fn c7_cancel_from_everywhere_at_once_counts_once<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let (dropped, calls) = (Count::new(), Count::new());
        let outcome: Outcome<()> = rt
            .group(async |g| {
                for _ in 0..20 {
                    let (started, group) = (Gate::new(), g.clone());
                    let calls = calls.clone();
                    let task = g.task(parked(&started, &dropped));
                    task.on_done(move |_| {
                        calls.add();
                        group.cancel_because("callback");
                    })
                    .spawn();
                    started.wait().await;
                }
                for _ in 0..3 {
                    let group = g.clone();
                    thread::spawn(move || (0..50).for_each(|_| group.cancel_because("thread")));
                }
                never().await
            })
            .await;
        assert_cancelled(outcome, "thread");
        assert_eq!((dropped.get(), calls.get()), (20, 20));
    });
}

fn c7_cancel_after_the_end_is_harmless<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<_> =
            rt.group(async |g| Ok((g.clone(), g.spawn(async { Ok(7) })))).await;
        let (g, task) = outcome.unwrap();
        g.cancel();
        g.cancel();
        assert_eq!(g.live(), 0);
        assert_eq!(task.await.unwrap(), 7);
        let failed: Outcome<()> = rt.group(async |_| Err(boom("after it"))).await;
        assert_eq!(failed.unwrap_err().failures().unwrap().len(), 1);
    });
}

/// What each level of a deep tree of groups tells.
#[derive(Clone, Default)]
struct Levels<R> {
    groups: Arc<Mutex<Vec<GroupHandle<BoxError, R>>>>,
    polls: Count,
    dropped: Count,
}

type Boxed = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

/// The body of a group with a group in it, and so on; each suspends for ever.
fn nest<R: Runtime>(g: GroupHandle<BoxError, R>, depth: usize, levels: Levels<R>) -> Boxed {
    let (polls, probe) = (levels.polls.clone(), levels.dropped.on_drop());
    let body = async move {
        if depth > 0 {
            let levels = levels.clone();
            g.spawn_group(move |inner| nest(inner, depth - 1, levels));
        }
        levels.groups.lock().unwrap().push(g);
        never().await
    };
    Box::pin(holding(probe, counted(polls, body)))
}

fn c8_cancellation_reaches_every_depth<R: Runtime>(env: &Env<R>) {
    let depth = env.size(100);
    env.block_on(async |rt: R| {
        let levels = Levels { groups: Arc::default(), polls: Count::new(), dropped: Count::new() };
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let down = levels.clone();
                g.spawn_group(move |inner| nest(inner, depth - 1, down));
                let groups = levels.groups.clone();
                eventually(&rt, "all have begun", || groups.lock().unwrap().len() == depth).await;
                let wakes = Count::new();
                let counting = wakes.clone();
                let waker = calling(move || {
                    counting.add();
                });
                let groups = groups.lock().unwrap().clone();
                let mut watchers: Vec<_> = groups.iter().map(GroupHandle::cancelled).collect();
                for watcher in &mut watchers {
                    let polled = Pin::new(watcher).poll(&mut Context::from_waker(&waker));
                    assert!(polled.is_pending());
                }
                g.cancel_because("top");
                let all_told =
                    || wakes.get() == depth && groups.iter().all(GroupHandle::is_cancelled);
                eventually_blocking("all have been told", all_told);
                g.cancel();
                assert_eq!(wakes.get(), depth, "each was visited once");
                let root = CancelCause::because("top");
                assert!(groups.iter().all(|group| group.cause().unwrap().root() == &root));
                never().await
            })
            .await;
        assert_cancelled(outcome, "top");
        assert_eq!((levels.polls.get(), levels.dropped.get()), (depth, depth));
    });
}

fn c8_cancellation_reaches_the_whole_width_once_each<R: Runtime>(env: &Env<R>) {
    let width = env.size(2000);
    env.block_on(async |rt: R| {
        let (polls, begun, dropped) = (Count::new(), Count::new(), Count::new());
        let outcome: Outcome<()> = rt
            .group(async |g| {
                for _ in 0..width {
                    let begun = begun.clone();
                    let waiting = counted(polls.clone(), async move {
                        begun.add();
                        never::<()>().await
                    });
                    g.spawn(holding(dropped.on_drop(), waiting));
                }
                eventually(&rt, "all have begun", || begun.get() == width).await;
                g.cancel_because("wide");
                never().await
            })
            .await;
        assert_cancelled(outcome, "wide");
        assert_eq!((polls.get(), dropped.get()), (width, width));
    });
}

/// A group that was cancelled and waits for its job, which is not told to end before `gate` is open.
async fn slow_group<R: Runtime>(rt: R, handle: Shelf<R>, gate: Gate) -> Outcome<()> {
    rt.group(async |g| {
        let started = Gate::new();
        let begun = started.clone();
        g.spawn_blocking(move || {
            begun.open();
            gate.wait_blocking();
        });
        started.wait().await;
        *handle.lock().unwrap() = Some(g.clone());
        g.cancel_because("slow");
        never().await
    })
    .await
}

/// Where a group's handle is kept for those outside.
type Shelf<R> = Arc<Mutex<Option<GroupHandle<BoxError, R>>>>;

/// The handle once only the group's job is left.
async fn draining<R: Runtime>(rt: &R, handle: &Shelf<R>) -> GroupHandle<BoxError, R> {
    let get = || handle.lock().unwrap().clone();
    eventually(rt, "only the job is left", || get().is_some_and(|g| g.live() == 1)).await;
    get().unwrap()
}

fn c10_waiting_for_a_slow_child_costs_no_polls<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |outer| {
                let (polls, handle, gate) = (Count::new(), Shelf::default(), Gate::new());
                let slow = slow_group(rt.clone(), handle.clone(), gate.clone());
                let slow = counted(polls.clone(), slow);
                let waiting = outer.spawn(async {
                    assert_cancelled(slow.await, "slow");
                    Ok(())
                });
                let g = draining(&rt, &handle).await;
                let before = polls.get();
                for _ in 0..200 {
                    g.cancel();
                    yield_now().await;
                }
                let spent = polls.get() - before;
                gate.open();
                waiting.await?;
                assert!(spent <= 1, "polled {spent} times while waiting for its job");
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn c10_wake_ups_without_reason_reach_no_child<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let (child, body) = (Count::new(), Count::new());
        let gate = Gate::new();
        let mut group = Box::pin(rt.group(async |g: GroupHandle<BoxError, R>| {
            let (started, release) = (Gate::new(), gate.clone());
            let begun = started.clone();
            g.spawn(counted(child.clone(), async move {
                begun.open();
                release.wait().await;
                Ok(())
            }));
            body.add();
            started.wait().await;
            Ok(())
        }));
        eventually(&rt, "the body has ended", || {
            let _ = poll_once(group.as_mut());
            child.get() == 1 && poll_once(group.as_mut()).is_pending()
        })
        .await;
        for _ in 0..100 {
            assert!(poll_once(group.as_mut()).is_pending());
            yield_now().await;
        }
        assert_eq!((child.get(), body.get()), (1, 1));
        gate.open();
        group.await.unwrap();
        assert_eq!(child.get(), 2);
    });
}
