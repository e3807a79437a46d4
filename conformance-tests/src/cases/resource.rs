//! Resources that are released once, however their task ends (rule C5).

use std::future::Future;
use std::sync::{Arc, Mutex};

use anyscope_core::{BoxError, ExitKind, Resource, Runtime, acquire};

use super::{Case, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, boom, eventually, yield_now};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(c5_resource_is_released_once_when_the_task_has_ended::<R>),
        case(c5_resource_opened_under_a_cancellation_is_released::<R>),
        case(c5_resource_that_did_not_open_is_not_released::<R>),
        case(c5_resource_can_be_released_early::<R>),
        case(c5_resource_kept_longer_than_its_task_is_released_at_its_drop::<R>),
    ]
}

/// Opens and releases, and counts both.
#[derive(Clone, Default)]
struct Store {
    open: Gate,
    opened: Count,
    released: Count,
    exit: Arc<Mutex<Option<ExitKind>>>,
}

impl Store {
    fn acquire(&self) -> impl Future<Output = Result<Resource<u32>, BoxError>> + Send + use<> {
        let (store, done) = (self.clone(), self.clone());
        let open = async move {
            store.opened.add();
            store.open.wait().await;
            Ok(7)
        };
        acquire(open, move |value: u32, exit| async move {
            yield_now().await;
            assert_eq!(value, 8);
            *done.exit.lock().unwrap() = Some(exit);
            done.released.add();
        })
    }

    fn exit(&self) -> Option<ExitKind> {
        self.exit.lock().unwrap().clone()
    }
}

fn c5_resource_is_released_once_when_the_task_has_ended<R: Runtime>(env: &Env<R>) {
    let store = Store::default();
    store.open.open();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let inner = store.clone();
                g.spawn(async move {
                    let mut resource = inner.acquire().await?;
                    *resource += 1;
                    yield_now().await;
                    assert_eq!(inner.released.get(), 0);
                    Ok(())
                })
                .await?;
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!((store.released.get(), store.exit()), (1, Some(ExitKind::Value)));
}

fn c5_resource_opened_under_a_cancellation_is_released<R: Runtime>(env: &Env<R>) {
    let (store, beyond) = (Store::default(), Count::new());
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (inner, after) = (store.clone(), beyond.clone());
                let task = g.spawn(async move {
                    let mut resource = inner.acquire().await?;
                    *resource += 1;
                    yield_now().await;
                    after.add();
                    Ok(())
                });
                eventually(&rt, "it opens", || store.opened.get() == 1).await;
                task.cancel();
                yield_now().await;
                store.open.open();
                assert!(task.await.unwrap_err().is_cancelled());
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!((store.released.get(), beyond.get()), (1, 0));
    assert!(matches!(store.exit(), Some(ExitKind::Cancelled(_))));
}

fn c5_resource_that_did_not_open_is_not_released<R: Runtime>(env: &Env<R>) {
    let released = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |_| {
                let count = released.clone();
                let open = async { Err::<u32, _>(boom("no")) };
                let opened = acquire(open, move |_, _| async move { count.note() }).await;
                assert!(opened.is_err());
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(released.get(), 0);
}

fn c5_resource_can_be_released_early<R: Runtime>(env: &Env<R>) {
    let store = Store::default();
    store.open.open();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |_| {
                let mut resource = store.acquire().await?;
                *resource += 1;
                resource.release().await?;
                assert_eq!(store.released.get(), 1);
                Err(boom("after it"))
            })
            .await;
        outcome.unwrap_err();
    });
    assert_eq!((store.released.get(), store.exit()), (1, Some(ExitKind::Value)));
}

fn c5_resource_kept_longer_than_its_task_is_released_at_its_drop<R: Runtime>(env: &Env<R>) {
    let store = Store::default();
    store.open.open();
    env.run(async |rt| {
        let outcome: Outcome<_> = rt
            .group(async |g| {
                let inner = store.clone();
                let task = g.spawn(async move {
                    let mut resource = inner.acquire().await?;
                    *resource += 1;
                    Ok(resource)
                });
                Ok(task.await?)
            })
            .await;
        assert_eq!(store.released.get(), 0);
        drop(outcome.unwrap());
        rt.drained().await;
    });
    assert_eq!((store.released.get(), store.exit()), (1, Some(ExitKind::Value)));
}
