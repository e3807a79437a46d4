//! Who is told leaves what it waits for: in its grace period, or from outside (rules C2, C3, C4).

use anyscope_core::{BoxError, CauseKind, Runtime, cancelled, shield, until_cancelled};

use super::{Case, LONG, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, never, yield_now};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(c3_who_is_told_leaves_what_it_waits_for::<R>),
        case(c4_who_is_told_waits_for_what_is_shielded_in_it::<R>),
        case(c2_who_waits_for_something_of_another_group_leaves_when_that_is_cancelled::<R>),
    ]
}

fn c3_who_is_told_leaves_what_it_waits_for<R: Runtime>(env: &Env<R>) {
    let (polled, dropped) = (Count::new(), Count::new());
    env.run(async |rt| {
        let outcome: Outcome<u8> = rt
            .group(async |g| {
                let begun = Gate::new();
                let (open, probe, seen) = (begun.clone(), dropped.on_drop(), polled.clone());
                let task = g.spawn(async move {
                    assert_eq!(until_cancelled(async { 7 }).await, Some(7));
                    open.open();
                    let waits = async move {
                        let _probe = probe;
                        let _ = never::<()>().await;
                    };
                    assert!(until_cancelled(waits).await.is_none());
                    assert!(until_cancelled(async { seen.note() }).await.is_none());
                    Ok(1)
                });
                let waits = Gate::new();
                let open = waits.clone();
                let told = g.spawn(async move {
                    open.open();
                    Ok(cancelled().await)
                });
                begun.wait().await;
                waits.wait().await;
                g.cancel();
                assert!(until_cancelled(never::<()>()).await.is_none(), "the body is told as well");
                assert!(matches!(told.await?.kind(), CauseKind::Requested(_)));
                Ok(task.await?)
            })
            .grace(LONG)
            .await;
        assert_eq!(outcome.unwrap(), 1);
    });
    assert_eq!((polled.get(), dropped.get()), (0, 1));
}

fn c4_who_is_told_waits_for_what_is_shielded_in_it<R: Runtime>(env: &Env<R>) {
    let done = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (begun, gate) = (Gate::new(), Gate::new());
                let (open, wait, done) = (begun.clone(), gate.clone(), done.clone());
                let task = g.spawn(async move {
                    let waits = async {
                        let shielded = async {
                            open.open();
                            wait.wait().await;
                            done.note();
                        };
                        shield(shielded).await;
                        let _ = never::<()>().await;
                    };
                    assert!(until_cancelled(waits).await.is_none());
                    assert_eq!(done.get(), 1);
                    Ok(())
                });
                begun.wait().await;
                g.cancel();
                yield_now().await;
                gate.open();
                Ok(task.await?)
            })
            .grace(LONG)
            .await;
        outcome.unwrap();
    });
    assert_eq!(done.get(), 1);
}

/// No task of the group waits, and none of its own is cancelled.
fn c2_who_waits_for_something_of_another_group_leaves_when_that_is_cancelled<R: Runtime>(
    env: &Env<R>,
) {
    let (polled, dropped) = (Count::new(), Count::new());
    env.run(async |rt| {
        let other = rt.group::<BoxError, _>(async |_| Ok(())).open();
        let (handle, begun, probe) = (other.handle(), Gate::new(), dropped.on_drop());
        assert_eq!(handle.until_cancelled(async { 7 }).await, Some(7));
        let open = begun.clone();
        let outside = rt.spawn_detached(async move {
            let waits = async move {
                let _probe = probe;
                open.open();
                never::<()>().await
            };
            handle.until_cancelled(waits).await.is_none()
        });
        begun.wait().await;
        other.cancel();
        assert!(outside.await.unwrap());
        let late = other.until_cancelled(async { polled.note() });
        assert!(late.await.is_none());
    });
    assert_eq!((polled.get(), dropped.get()), (0, 1));
}
