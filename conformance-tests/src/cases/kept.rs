//! Groups that are kept where nobody polls them, with groups inside of them (rule G2).

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};

use anyscope_core::{BoxError, Group, GroupHandle, Runtime, TaskContext, defer, shield};
use futures_util::future::select;

use super::{Case, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, never, parked, poll_once};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(g2_group_in_the_body_of_one_kept_elsewhere_ends_with_it::<R>),
        case(g2_group_in_a_shield_of_one_kept_elsewhere_ends_with_it::<R>),
        case(g2_group_in_a_clean_up_of_one_kept_elsewhere_ends_with_it::<R>),
        case(x1_clean_up_of_an_abandoned_body_knows_its_runtime::<R>),
    ]
}

/// A future where nobody polls it.
type Kept = Arc<Mutex<Option<Pin<Box<dyn Future<Output = Outcome<()>> + Send>>>>>;

/// A group whose body is told what to open a group with.
fn keeps<R: Runtime, F>(
    env: &Env<R>,
    body: impl FnOnce(GroupHandle<BoxError, R>, Gate, Count) -> F + Send + 'static,
) where
    F: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    let (kept, begun, gone) = (Kept::default(), Gate::new(), Count::new());
    env.run(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g: GroupHandle<BoxError, R>| {
                let (rt, kept) = (g.runtime(), kept.clone());
                let (begun, gone) = (begun.clone(), gone.clone());
                g.spawn(async move {
                    let open = begun.clone();
                    let mut group = Box::pin(rt.group(move |h| body(h, open, gone)));
                    select(group.as_mut(), pin!(begun.wait())).await;
                    *kept.lock().unwrap() = Some(group);
                    Ok(())
                });
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_eq!(gone.get(), 1, "the group has not waited for the innermost task");
        assert!(kept.lock().unwrap().take().is_some(), "it was kept all the time");
    });
}

/// A group with one task, that never ends.
async fn innermost<R: Runtime>(rt: R, begun: Gate, gone: Count) -> Result<(), BoxError> {
    let outcome: Outcome<()> = rt
        .group(async |g| {
            g.spawn(parked(&begun, &gone));
            never().await
        })
        .await;
    Ok(outcome?)
}

fn g2_group_in_the_body_of_one_kept_elsewhere_ends_with_it<R: Runtime>(env: &Env<R>) {
    keeps(env, |g: GroupHandle<BoxError, R>, begun, gone| {
        let rt = g.runtime();
        async move {
            let around: Outcome<()> =
                rt.group(async |_| innermost(rt.clone(), begun, gone).await).await;
            Ok(around?)
        }
    });
}

fn g2_group_in_a_shield_of_one_kept_elsewhere_ends_with_it<R: Runtime>(env: &Env<R>) {
    keeps(env, |g: GroupHandle<BoxError, R>, begun, gone| {
        shield(innermost(g.runtime(), begun, gone))
    });
}

fn g2_group_in_a_clean_up_of_one_kept_elsewhere_ends_with_it<R: Runtime>(env: &Env<R>) {
    keeps(env, |g: GroupHandle<BoxError, R>, begun, gone| async move {
        defer(async move |_| {
            let _ = innermost(g.runtime(), begun, gone).await;
        });
        Ok(())
    });
}

/// It is left to the root, which has no runtime of its own.
fn x1_clean_up_of_an_abandoned_body_knows_its_runtime<R: Runtime>(env: &Env<R>) {
    let ran = Count::new();
    env.run(async |rt: R| {
        let cleaned = ran.clone();
        abandoned(&rt, async move |_| {
            defer(async move |_| {
                let rt = TaskContext::current().unwrap().runtime().unwrap();
                let inner: Outcome<()> = rt.group(async |_| Ok(())).await;
                inner.unwrap();
                cleaned.add();
            });
            never().await
        })
        .await;
        rt.drained().await;
    });
    assert_eq!(ran.get(), 1);
}

/// Opens a group in a task that polls it once and ends, and drops its future after that.
pub(super) async fn abandoned<R: Runtime, F>(
    rt: &R,
    body: impl FnOnce(GroupHandle<BoxError, R>) -> F + Send + 'static,
) where
    F: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    let kept = Kept::default();
    let outcome: Outcome<()> = rt
        .group(async |g: GroupHandle<BoxError, R>| {
            let (rt, kept) = (g.runtime(), kept.clone());
            let opener = g.spawn(async move {
                let mut group = Box::pin(rt.group(body));
                assert!(poll_once(group.as_mut()).is_pending());
                *kept.lock().unwrap() = Some(group);
                Ok(())
            });
            Ok(opener.await?)
        })
        .await;
    outcome.unwrap();
    let kept = kept.lock().unwrap().take();
    drop(kept);
}
