//! Shields in children (C4): who awaits what there (T1).

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Waker};

use anyscope_core::{BoxError, LocalHandle, gather, in_place, scope, shield};

use crate::support::{Count, Gate, Outcome, boom, never, run, texts, yield_now};

/// What protects the child of the scope whose handle it is protects all that is in that child.
#[test]
fn t1_scope_in_a_shield_is_told_of_a_failure_of_the_scope_around() {
    let told = Count::default();
    let outcome: Outcome<()> = run(scope(async |s| {
        let sibling: LocalHandle<()> = s.spawn(async {
            yield_now().await;
            Err(boom("first"))
        });
        s.spawn(async {
            let inner: Outcome<()> = shield(scope(async |inner| {
                inner.spawn(async {
                    assert!(sibling.await.unwrap_err().is_failed());
                    Ok(told.add())
                });
                Ok(())
            }))
            .await;
            inner.unwrap();
            never::<Result<(), BoxError>>().await
        });
        never().await
    }));
    assert_eq!((texts(&outcome.unwrap_err()), told.get()), (vec!["first".to_owned()], 1));
}

/// The same where the shield is beside the inner scope, and waits for what comes of it.
#[test]
fn t1_scope_beside_a_shield_is_told_of_a_failure_of_the_scope_around() {
    let (told, gate) = (Count::default(), Gate::default());
    let outcome: Outcome<()> = run(scope(async |s| {
        let sibling: LocalHandle<()> = s.spawn(async {
            yield_now().await;
            Err(boom("first"))
        });
        s.spawn(async {
            let inner = async {
                let inner: Outcome<()> = scope(async |_| {
                    assert!(sibling.await.unwrap_err().is_failed());
                    told.add();
                    gate.open();
                    Ok(())
                })
                .await;
                inner.unwrap();
            };
            both(shield(gate.wait()), inner).await;
            never::<Result<(), BoxError>>().await
        });
        never().await
    }));
    assert_eq!((texts(&outcome.unwrap_err()), told.get()), (vec!["first".to_owned()], 1));
}

/// The inner scope's own cancellation still drops those who await in it.
#[test]
fn t1_child_of_a_failed_scope_is_dropped_also_beside_a_shield_further_out() {
    let (told, gate) = (Count::default(), Gate::default());
    let outcome: Outcome<()> = run(scope(async |s| {
        s.spawn(async {
            let inner = async {
                let inner: Outcome<()> = scope(async |inner| {
                    let sibling: LocalHandle<()> = inner.spawn(async { Err(boom("inner")) });
                    inner.spawn(async {
                        let _ = sibling.await;
                        Ok(told.add())
                    });
                    never().await
                })
                .await;
                assert_eq!(texts(&inner.unwrap_err()), ["inner"]);
                gate.open();
            };
            both(shield(gate.wait()), inner).await;
            Ok(())
        });
        Ok(())
    }));
    outcome.unwrap();
    assert_eq!(told.get(), 0);
}

/// Twice it is not shielded when it asks, and shielded before it could be dropped.
#[test]
fn t1_handle_between_shields_is_asked_again_each_time() {
    let outcome: Outcome<()> = run(scope(async |s| {
        let mut sibling: LocalHandle<()> = s.spawn(async {
            yield_now().await;
            Err(boom("first"))
        });
        s.spawn(async move {
            let (mut shielded, mut asked) = (Some(begun()), 0);
            let told = poll_fn(|cx| {
                asked += 1;
                if matches!(asked, 2..=3) {
                    shielded = None;
                }
                let told = Pin::new(&mut sibling).poll(cx);
                shielded.get_or_insert_with(begun);
                told
            });
            assert!(told.await.unwrap_err().is_failed());
            drop(shielded);
            never::<Result<(), BoxError>>().await
        });
        never().await
    }));
    assert_eq!(texts(&outcome.unwrap_err()), ["first"]);
}

/// Waits for both, which are polled in this order.
async fn both<'a>(one: impl Future<Output = ()> + 'a, other: impl Future<Output = ()> + 'a) {
    let both: [Pin<Box<dyn Future<Output = ()> + 'a>>; 2] = [Box::pin(one), Box::pin(other)];
    gather(both.map(in_place)).settled().await;
}

/// A shield that can be given away.
pub(crate) type Shielded = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One that has begun, and never ends by itself.
pub(crate) fn begun() -> Shielded {
    let mut shielded: Shielded = Box::pin(shield(never()));
    let _ = shielded.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    shielded
}
