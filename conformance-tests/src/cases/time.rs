//! Deadlines and timeouts (rules D1 to D4).

use std::future::ready;
use std::time::{Duration, Instant};

use anyscope_core::{BoxError, CauseKind, Runtime, TaskContext};

use super::{Case, LONG, SHORT, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, deadline_of, eventually, holding, never, parked};
use crate::waits::with_enough_time;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(d1_timeout_says_that_the_time_was_up_and_has_dropped_the_future::<R>),
        case(d1_value_that_is_ready_wins_over_a_time_that_is_up::<R>),
        case(d1_moving_on_gives_an_option::<R>),
        case(d2_deadline_cancels_and_names_its_owner::<R>),
        case(d2_deadline_that_does_not_come_changes_nothing::<R>),
        case(d2_deadline_passes_while_the_group_drains::<R>),
        case(d2_deadline_of_an_inner_task_group_is_not_lost::<R>),
        case(d2_deadline_can_be_moved_nearer_while_the_body_waits::<R>),
        case(d2_deadline_can_be_moved_nearer_while_the_group_drains::<R>),
        case(d2_deadline_can_be_taken_away::<R>),
        case(d2_group_that_moves_on_gives_nothing::<R>),
        case(d3_earliest_of_nested_deadlines_holds::<R>),
        case(d3_moved_deadline_of_an_outer_group_holds_inside::<R>),
        case(d4_past_timeout_polls_its_future_once::<R>),
        case(d4_past_deadline_lets_a_body_that_does_not_suspend_return::<R>),
        case(d4_past_deadline_is_the_result_where_the_body_has_left_a_task::<R>),
    ]
}

fn d1_timeout_says_that_the_time_was_up_and_has_dropped_the_future<R: Runtime>(env: &Env<R>) {
    let dropped = Count::new();
    env.block_on(async |rt| {
        let outcome = rt.timeout(SHORT, parked(&Gate::new(), &dropped)).await;
        assert_eq!(dropped.get(), 1);
        assert!(outcome.is_err());
    });
}

fn d1_value_that_is_ready_wins_over_a_time_that_is_up<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        assert_eq!(rt.timeout(Duration::ZERO, ready(7)).await, Ok(7));
    });
}

fn d2_deadline_cancels_and_names_its_owner<R: Runtime>(env: &Env<R>) {
    let dropped = Count::new();
    env.block_on(async |rt| {
        let mut owner = None;
        let outcome: Outcome<()> = rt
            .group(async |g| {
                owner = Some(g.id());
                g.spawn(parked(&Gate::new(), &dropped));
                never().await
            })
            .name("slow")
            .deadline(SHORT)
            .await;
        let error = outcome.unwrap_err();
        assert!(error.is_cancelled());
        let CauseKind::Deadline(whose) = error.cause().unwrap().kind() else { panic!("{error}") };
        assert_eq!((Some(whose.id()), whose.name()), (owner, Some("slow")));
        assert_eq!(whose.location().file(), file!());
        assert!(error.to_string().contains(&format!("'slow' ({}", whose.location())), "{error}");
        assert_eq!(dropped.get(), 1);
    });
}

fn d2_deadline_that_does_not_come_changes_nothing<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<bool> = rt
            .group(async |_| {
                let left = TaskContext::current().unwrap().remaining().unwrap();
                Ok(left > LONG / 2 && left <= LONG)
            })
            .deadline(LONG)
            .await;
        assert!(outcome.unwrap());
    });
}

/// The body has its value; the deadline is an error all the same.
fn d2_deadline_passes_while_the_group_drains<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.spawn(never::<()>());
                Ok(())
            })
            .deadline(SHORT)
            .await;
        let error = outcome.unwrap_err();
        assert!(matches!(error.cause().unwrap().kind(), CauseKind::Deadline(_)));
    });
}

fn d2_deadline_of_an_inner_task_group_is_not_lost<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let rt = rt.clone();
                g.spawn(async move {
                    let inner = rt.group::<BoxError, _>(async |_| never::<()>().await);
                    inner.deadline(SHORT).await?;
                    Ok(())
                });
                Ok(())
            })
            .await;
        let error = outcome.unwrap_err();
        assert!(error.is_cancelled(), "it is a cause, not a failure");
        assert!(matches!(error.cause().unwrap().kind(), CauseKind::Deadline(_)));
    });
}

fn d3_earliest_of_nested_deadlines_holds<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let mut outer_id = None;
        let outcome: Outcome<()> = rt
            .group(async |g| {
                outer_id = Some(g.id());
                let outer_at = TaskContext::current().unwrap().deadline();
                let inner: Outcome<()> = rt
                    .group(async |_| {
                        assert_eq!(TaskContext::current().unwrap().deadline(), outer_at);
                        never().await
                    })
                    .deadline(LONG)
                    .await;
                drop(inner);
                never().await
            })
            .deadline(SHORT)
            .await;
        let error = outcome.unwrap_err();
        assert_eq!(deadline_of(error.cause().unwrap()), outer_id);
    });
}

fn d4_past_deadline_lets_a_body_that_does_not_suspend_return<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let begin = Instant::now();
        eventually(&rt, "the clock moves", || rt.now() > begin).await;
        let outcome: Outcome<u32> = rt.group(async |_| Ok(4)).deadline_at(begin).await;
        assert_eq!(outcome.unwrap(), 4);
        let outcome: Outcome<u32> = rt.group(async |_| Ok(4)).deadline(Duration::ZERO).await;
        assert_eq!(outcome.unwrap(), 4);
    });
}

