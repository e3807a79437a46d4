//! Errors of groups among those of others: `?` into what programs use and out of it, and users' enums as `E`.

use std::error::Error;
use std::io;
use std::num::ParseIntError;

use anyscope_core::{
    AsDynError, BoxError, CancelCause, Cancelled, GroupError, TaskError, handle, scope,
};
use futures_executor::block_on;

/// A program's own error type.
#[derive(Debug, thiserror::Error)]
enum AppError {
    #[error("cannot read")]
    Io(#[from] io::Error),
    #[error("not a number")]
    Number(#[from] ParseIntError),
    #[error(transparent)]
    Task(#[from] TaskError),
    #[error("the inner group failed")]
    Inner(#[from] GroupError<ParseIntError>),
}

fn boxed() -> Result<u8, GroupError> {
    block_on(scope(async |_| Ok("x".parse::<u8>()?)))
}

fn own() -> Result<u8, GroupError<AppError>> {
    block_on(scope(async |s| {
        let number = s.spawn(async { Ok("x".parse::<u8>()?) });
        Ok(number.await?)
    }))
}

/// The text, and the first failure by its type, as found by following `source()`.
fn assert_leads_to_the_number(error: &(dyn Error + 'static)) {
    assert!(error.to_string().starts_with("group failed: 1 failure"), "{error}");
    let mut chain = std::iter::successors(Some(error), |&error| error.source());
    assert!(chain.any(|error| error.is::<ParseIntError>()));
}

#[test]
fn into_a_box() {
    fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
        own()?;
        Ok(())
    }
    fn local() -> Result<(), Box<dyn Error>> {
        boxed()?;
        Ok(())
    }
    assert_leads_to_the_number(&*main().unwrap_err());
    let error = local().unwrap_err();
    assert_leads_to_the_number(&*error);
    assert!(error.downcast::<GroupError>().is_ok());
}

#[test]
fn into_anyhow() {
    fn main() -> anyhow::Result<()> {
        use anyhow::Context;
        own().context("at the start")?;
        boxed()?;
        Ok(())
    }
    let error = main().unwrap_err();
    assert_eq!(error.to_string(), "at the start");
    let group = error.downcast_ref::<GroupError<AppError>>().unwrap();
    assert_leads_to_the_number(group);
    let report = format!("{error:?}");
    assert!(
        report.contains("group failed: 1 failure") && report.contains("not a number"),
        "{report}"
    );
}

#[test]
fn into_eyre() {
    fn main() -> eyre::Result<()> {
        boxed()?;
        own()?;
        Ok(())
    }
    let error = main().unwrap_err();
    assert!(error.is::<GroupError>());
    assert_leads_to_the_number(error.downcast_ref::<GroupError>().unwrap());
}

/// What a body comes to that fails with this error.
fn scope_with(error: BoxError) -> GroupError {
    block_on(scope(async |_| Err::<(), _>(error))).unwrap_err()
}

fn typed(error: anyhow::Error) -> BoxError {
    BoxError::from_box(error.reallocate_into_boxed_dyn_error_without_backtrace())
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

#[test]
fn out_of_anyhow_with_its_type() {
    let mut seen = 0;
    let error = scope_with(typed(missing().into()));
    assert!(error.leaves().all(|leaf| leaf.is::<io::Error>()));
    handle!(match error {
        _missing: io::Error => seen += 1,
    })
    .unwrap();
    assert_eq!(seen, 1);
    let outer = scope_with(typed(boxed().unwrap_err().into()));
    let leaf = outer.leaves().next().unwrap();
    assert_eq!((leaf.depth(), leaf.is::<ParseIntError>()), (1, true), "{outer:#}");
    let explained = scope_with(typed(anyhow::Error::from(missing()).context("at the start")));
    let leaf = explained.leaves().next().unwrap();
    assert!(!leaf.is::<io::Error>() && leaf.source().unwrap().is::<io::Error>(), "{explained:#}");
}

#[test]
fn boxes_of_anyhow_and_eyre_hide_the_type() {
    for error in [BoxError::from_box(anyhow::Error::from(missing())), from_eyre(missing())] {
        let error = scope_with(error);
        let leaf = error.leaves().next().unwrap();
        assert!(!leaf.is::<io::Error>() && leaf.to_string().ends_with(&missing().to_string()));
    }
    let error = scope_with(from_eyre(boxed().unwrap_err()));
    let leaf = error.leaves().next().unwrap();
    assert_eq!(leaf.depth(), 0);
    assert_leads_to_the_number(leaf.as_error());
}

fn from_eyre(error: impl Error + Send + Sync + 'static) -> BoxError {
    BoxError::from_box(eyre::Report::new(error))
}

#[test]
fn cancellation_that_comes_out_of_a_box_is_no_failure() {
    let cause = CancelCause::because("closing time");
    let cancelled = || Cancelled::from(cause.clone());
    let boxes = [
        BoxError::from_box(anyhow::Error::from(cancelled())),
        typed(cancelled().into()),
        typed(anyhow::Error::from(cancelled()).context("at the start")),
        from_eyre(cancelled()),
    ];
    for error in boxes {
        let error = scope_with(error);
        assert!(error.is_cancelled(), "{error:#}");
        assert_eq!(error.cause(), Some(&cause));
    }
}

#[test]
fn failures_go_on_as_errors_of_their_own() {
    let first = || own().unwrap_err().into_failures().unwrap().into_failures().remove(0);
    let error: Box<dyn Error + Send + Sync> = first().into();
    assert!(error.to_string().ends_with("not a number"));
    assert!(error.source().unwrap().is::<ParseIntError>());
    assert!(anyhow::Error::from(first()).chain().count() == 2);
}

/// With the trait imported beside an error type that `thiserror` derives, as in a generic library.
#[test]
fn code_for_any_error_stands_beside_a_derived_one() {
    fn texts<E: AsDynError>(error: &GroupError<E>) -> Vec<String> {
        let errors = error.leaves().filter_map(|leaf| leaf.failure().error());
        errors.map(|error| error.as_error().to_string()).collect()
    }
    assert_eq!(texts(&own().unwrap_err()), ["not a number"]);
    assert_eq!(texts(&boxed().unwrap_err()), ["invalid digit found in string"]);
}

#[test]
fn users_enum_is_handled_by_variant() {
    let error = own().unwrap_err();
    let mut numbers = 0;
    handle!(match error {
        leaf if matches!(leaf.error(), Some(AppError::Io(_) | AppError::Task(_))) =>
            panic!("{leaf}"),
        leaf if matches!(leaf.error(), Some(AppError::Number(_))) => numbers += 1,
    })
    .unwrap();
    assert_eq!(numbers, 1);
}

#[test]
fn users_enum_holds_an_inner_group() {
    let failed: Result<(), GroupError<AppError>> = block_on(scope(async |_| {
        scope::<ParseIntError, _>(async |_| "x".parse().map(|_: u8| ())).await?;
        Ok(())
    }));
    let error = failed.unwrap_err();
    let AppError::Inner(inner) = error.failures().unwrap().first().error().unwrap() else {
        panic!("not the inner group: {error:#}");
    };
    assert_eq!(inner.leaves().count(), 1);
}

#[test]
fn mapped_group_nests_in_one_of_another_type() {
    let inner = own();
    let failed: Result<(), GroupError> = block_on(scope(async |_| {
        inner.map_err(|error| error.map(BoxError::from))?;
        Ok(())
    }));
    let error = failed.unwrap_err();
    let leaf = error.leaves().next().unwrap();
    assert_eq!(leaf.depth(), 1);
    assert!(matches!(leaf.downcast_ref(), Some(AppError::Number(_))));
}
