//! Failures that come back in a handle's report: counted once, and nothing beside them lost (rule G4).

use std::error::Error;
use std::fmt::{self, Display};

use anyscope_core::{BoxError, CauseKind, GroupError, Runtime, Supervise, TaskError, TaskHandle};

use super::echoes::{Sourced, Transparent, Wrapping, texts};
use super::{Case, case};
use crate::env::Env;
use crate::probe::{Outcome, boom, never, yield_now};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(g4_failure_reported_by_a_handle_is_counted_once::<R>),
        case(g4_failure_of_another_group_is_counted::<R>),
        case(g4_failure_beside_a_report_is_kept::<R>),
        case(g4_endless_source_chain_is_a_failure::<R>),
    ]
}

fn g4_failure_reported_by_a_handle_is_counted_once<R: Runtime>(env: &Env<R>) {
    async fn with<R: Runtime, E: Wrapping>(rt: &R) {
        let outcome: Result<(), GroupError<E>> = rt
            .group(async |g| {
                let failing = || g.spawn(async { Err::<(), _>(E::leaf("once")) });
                let (one, two) = (failing(), failing());
                let echo = g.spawn(async {
                    one.await?;
                    Ok(())
                });
                assert!(echo.await.unwrap_err().is_failed());
                Ok(two.await?)
            })
            .policy(Supervise)
            .await;
        let error = outcome.unwrap_err();
        assert_eq!(texts(&error), ["once", "once"], "{}", std::any::type_name::<E>());
    }
    env.block_on(async |rt: R| {
        with::<R, BoxError>(&rt).await;
        with::<R, Sourced>(&rt).await;
        with::<R, Transparent>(&rt).await;
    });
}

fn g4_failure_of_another_group_is_counted<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<TaskHandle<(), R>> = rt
            .group(async |outer| {
                let shelf = std::sync::Mutex::new(None);
                let inner: Outcome<()> = rt
                    .group(async |g| {
                        *shelf.lock().unwrap() = Some(g.spawn(async { Err(boom("inner")) }));
                        never().await
                    })
                    .await;
                assert_eq!(texts(&inner.unwrap_err()), ["inner"]);
                let failed: TaskHandle<(), R> = shelf.lock().unwrap().take().unwrap();
                Ok(outer.spawn(async { Ok(failed.await?) }))
            })
            .await;
        let error = outcome.unwrap_err();
        let report = error.failures().unwrap().first().error().unwrap();
        assert!(report.is::<TaskError>(), "this group has not heard of it before");
    });
}

fn g4_failure_beside_a_report_is_kept<R: Runtime>(env: &Env<R>) {
    async fn with<R: Runtime, E: Wrapping>(rt: &R) {
        let outcome: Result<(), GroupError<E>> = rt
            .group(async |g| {
                let failing = g.spawn(async { Err::<(), _>(E::leaf("outer")) });
                let rt = rt.clone();
                // Its inner group fails twice: once with what is known outside, once by itself.
                g.spawn(async move {
                    let inner = rt.group(async |inner| {
                        let report = inner.spawn(async { Ok(failing.await?) });
                        while !report.is_finished() {
                            yield_now().await;
                        }
                        inner.spawn(async { Err::<(), _>(E::leaf("genuine")) });
                        Ok(())
                    });
                    Ok(inner.policy(Supervise).await?)
                });
                Ok(())
            })
            .policy(Supervise)
            .await;
        let error = outcome.unwrap_err();
        // What the task of the inner group failed with is a failure of its own, whole.
        assert_eq!(error.failures().unwrap().len(), 2, "{error:#}");
    }
    env.block_on(async |rt: R| {
        with::<R, BoxError>(&rt).await;
        with::<R, Sourced>(&rt).await;
        with::<R, Transparent>(&rt).await;
    });
}

fn g4_endless_source_chain_is_a_failure<R: Runtime>(env: &Env<R>) {
    #[derive(Debug)]
    struct Ouroboros;
    impl Display for Ouroboros {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("ouroboros")
        }
    }
    impl Error for Ouroboros {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(self)
        }
    }
    env.block_on(async |rt: R| {
        let outcome: Result<(), GroupError<Ouroboros>> = rt.group(async |_| Err(Ouroboros)).await;
        let error = outcome.unwrap_err();
        assert!(matches!(error.cause().unwrap().kind(), CauseKind::SiblingFailed(_)));
        assert!(format!("{error:#}").contains("ouroboros"));
        assert_eq!(texts(&error), ["ouroboros"]);
    });
}
