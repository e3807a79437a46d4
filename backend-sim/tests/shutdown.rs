//! What becomes of jobs when the runtime is shut down under them.

use std::sync::Arc;

use anyscope_core::{Blocking, BoxError, Group, TaskHandle};
use anyscope_sim::{Check, Faults, Options, Sim, Simulation, block_until, give_way};
use support::bounded;

mod support;

/// A value with one thread, and a job that blocks it for good.
async fn with_a_full_pool(simulation: &Simulation) -> Sim {
    let rt = simulation.runtime().with_blocking_threads(1);
    drop(rt.spawn_blocking(|| block_until(|| false)));
    rt.settle().await;
    rt
}

fn holder(rt: &Sim, held: &Arc<()>) -> TaskHandle<(), Sim> {
    let held = held.clone();
    rt.spawn_blocking(move || drop(held))
}

#[test]
fn r1_job_behind_a_full_pool_is_dropped_by_the_shutdown() {
    bounded(|| {
        let (simulation, held) = (Simulation::new(Options::seed(1)), Arc::new(()));
        simulation.block_on(async {
            let rt = with_a_full_pool(&simulation).await;
            let queued = holder(&rt, &held);
            assert_eq!(Arc::strong_count(&held), 2);
            simulation.shut_down();
            assert_eq!(Arc::strong_count(&held), 1);
            assert!(queued.await.unwrap_err().is_cancelled());
        });
    });
}

#[test]
fn r5_job_for_a_full_pool_is_refused_after_the_shutdown() {
    bounded(|| {
        let (simulation, held) = (Simulation::new(Options::seed(1)), Arc::new(()));
        simulation.block_on(async {
            let rt = with_a_full_pool(&simulation).await;
            simulation.shut_down();
            let refused = holder(&rt, &held);
            assert_eq!(Arc::strong_count(&held), 1);
            assert!(refused.await.unwrap_err().is_cancelled());
        });
    });
}

#[test]
fn r1_shutdown_at_any_step_leaves_no_job_behind_a_full_pool() {
    bounded(|| {
        Check::new().seeds(200).faults(Faults::none().shut_down()).run(async |rt| {
            let rt = rt.with_blocking_threads(1);
            let outcome = rt.group::<BoxError, _>(async |g| {
                for _ in 0..3 {
                    g.spawn_blocking(give_way);
                }
                g.runtime().yield_now().await;
                g.spawn_blocking(|| ()).await?;
                Ok(())
            });
            if let Err(error) = outcome.await {
                assert!(error.is_cancelled(), "{error}");
            }
        });
    });
}
