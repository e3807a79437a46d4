//! What waits when the runtime is shut down: grace periods for their end, jobs for a permit (rules C3, R1).

use anyscope_core::{BoxError, CauseKind, GroupHandle, Runtime, Semaphore, block_on};

use super::{Case, LONG, case};
use crate::env::Env;
use crate::probe::{
    Count, Gate, block_on_here, eventually, eventually_blocking, never, on_drop, poll_once,
};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    let cases = vec![
        case(c3_period_of_a_group_that_a_shutdown_drops_is_over::<R>),
        case(c3_period_that_is_measured_ends_with_the_runtime::<R>),
        case(r1_job_in_line_for_a_permit_is_answered::<R>),
    ];
    cases.into_iter().map(Case::needs_shutdown).collect()
}

/// A group with a job that waits for ever, and that has long to stop.
async fn with_a_waiting_job<R: Runtime>(rt: R, begun: Gate, ended: Count) {
    let group = rt.group(async move |g: GroupHandle<BoxError, R>| {
        g.spawn_blocking(move || {
            let _ended = on_drop(|| ended.note());
            block_on(async {
                begun.open();
                never::<()>().await
            })
        });
        never::<()>().await
    });
    drop(group.grace(LONG).await);
}

/// Its job would keep a thread for ever, and the runtime, which waits for its threads, as well.
fn c3_period_of_a_group_that_a_shutdown_drops_is_over<R: Runtime>(env: &Env<R>) {
    let (begun, ended) = (Gate::new(), Count::new());
    env.block_on(async |rt| {
        let group = with_a_waiting_job(rt.clone(), begun.clone(), ended.clone());
        let task = rt.spawn_detached(async move {
            group.await;
            Ok::<_, BoxError>(())
        });
        eventually(&rt, "the job waits", || begun.is_open()).await;
        drop(task);
    });
    env.shut_down();
    eventually_blocking("the job has ended", || ended.get() == 1);
}

/// The task that measures it is dropped.
fn c3_period_that_is_measured_ends_with_the_runtime<R: Runtime>(env: &Env<R>) {
    let (begun, ended) = (Gate::new(), Count::new());
    env.block_on(async |rt| {
        let mut group = Box::pin(with_a_waiting_job(rt.clone(), begun.clone(), ended.clone()));
        let _ = poll_once(group.as_mut());
        eventually(&rt, "the job waits", || begun.is_open()).await;
    });
    env.shut_down();
    eventually_blocking("the job has ended", || ended.get() == 1);
}

/// Whose permit is held by somebody outside. So is one that comes after the shutdown.
fn r1_job_in_line_for_a_permit_is_answered<R: Runtime>(env: &Env<R>) {
    let semaphore = Semaphore::new(1);
    let _held = semaphore.try_acquire().unwrap();
    let start = |rt: R| {
        let job = || rt.job(|| ()).permit_of(&semaphore);
        [job().spawn_blocking(), job().spawn_cpu()]
    };
    let before = env.block_on(async |rt| start(rt));
    env.shut_down();
    for job in before.into_iter().chain(start(env.runtime())) {
        let error = block_on_here(job).unwrap_err();
        assert_eq!(error.cause().unwrap().kind(), &CauseKind::Shutdown);
    }
}
