//! What a group's outcome holds: the failures in order, the cause, the value (rules G5, G6, G7, G20,
//! G21).

use anyscope_core::{
    BoxError, CancelCause, CauseKind, GroupError, GroupHandle, Runtime, Supervise, TaskId,
};

use super::echoes::texts;
use super::{Case, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, boom, never, parked, yield_now};
use crate::thread;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(g5_error_of_the_body_cancels_the_children_and_stands_first::<R>),
        case(g5_error_of_the_body_stands_beside_those_of_children::<R>),
        case(g6_failures_keep_their_order::<R>),
        case(g6_failure_that_cancelled_the_group_is_first::<R>),
        case(g7_single_failure_is_wrapped::<R>),
        case(g7_error_of_a_body_alone_is_wrapped::<R>),
        case(g7_cancelled_group_has_a_cause_and_no_failures::<R>),
        case(g7_supervised_failures_have_no_cause::<R>),
        case(g20_body_that_returned_keeps_its_value::<R>),
        case(g20_body_that_cancels_and_returns_keeps_its_value::<R>),
        case(g20_body_that_was_cut_short_gives_the_cause::<R>),
        case(g21_failure_beats_a_cancellation_and_both_can_be_read::<R>),
        case(g21_failure_beats_the_value_of_a_cancelled_group::<R>),
        case(g21_cancellation_after_a_failure_changes_nothing::<R>),
    ]
}

fn sibling_failed(task: TaskId) -> CancelCause {
    CauseKind::SiblingFailed(task).into()
}

fn g5_error_of_the_body_cancels_the_children_and_stands_first<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let (started, dropped) = (Gate::new(), Count::new());
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.spawn(parked(&started, &dropped));
                started.wait().await;
                Err(boom("body"))
            })
            .await;
        assert_eq!(dropped.get(), 1);
        let error = outcome.unwrap_err();
        assert_eq!(texts(&error), ["body"]);
        let body = error.failures().unwrap().first().task().id();
        assert_eq!(error.cause(), Some(&sibling_failed(body)));
    });
}

fn g5_error_of_the_body_stands_beside_those_of_children<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let child = g.spawn(async { Err::<(), _>(boom("child")) });
                while !child.is_finished() {
                    yield_now().await;
                }
                Err(boom("body"))
            })
            .policy(Supervise)
            .await;
        assert_eq!(texts(&outcome.unwrap_err()), ["child", "body"]);
    });
}

fn g6_failures_keep_their_order<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let mut turns = Vec::new();
                for number in 0..5 {
                    let turn = Gate::new();
                    turns.push(turn.clone());
                    g.spawn(async move {
                        turn.wait().await;
                        Err::<(), _>(boom(&number.to_string()))
                    });
                }
                for number in [3, 1, 4, 0, 2] {
                    let live = g.live();
                    turns[number].open();
                    while g.live() == live {
                        yield_now().await;
                    }
                }
                Ok(())
            })
            .policy(Supervise)
            .await;
        assert_eq!(texts(&outcome.unwrap_err()), ["3", "1", "4", "0", "2"]);
    });
}

fn g6_failure_that_cancelled_the_group_is_first<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let started = Gate::new();
                let (begun, group) = (started.clone(), g.clone());
                g.try_spawn_blocking(move || {
                    begun.open();
                    while !group.is_cancelled() {
                        thread::yield_now();
                    }
                    Err::<(), _>(boom("while cancelling"))
                });
                started.wait().await;
                g.spawn(async { Err::<(), _>(boom("the first")) });
                never().await
            })
            .await;
        let error = outcome.unwrap_err();
        assert_eq!(texts(&error), ["the first", "while cancelling"]);
        let first = error.failures().unwrap().first().task().id();
        assert_eq!(error.cause(), Some(&sibling_failed(first)));
    });
}

fn g7_single_failure_is_wrapped<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.spawn(async { Err::<(), _>(boom("one")) });
                never().await
            })
            .await;
        let error = outcome.unwrap_err();
        assert!(!error.is_cancelled());
        assert!(error.cause().is_some());
        let failures = error.into_failures().unwrap();
        assert_eq!((failures.len(), failures.iter().count()), (1, 1));
        assert_eq!(failures.into_failures().len(), 1);
    });
}

