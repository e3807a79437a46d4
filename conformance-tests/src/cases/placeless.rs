//! What needs no place in a group with a limit (rule G18).

use std::time::Duration;

use anyscope_core::{Runtime, defer};

use super::limits::fill;
use super::{Case, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, parked, yield_now};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(g18_body_inner_groups_and_background_tasks_need_no_place::<R>),
        case(g18_clean_ups_and_their_timers_need_no_place::<R>),
    ]
}

fn g18_body_inner_groups_and_background_tasks_need_no_place<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let background = Gate::new();
                g.spawn_background(parked(&background, &Count::new()));
                let finish = fill(&g).await;
                background.wait().await;
                let inner: Outcome<i32> =
                    rt.group(async |h| Ok(h.spawn(async { Ok(7) }).await?)).await;
                assert_eq!(inner.unwrap(), 7);
                finish.open();
                Ok(())
            })
            .limit(1)
            .await;
        outcome.unwrap();
    });
}

/// That of the one who has the only place, with another in line; and that of the body, which suspends before
/// the one who has it goes on.
fn g18_clean_ups_and_their_timers_need_no_place<R: Runtime>(env: &Env<R>) {
    let cleaned = Count::new();
    env.run(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (timer, count) = (rt.clone(), cleaned.clone());
                let holder = g.spawn(async move {
                    defer(async move |_| {
                        yield_now().await;
                        timer.sleep(Duration::from_millis(1)).await;
                        count.note();
                    });
                    Ok(())
                });
                let count = cleaned.clone();
                let queued = g.spawn(async move { Ok(count.get()) });
                holder.await?;
                assert_eq!(queued.await?, 1, "it has begun when the holder had ended");

                let (finish, count) = (fill(&g).await, cleaned.clone());
                defer(async move |_| {
                    yield_now().await;
                    count.note();
                    finish.open();
                });
                Ok(())
            })
            .limit(1)
            .await;
        outcome.unwrap();
    });
    assert_eq!(cleaned.get(), 2);
}
