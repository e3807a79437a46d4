//! How a library is tested on every runtime: `retry`, and what must be true of it, without waiting and
//! without luck.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyscope::prelude::*;

/// The library: tries until it succeeds, up to so many times, and waits twice as long after each failure.
async fn retry<R, F, T, E>(
    rt: &R,
    times: u32,
    mut delay: Duration,
    mut attempt: impl FnMut() -> F,
) -> Result<T, E>
where
    R: Runtime,
    F: Future<Output = Result<T, E>>,
{
    for _ in 1..times {
        if let Ok(value) = attempt().await {
            return Ok(value);
        }
        rt.sleep(delay).await;
        delay *= 2;
    }
    attempt().await
}

const STEP: Duration = Duration::from_millis(1);

#[anyscope::test]
async fn succeeds_at_the_third_attempt(rt: AnyRuntime) {
    let (mut attempts, begin) = (0, rt.now());
    let attempt = || {
        attempts += 1;
        std::future::ready(if attempts == 3 { Ok("done") } else { Err("not yet") })
    };
    assert_eq!(retry(&rt, 5, STEP, attempt).await, Ok("done"));
    assert_eq!(attempts, 3);
    assert!(rt.now() - begin >= STEP * 3, "it has waited for one step, and for two");
}

#[anyscope::test]
async fn gives_the_last_failure(rt: AnyRuntime) {
    let mut attempts = 0;
    let attempt = || {
        attempts += 1;
        std::future::ready(Err::<(), _>(attempts))
    };
    assert_eq!(retry(&rt, 3, STEP, attempt).await, Err(3));
}

/// Many at once, of which one fails for good. On the simulated runtime under a thousand schedules.
#[anyscope::test(seeds = 1000)]
async fn stops_with_its_group(rt: AnyRuntime) {
    let (begun, ended) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let error = rt.group::<BoxError, _>(async |g| {
        for hopeless in 0..3 {
            let (begun, ended, rt) = (begun.clone(), ended.clone(), rt.clone());
            g.spawn(async move {
                let _ended = OnDrop(ended);
                begun.fetch_add(1, Ordering::SeqCst);
                let times = if hopeless == 0 { 2 } else { u32::MAX };
                let fail = || std::future::ready(Err::<(), _>(BoxError::msg("hopeless")));
                retry(&rt, times, STEP, fail).await
            });
        }
        Ok(())
    });
    let error = error.await.unwrap_err();
    assert_eq!(error.failures().unwrap().len(), 1);
    assert_eq!(begun.load(Ordering::SeqCst), ended.load(Ordering::SeqCst), "none is left");
}

/// Counts when it is dropped.
struct OnDrop(Arc<AtomicU32>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
