//! What costs nothing to those whom it does not concern (rules C10, G19).

use std::time::{Duration, Instant};

use anyscope_core::{Runtime, cancelled, shield};

use super::{Case, LONG, case};
use crate::env::Env;
use crate::probe::{Count, Outcome, counted, eventually, never, yield_now};
use crate::shielded::Work;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(c10_whoever_waits_to_be_cancelled_is_not_polled_for_its_siblings::<R>),
        case(c10_cancellations_after_a_grace_period_poll_nobody::<R>),
        case(g19_many_background_tasks_end_in_linear_time::<R>),
    ]
}

fn c10_whoever_waits_to_be_cancelled_is_not_polled_for_its_siblings<R: Runtime>(env: &Env<R>) {
    let (polls, begun) = (Count::new(), Count::new());
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                for _ in 0..8 {
                    let begun = begun.clone();
                    g.spawn(counted(polls.clone(), async move {
                        begun.add();
                        cancelled().await;
                        Ok(())
                    }));
                }
                eventually(&rt, "all wait", || begun.get() == 8 && polls.get() == 8).await;
                for _ in 0..50 {
                    let victim = g.spawn(never::<()>());
                    yield_now().await;
                    victim.cancel();
                    assert!(victim.await.unwrap_err().is_cancelled());
                }
                assert_eq!(polls.get(), 8, "each was polled when it began");
                g.cancel();
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn c10_cancellations_after_a_grace_period_poll_nobody<R: Runtime>(env: &Env<R>) {
    let (work, polls) = (Work::default(), Count::new());
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let waiting = work.run();
                g.spawn(counted(polls.clone(), async move {
                    shield(waiting).await;
                    never::<()>().await
                }));
                let disturb = async {
                    work.begun.wait().await;
                    for _ in 0..100 {
                        g.cancel_now();
                        g.cancel();
                        rt.sleep(Duration::ZERO).await;
                        yield_now().await;
                    }
                    work.finish.open();
                };
                shield(disturb).await;
                never().await
            })
            .grace(LONG)
            .await;
        assert!(outcome.unwrap_err().is_cancelled());
    });
    assert!(polls.get() <= 6, "polled {} times", polls.get());
}

/// How long so many background tasks take to end, from when the body returns.
async fn time_to_end<R: Runtime>(rt: &R, tasks: usize) -> Duration {
    let begun = Count::new();
    let outcome: Outcome<Instant> = rt
        .group(async |g| {
            for _ in 0..tasks {
                let begun = begun.clone();
                g.spawn_background(async move {
                    begun.note();
                    never::<()>().await
                });
            }
            eventually(rt, "all have begun", || begun.get() == tasks).await;
            Ok(Instant::now())
        })
        .await;
    outcome.unwrap().elapsed()
}

/// Sixteen times as many would take 256 times as long if each looked through all others.
fn g19_many_background_tasks_end_in_linear_time<R: Runtime>(env: &Env<R>) {
    let few = 2_000;
    if env.size(few) < few {
        return;
    }
    env.run(async |rt| {
        let mut ratio = f64::INFINITY;
        for _ in 0..3 {
            let short = time_to_end(&rt, few).await;
            let long = time_to_end(&rt, 16 * few).await;
            ratio = ratio.min(long.as_secs_f64() / short.as_secs_f64());
        }
        assert!(ratio < 64.0, "sixteen times as many take {ratio:.0} times as long");
    });
}