fn g7_error_of_a_body_alone_is_wrapped<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt.group(async |_| Err(boom("body"))).await;
        assert_eq!(texts(&outcome.unwrap_err()), ["body"]);
    });
}

fn g7_cancelled_group_has_a_cause_and_no_failures<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.cancel();
                never().await
            })
            .await;
        let error = outcome.unwrap_err();
        assert!(error.is_cancelled());
        assert_eq!(error.cause(), Some(&CancelCause::requested()));
        assert!(error.failures().is_none() && error.into_failures().is_none());
    });
}

fn g7_supervised_failures_have_no_cause<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.spawn(async { Err::<(), _>(boom("one")) });
                Ok(())
            })
            .policy(Supervise)
            .await;
        let error = outcome.unwrap_err();
        assert!(error.cause().is_none());
        assert_eq!(texts(&error), ["one"]);
    });
}

fn g20_body_that_returned_keeps_its_value<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let dropped = Count::new();
        let outcome: Outcome<i32> = rt
            .group(async |g| {
                let started = Gate::new();
                g.spawn(parked(&started, &dropped));
                let group = g.clone();
                g.spawn(async move {
                    started.wait().await;
                    // The body and the two tasks, until the body is gone.
                    while group.live() > 2 {
                        yield_now().await;
                    }
                    group.cancel_because("enough");
                    Ok(())
                });
                Ok(7)
            })
            .await;
        assert_eq!(outcome.unwrap(), 7);
        assert_eq!(dropped.get(), 1);
    });
}

fn g20_body_that_cancels_and_returns_keeps_its_value<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let dropped = Count::new();
        let outcome: Outcome<i32> = rt
            .group(async |g| {
                let started = Gate::new();
                g.spawn(parked(&started, &dropped));
                started.wait().await;
                g.cancel();
                Ok(7)
            })
            .await;
        assert_eq!(outcome.unwrap(), 7);
        assert_eq!(dropped.get(), 1);
    });
}

fn g20_body_that_was_cut_short_gives_the_cause<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let dropped = Count::new();
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let _probe = dropped.on_drop();
                let group = g.clone();
                g.spawn(async move {
                    group.cancel_because("enough");
                    Ok(())
                });
                never().await
            })
            .await;
        assert_eq!(dropped.get(), 1);
        let error = outcome.unwrap_err();
        assert_eq!(error.cause(), Some(&CancelCause::because("enough")));
        assert!(error.failures().is_none());
    });
}

/// Cancels the group, and fails after that.
async fn cancel_and_fail<R: Runtime>(g: GroupHandle<BoxError, R>) -> Result<(), BoxError> {
    g.cancel_because("enough");
    Err(boom("late"))
}

fn g21_failure_beats_a_cancellation_and_both_can_be_read<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.spawn(cancel_and_fail(g.clone()));
                never().await
            })
            .await;
        let error = outcome.unwrap_err();
        assert!(!error.is_cancelled());
        assert_eq!(error.cause(), Some(&CancelCause::because("enough")));
        assert_eq!(texts(&error), ["late"]);
    });
}

fn g21_failure_beats_the_value_of_a_cancelled_group<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Result<i32, GroupError<BoxError>> = rt
            .group(async |g| {
                g.spawn(cancel_and_fail(g.clone()));
                Ok(7)
            })
            .await;
        let error = outcome.unwrap_err();
        assert_eq!(error.cause(), Some(&CancelCause::because("enough")));
        assert_eq!(texts(&error), ["late"]);
    });
}

fn g21_cancellation_after_a_failure_changes_nothing<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.spawn(parked(&Gate::new(), &Count::new()));
                let handle = g.clone();
                let failing = g.task(async { Err::<(), _>(boom("first")) });
                failing.on_done(move |_| handle.cancel_because("late")).spawn();
                never().await
            })
            .await;
        let error = outcome.unwrap_err();
        assert_eq!(texts(&error), ["first"]);
        let first = error.failures().unwrap().first().task().id();
        assert_eq!(error.cause(), Some(&sibling_failed(first)));
    });
}