/// The value goes, since not all have ended well (G20).
fn d4_past_deadline_is_the_result_where_the_body_has_left_a_task<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let begin = Instant::now();
        eventually(&rt, "the clock moves", || rt.now() > begin).await;
        for at in [begin, rt.now()] {
            let (mut owner, left, value) = (None, Count::new(), Count::new());
            let outcome: Outcome<_> = rt
                .group(async |g| {
                    owner = Some(g.id());
                    g.spawn(holding(left.on_drop(), never::<()>()));
                    Ok(value.on_drop())
                })
                .deadline_at(at)
                .await;
            let Err(error) = outcome else { panic!("the value was given") };
            assert!(error.is_cancelled());
            assert_eq!(deadline_of(error.cause().unwrap()), owner);
            assert_eq!((left.get(), value.get()), (1, 1));
        }
    });
}

fn d1_moving_on_gives_an_option<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        assert_eq!(rt.move_on_after(LONG, ready(7)).await, Some(7));
        assert_eq!(rt.move_on_after(SHORT, std::future::pending::<()>()).await, None);
        assert_eq!(rt.move_on_at(rt.now(), std::future::pending::<()>()).await, None);
    });
}

fn d4_past_timeout_polls_its_future_once<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let past = rt.now().checked_sub(SHORT).unwrap_or_else(|| rt.now());
        assert_eq!(rt.timeout_at(past, ready(7)).await, Ok(7));
        assert!(rt.timeout_at(past, std::future::pending::<()>()).await.is_err());
    });
}

fn is_own_deadline(outcome: Outcome<()>) -> bool {
    matches!(outcome.unwrap_err().cause().unwrap().kind(), CauseKind::Deadline(_))
}

fn d2_deadline_can_be_moved_nearer_while_the_body_waits<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        for first in [None, Some(LONG)] {
            let group = rt.group(async |g| {
                let (h, rt) = (g.clone(), g.runtime());
                g.spawn(async move {
                    h.set_deadline(rt.now() + SHORT);
                    never::<()>().await
                });
                never().await
            });
            let outcome = match first {
                Some(deadline) => group.deadline(deadline).await,
                None => group.await,
            };
            assert!(is_own_deadline(outcome));
        }
    });
}

fn d2_deadline_can_be_moved_nearer_while_the_group_drains<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (h, rt) = (g.clone(), g.runtime());
                g.spawn(async move {
                    eventually(&rt, "the body has ended", || h.live() == 1).await;
                    h.set_deadline(rt.now() + SHORT);
                    never::<()>().await
                });
                Ok(())
            })
            .await;
        assert!(is_own_deadline(outcome));
    });
}

fn d2_deadline_can_be_taken_away<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        with_enough_time(async |time| {
            let (at, mut in_time) = (rt.now() + time, false);
            let group = rt.group::<BoxError, _>(async |g| {
                assert_eq!(g.deadline(), Some(at));
                g.set_deadline(None);
                assert!(g.deadline().is_none());
                in_time = rt.now() < at;
                rt.sleep(time * 2).await;
                Ok(())
            });
            let outcome = group.deadline_at(at).await;
            assert!(outcome.is_ok() || !in_time, "{outcome:?}");
            in_time
        })
        .await;
        let moved: Outcome<()> = rt
            .group(async |g| {
                g.set_deadline(rt.now() + LONG);
                assert!(TaskContext::current().unwrap().remaining().unwrap() > LONG / 2);
                Ok(())
            })
            .deadline(Duration::ZERO)
            .await;
        moved.unwrap();
    });
}

fn d2_group_that_moves_on_gives_nothing<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        // That of zero is past at its first poll.
        for deadline in [SHORT, Duration::ZERO] {
            let own = rt.group::<BoxError, _>(async |_| never::<()>().await).deadline(deadline);
            assert!(own.or_move_on().await.unwrap().is_none(), "{deadline:?}");
        }
        let value = rt.group::<BoxError, _>(async |_| Ok(7)).deadline(LONG);
        assert_eq!(value.or_move_on().await.unwrap(), Some(7));
        let other: Outcome<()> = rt
            .group(async |_| {
                let inner = rt.group::<BoxError, _>(async |_| never::<()>().await);
                // The outer one's time is up, not its own (D3).
                assert!(inner.deadline(LONG).or_move_on().await.is_err());
                Ok(())
            })
            .deadline(SHORT)
            .await;
        assert!(is_own_deadline(other));
    });
}

fn d3_moved_deadline_of_an_outer_group_holds_inside<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (at, later) = (rt.now() + LONG, rt.now() + LONG * 2);
                let inner: Outcome<()> = rt
                    .group(async |h| {
                        assert_eq!(h.deadline(), Some(later));
                        g.set_deadline(at);
                        assert_eq!(h.deadline(), Some(at));
                        assert_eq!(TaskContext::current().unwrap().deadline(), Some(at));
                        Ok(())
                    })
                    .deadline_at(later)
                    .await;
                Ok(inner?)
            })
            .await;
        outcome.unwrap();
    });
}
