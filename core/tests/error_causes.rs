//! Causes among the failures that are handled (rules E3, G21).

use std::fmt;

use anyscope_core::{BoxError, CancelCause, GroupError, PanicPolicy, Supervise, handle, scope};
use futures_executor::block_on;

fn scope_failed(cancel: bool) -> GroupError {
    block_on(
        scope::<BoxError, _>(async |s| {
            s.task::<_, ()>(async { Err(BoxError::msg("bad")) }).name("bad").spawn();
            s.task::<_, ()>(async { panic!("expected: a panic") }).name("panics").spawn();
            if cancel {
                s.cancel_because("closing time");
            }
            std::future::pending::<Result<(), _>>().await
        })
        .policy(Supervise)
        .panics(PanicPolicy::Capture),
    )
    .unwrap_err()
}

#[test]
fn cause_is_handled_apart_and_not_lost() {
    let cut = || scope_failed(true);
    assert!(cut().is_cancelled());
    let mut seen = Vec::new();
    cut().handling().cancelled(|cause| seen.push(cause.to_string())).finish().unwrap();
    assert_eq!(seen, ["requested: closing time"]);
    let rest = cut().handling().finish().unwrap_err();
    assert_eq!(rest.cause().unwrap().to_string(), "requested: closing time");
    let failed = cut().handling().cancelled(|_| Err(BoxError::msg("worse"))).finish();
    assert_eq!(failed.unwrap_err().leaves().count(), 1);
}

#[test]
fn cause_is_left_when_all_failures_were_handled() {
    let failed: Result<(), GroupError> = block_on(scope(async |s| {
        s.cancel_because("closing time");
        Err(BoxError::msg("bad"))
    }));
    let mut error = failed.unwrap_err();
    assert_eq!((error.cause().is_some(), error.leaves().count()), (true, 1));
    error = error.handling().handle_group(|_| true, drop).finish().unwrap_err();
    assert!(error.is_cancelled() && error.cause().is_some());
    error.handling().cancelled(|_| ()).finish().unwrap();
}

#[test]
fn cause_that_is_the_groups_own_failure_goes_with_it() {
    let failed: Result<(), GroupError> = block_on(scope(async |_| Err(BoxError::msg("bad"))));
    let error = failed.unwrap_err();
    assert!(error.cause().is_some());
    let handling = error.handling().cancelled(|_| panic!("its cause is the failure"));
    handling.handle_group(|_| true, drop).finish().unwrap();
}

/// Has failed, and was cancelled by a request.
async fn cut_short() -> Result<(), BoxError> {
    let scope = scope(async |s| {
        s.cancel_because("closing time");
        Err(BoxError::from(fmt::Error))
    });
    Ok(scope.await?)
}

/// The inner scope that was cut short, and failures of their own beside it.
fn cut_short_below(others: usize) -> GroupError {
    let failed: Result<(), GroupError> = block_on(
        scope(async |s| {
            s.spawn::<_, ()>(cut_short());
            for _ in 0..others {
                s.spawn::<_, ()>(async { Err(BoxError::msg("another")) });
            }
            Ok(())
        })
        .policy(Supervise),
    );
    failed.unwrap_err()
}

#[test]
fn cause_of_an_inner_group_outlives_its_failures() {
    let cause = CancelCause::because("closing time");
    let rest = cut_short_below(0).handle(|_: &fmt::Error| ()).finish().unwrap_err();
    assert!(rest.is_cancelled());
    assert_eq!(rest.cause(), Some(&cause));

    let mut seen = Vec::new();
    let done = handle!(match cut_short_below(1) {
        _error: fmt::Error => (),
        _ as all => drop(all),
        cancelled(cause) => seen.push(cause),
    });
    done.unwrap();
    assert_eq!(seen, std::slice::from_ref(&cause));

    let rest = cut_short_below(1).handle(|_: &fmt::Error| ()).finish().unwrap_err();
    assert_eq!((rest.leaves().count(), rest.cause()), (1, Some(&cause)));
}

#[test]
fn cause_of_an_inner_group_stays_there_with_what_is_left() {
    let handling = cut_short_below(1).handling().cancelled(|_| panic!("it is that of the inner"));
    let rest = handling.handle_group(|leaf| !leaf.is::<fmt::Error>(), drop).finish().unwrap_err();
    assert!(rest.cause().is_none());
    let inner = rest.failures().unwrap().first().group().unwrap();
    assert_eq!(inner.cause(), Some(&CancelCause::because("closing time")));
}
