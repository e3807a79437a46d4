//! Groups: waiting, fail-fast, dropping, spawning, nesting (rules G).

use anyscope_core::{BoxError, CauseKind, Runtime};

use super::{Case, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, boom};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(g1_waits_for_every_child::<R>),
        case(g2_dropped_future_is_waited_for_by_the_outer_group::<R>),
        case(g3_first_failure_cancels_body_and_siblings::<R>),
    ]
}

fn g1_waits_for_every_child<R: Runtime>(env: &Env<R>) {
    let (gate, ended) = (Gate::new(), Count::new());
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                for _ in 0..10 {
                    let (gate, ended) = (gate.clone(), ended.clone());
                    g.spawn(async move {
                        gate.wait().await;
                        ended.add();
                        Ok(())
                    });
                }
                // The last to be spawned opens the gate, when the body is long done.
                let gate = gate.clone();
                g.spawn(async move {
                    gate.open();
                    Ok(())
                });
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_eq!(ended.get(), 10);
    });
}

fn g2_dropped_future_is_waited_for_by_the_outer_group<R: Runtime>(env: &Env<R>) {
    let (started, dropped) = (Gate::new(), Count::new());
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |_| {
                let inner = rt.group::<BoxError, _, _, _>(async |g| {
                    let (started, dropped) = (started.clone(), dropped.on_drop());
                    g.spawn(async move {
                        let _probe = dropped;
                        started.open();
                        std::future::pending::<Result<(), _>>().await
                    });
                    std::future::pending::<Result<(), _>>().await
                });
                let inner = std::pin::pin!(inner);
                futures_util::future::select(inner, std::pin::pin!(started.wait())).await;
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_eq!(dropped.get(), 1, "the child of the dropped group has ended");
    });
}

fn g3_first_failure_cancels_body_and_siblings<R: Runtime>(env: &Env<R>) {
    let dropped = Count::new();
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (in_body, in_task) = (dropped.on_drop(), dropped.on_drop());
                g.spawn(async move {
                    let _probe = in_task;
                    std::future::pending::<Result<(), _>>().await
                });
                let failing = g.spawn(async { Err::<(), _>(boom("first")) });
                let id = failing.id();
                let _probe = (in_body, id);
                std::future::pending::<Result<(), _>>().await
            })
            .await;
        let error = outcome.unwrap_err();
        assert!(matches!(error.cause().unwrap().kind(), CauseKind::SiblingFailed(_)));
        let failures = error.failures().unwrap();
        assert_eq!(failures.len(), 1);
        assert_eq!(failures.first().error().unwrap().to_string(), "first");
        assert_eq!(dropped.get(), 2);
    });
}
