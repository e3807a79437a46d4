//! Whoever awaits what was cancelled is not dropped as long as a shield is beside it, or as it blocks its
//! thread: then it is told (rules T1, C4).

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use anyscope_core::{BoxError, GroupHandle, Runtime, scope, shield};
use futures_util::future::join;
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::{Case, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, boom, never, poll_once, yield_now};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(t1_handle_beside_a_shield_that_begins_after_it_resolves::<R>),
        case(t1_group_beside_a_shield_that_begins_after_it_returns::<R>),
        case(t1_handle_that_a_dropped_task_has_polled_resolves_elsewhere::<R>),
        case(t1_handle_and_group_that_a_thread_is_blocked_for_give_their_errors::<R>),
        case(s2_handle_that_a_thread_is_blocked_for_gives_its_error::<R>),
        case(s2_handle_beside_a_shield_that_begins_after_it_resolves::<R>),
        case(s2_handle_beside_a_shield_that_began_before_it_resolves::<R>),
    ]
}

/// Ends `waiting` beside a shield that waits for that, and goes on where its unit is dropped.
async fn beside_a_shield(told: &Count, waiting: impl Future<Output = ()>) -> Result<(), BoxError> {
    let gate = Gate::new();
    let telling = async {
        waiting.await;
        told.add();
        gate.open();
    };
    join(telling, shield(gate.wait())).await;
    never().await
}

fn t1_handle_beside_a_shield_that_begins_after_it_resolves<R: Runtime>(env: &Env<R>) {
    let told = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.cancel();
                let refused = g.spawn(never::<()>());
                beside_a_shield(&told, async { assert!(refused.await.is_err()) }).await
            })
            .await;
        assert!(outcome.unwrap_err().is_cancelled());
    });
    assert_eq!(told.get(), 1);
}

fn t1_group_beside_a_shield_that_begins_after_it_returns<R: Runtime>(env: &Env<R>) {
    let told = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let inner = rt.group(async |_: GroupHandle<BoxError, R>| never::<()>().await);
                let waiting = async {
                    g.cancel();
                    assert!(inner.await.unwrap_err().is_cancelled());
                };
                beside_a_shield(&told, waiting).await
            })
            .await;
        assert!(outcome.unwrap_err().is_cancelled());
    });
    assert_eq!(told.get(), 1);
}

/// As a foreign `block_on` does in the middle of a poll, woken each time.
fn poll_until_ready<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let ready = |polled| match polled {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    };
    (0..10_000).find_map(|_| ready(poll_once(future.as_mut()))).expect("it is told some time")
}

/// Nobody drops the one that awaits them: the thread would be blocked for ever.
fn t1_handle_and_group_that_a_thread_is_blocked_for_give_their_errors<R: Runtime>(env: &Env<R>) {
    let told = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.cancel();
                let refused = g.spawn(never::<()>());
                assert!(poll_until_ready(refused).unwrap_err().is_refused());
                let inner = rt.group(async |_: GroupHandle<BoxError, R>| never::<()>().await);
                assert!(poll_until_ready(inner).unwrap_err().is_cancelled());
                told.add();
                never().await
            })
            .await;
        assert!(outcome.unwrap_err().is_cancelled());
    });
    assert_eq!(told.get(), 1);
}

/// The same of a local scope's.
fn s2_handle_that_a_thread_is_blocked_for_gives_its_error<R: Runtime>(env: &Env<R>) {
    let told = Count::new();
    env.run(async |_| {
        let outcome: Outcome<()> = scope(async |s| {
            s.cancel();
            let refused = s.spawn(never::<()>());
            assert!(poll_until_ready(refused).unwrap_err().is_refused());
            told.add();
            never().await
        })
        .await;
        assert!(outcome.unwrap_err().is_cancelled());
    });
    assert_eq!(told.get(), 1);
}

/// In a set that another task goes on with, which polls what was woken and nothing else.
fn t1_handle_that_a_dropped_task_has_polled_resolves_elsewhere<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let set = Arc::new(Mutex::new(FuturesUnordered::new()));
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.cancel();
                set.lock().unwrap().push(g.spawn(never::<()>()));
                poll_fn(|cx| {
                    let polled = set.lock().unwrap().poll_next_unpin(cx);
                    assert!(polled.is_pending(), "the body is about to be dropped");
                    Poll::Ready(())
                })
                .await;
                never().await
            })
            .await;
        assert!(outcome.unwrap_err().is_cancelled());
        let next = poll_fn(|cx| set.lock().unwrap().poll_next_unpin(cx)).await;
        assert!(next.unwrap().unwrap_err().is_refused());
    });
}

fn s2_handle_beside_a_shield_that_begins_after_it_resolves<R: Runtime>(env: &Env<R>) {
    let told = Count::new();
    env.run(async |_| {
        let outcome: Outcome<()> = scope(async |s| {
            s.cancel();
            let refused = s.spawn(never::<()>());
            beside_a_shield(&told, async { assert!(refused.await.is_err()) }).await
        })
        .await;
        assert!(outcome.unwrap_err().is_cancelled());
    });
    assert_eq!(told.get(), 1);
}

fn s2_handle_beside_a_shield_that_began_before_it_resolves<R: Runtime>(env: &Env<R>) {
    let told = Count::new();
    env.run(async |_| {
        let outcome: Outcome<()> = scope(async |s| {
            let sibling = s.spawn(async {
                yield_now().await;
                Err::<(), _>(boom("first"))
            });
            let waiting = async { assert!(sibling.await.unwrap_err().is_failed()) };
            beside_a_shield(&told, waiting).await
        })
        .await;
        assert_eq!(outcome.unwrap_err().failures().unwrap().len(), 1);
    });
    assert_eq!(told.get(), 1);
}
