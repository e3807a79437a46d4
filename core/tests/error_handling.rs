//! Handlers by type, as a chain and as a match (rule E3).

use std::fmt;
use std::io;
use std::num::{ParseFloatError, ParseIntError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use anyscope_core::{
    BoxError, ErrorGroup, Failure, GroupError, PanicPayload, PanicPolicy, handle, scope,
    set_unhandled_hook,
};
use futures_executor::block_on;

fn not_found(what: &str) -> Failure<BoxError> {
    Failure::from_error(io::Error::new(io::ErrorKind::NotFound, format!("no {what}")).into())
        .named(what.to_owned())
}

fn not_a_number(name: &str) -> Failure<BoxError> {
    Failure::from_error("x".parse::<u8>().unwrap_err().into()).named(name.to_owned())
}

fn not_a_float(name: &str) -> Failure<BoxError> {
    Failure::from_error("y".parse::<f64>().unwrap_err().into()).named(name.to_owned())
}

fn group(failures: impl IntoIterator<Item = Failure<BoxError>>) -> ErrorGroup {
    ErrorGroup::from_failures(failures).unwrap()
}

/// io a, (int b, io c, (float d)), int e
fn sample() -> GroupError {
    let inner = Failure::from_group(group([not_a_float("d")])).named("inner");
    let middle = group([not_a_number("b"), not_found("c"), inner]);
    let middle = Failure::from_group(middle).named("middle");
    group([not_found("a"), middle, not_a_number("e")]).with_note("noted").into()
}

/// The names of the leaves with their paths.
fn names(group: &ErrorGroup) -> Vec<String> {
    let name = |leaf: anyscope_core::Leaf<'_, BoxError>| {
        let path = leaf.path();
        let names = path.iter().copied().chain([leaf.failure()]);
        names.map(|one| one.task().name().unwrap_or("-")).collect::<Vec<_>>().join("/")
    };
    group.leaves().map(name).collect()
}

fn left(error: Result<(), GroupError>) -> Vec<String> {
    names(error.unwrap_err().failures().unwrap())
}

#[test]
fn each_failure_goes_to_the_first_handler_that_matches() {
    let mut seen = Vec::new();
    let rest = sample()
        .handle(|error: &io::Error| seen.push(error.to_string()))
        .handle(|_: &io::Error| panic!("all were taken"))
        .handle(|_: &fmt::Error| panic!("there are none"))
        .handle(|_: &ParseIntError| ())
        .finish();
    assert_eq!(seen, ["no a", "no c"]);
    let rest = rest.unwrap_err();
    let failures = rest.failures().unwrap();
    assert_eq!(names(failures), ["middle/inner/d"], "in its original shape");
    assert_eq!(failures.notes(), ["noted"]);
}

#[test]
fn nothing_is_left_when_all_are_handled() {
    let done = sample()
        .handle(|_: &io::Error| ())
        .handle(|_: &ParseIntError| ())
        .handle(|_: &ParseFloatError| ())
        .finish();
    assert!(done.is_ok());
    assert_eq!(left(sample().handling().finish()).len(), 5);
    assert!(
        sample().handling().finish().unwrap_err().map(|error| error.to_string())
            == sample().map(|error| error.to_string())
    );
}

#[test]
fn group_handler_gets_names_paths_and_shape() {
    let mut seen = Vec::new();
    let rest = sample()
        .handling()
        .handle_group(|leaf| leaf.depth() > 0, |group| seen = names(&group))
        .handle_group(|leaf| leaf.depth() > 0, |_| panic!("is not called for none"))
        .finish();
    assert_eq!(seen, ["middle/b", "middle/c", "middle/inner/d"]);
    assert_eq!(left(rest), ["a", "e"]);
}

#[test]
fn what_a_handler_returns_as_an_error_joins_the_rest() {
    let ids: Vec<_> =
        sample().leaves().map(|leaf| leaf.task().name().unwrap().to_owned()).collect();
    assert_eq!(ids, ["a", "b", "c", "d", "e"]);
    let rest = sample()
        .handle(|error: &io::Error| match error.to_string().as_str() {
            "no c" => Err(BoxError::msg("cannot do without c")),
            _ => Ok(()),
        })
        .handle_group(
            |leaf| leaf.is::<ParseIntError>(),
            |bad| -> Result<(), BoxError> {
                assert_eq!(bad.leaves().count(), 2);
                Err(fmt::Error)?;
                Ok(())
            },
        )
        .handle(|_: &fmt::Error| panic!("later handlers do not see it"))
        .finish()
        .unwrap_err();
    let failures = rest.failures().unwrap();
    assert_eq!(names(failures), ["middle/inner/d", "c", "middle"]);
    let joined: Vec<_> = failures.iter().skip(1).map(|one| one.as_error().to_string()).collect();
    assert_eq!(joined, ["cannot do without c", &fmt::Error.to_string()]);
    assert_eq!(failures.notes(), ["noted"]);

    let only = sample().handling().handle_group(|_| true, |_| Err(BoxError::msg("all bad")));
    let only = only.finish().unwrap_err();
    assert_eq!(only.failures().unwrap().len(), 1);
    assert_eq!(only.failures().unwrap().notes(), ["noted"]);
}

#[test]
fn group_that_a_handler_returns_nests() {
    let io = |leaf: &anyscope_core::Leaf<'_, BoxError>| leaf.is::<io::Error>();
    let failures = sample().handling().handle_group(io, |group| Err(group.into())).finish();
    let all = ["middle/b", "middle/inner/d", "e", "a/a", "a/middle/c"];
    assert_eq!(left(failures), all, "in the place of the first that was handled");
    let error = |group: ErrorGroup| Err(GroupError::from(group).into());
    assert_eq!(left(sample().handling().handle_group(io, error).finish()), all);
}

#[test]
fn own_error_type_is_matched_by_condition() {
    #[derive(Debug, thiserror::Error)]
    enum Disk {
        #[error("full")]
        Full,
        #[error("slow by {0} ms")]
        Slow(u32),
    }
    let error: GroupError<Disk> =
        ErrorGroup::from_errors([Disk::Full, Disk::Slow(5), Disk::Slow(900)]).unwrap().into();
    let mut seen = Vec::new();
    let rest = handle!(match error {
        leaf if matches!(leaf.error(), Some(Disk::Slow(..100))) =>
            seen.push(leaf.as_error().to_string()),
        leaf if matches!(leaf.error(), Some(Disk::Slow(_))) => Err(Disk::Full),
    });
    assert_eq!(seen, ["slow by 5 ms"]);
    let rest = rest.unwrap_err();
    let texts: Vec<_> = rest.leaves().map(|leaf| leaf.as_error().to_string()).collect();
    assert_eq!(texts, ["full", "full"]);
    assert!(rest.handle(|_: &Disk| ()).finish().is_ok());
}

#[test]
fn macro_reads_like_a_match() {
    fn report(error: GroupError, seen: &Mutex<Vec<String>>) -> Result<(), GroupError> {
        let note = |text: String| seen.lock().unwrap().push(text);
        handle!(match error {
            io: io::Error => note(format!("io: {io}")),
            ParseIntError | ParseFloatError as bad => {
                note(format!("{} bad numbers: {}", bad.leaves().count(), names(&bad).join(" ")));
            },
            _ as rest => note(format!("{} left", rest.len())),
            cancelled(cause) => note(format!("stopped: {cause}"))
        })
    }
    let seen = Mutex::new(Vec::new());
    report(sample(), &seen).unwrap();
    assert_eq!(
        *seen.lock().unwrap(),
        ["io: no a", "io: no c", "3 bad numbers: middle/b middle/inner/d e"]
    );
}

#[test]
fn arm_may_fail_by_question_mark() {
    let error = sample();
    let rest = handle!(match error {
        bad: ParseIntError => {
            bad.to_string().parse::<f64>()?;
            Ok(())
        },
        leaf if leaf.task().name() == Some("a") => Ok(()),
        _ as all => { let _ = all; Err(BoxError::msg("no more")) },
    });
    let rest = rest.unwrap_err();
    let failures = rest.failures().unwrap();
    assert_eq!(failures.len(), 3);
    assert!(failures.iter().take(2).all(|one| one.is::<ParseFloatError>()));
    assert_eq!(failures.iter().last().unwrap().as_error().to_string(), "no more");
}

#[test]
fn match_without_arms_leaves_all() {
    let error = sample();
    assert_eq!(left(handle!(match error {})), ["a", "middle/b", "middle/c", "middle/inner/d", "e"]);
    assert!(handle!(match (sample()) { _ as all => drop(all) }).is_ok());
}

#[test]
fn macro_takes_any_expression_and_blocks_without_commas() {
    struct Report {
        error: Result<(), GroupError>,
    }
    let report = Report { error: Err(sample()) };
    let mut seen = 0;
    let rest = handle!(match report.error.unwrap_err() {
        _io: io::Error => {
            seen += 1;
        }
        ParseIntError as bad => {
            seen += bad.leaves().count();
        }
        leaf if leaf.depth() > 5 => {}
        cancelled(_) => {}
        _ as left => drop(left)
    });
    assert!(rest.is_ok());
    assert_eq!(seen, 4);
}

#[test]
fn panics_are_handled_by_their_type() {
    let failed: Result<(), GroupError> = block_on(
        scope(async |s| {
            s.spawn::<_, ()>(async { panic!("expected: a panic") });
            std::future::pending().await
        })
        .panics(PanicPolicy::Capture),
    );
    let mut seen = Vec::new();
    failed.unwrap_err().handle(|panic: &PanicPayload| seen.push(panic.message())).finish().unwrap();
    assert_eq!(seen, ["expected: a panic"]);
}

/// Counts its drops, and is an error.
#[derive(Debug, thiserror::Error)]
#[error("counted {0}")]
struct Counted(usize, #[source] Drops);

#[derive(Debug, Clone, thiserror::Error)]
#[error("drops")]
struct Drops(Arc<Mutex<[usize; 4]>>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.0.lock().unwrap()[self.0] += 1;
    }
}

#[test]
fn handler_that_panics_leaves_the_rest_to_the_hook() {
    let reported = Arc::new(Mutex::new(Vec::new()));
    let hook = reported.clone();
    set_unhandled_hook(move |lost| hook.lock().unwrap().push(lost.to_string()));
    let drops = Drops(Arc::default());
    let error = || -> GroupError {
        let counted = (0..3).map(|number| BoxError::from(Counted(number, drops.clone())));
        ErrorGroup::from_errors(counted.chain([BoxError::msg("other")])).unwrap().into()
    };
    let mut handled = 0;
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        error()
            .handling()
            .handle_each(
                |leaf| leaf.to_string().ends_with("counted 0"),
                |_| Err(Counted(3, drops.clone()).into()),
            )
            .handle(|_: &Counted| {
                handled += 1;
                assert!(handled < 2, "expected: the second is too much");
            })
            .finish()
    }));
    assert!(unwound.is_err());
    assert_eq!(*drops.0.lock().unwrap(), [1; 4]);
    let mut texts = std::mem::take(&mut *reported.lock().unwrap());
    texts.sort_by_key(|text| text.rsplit(": ").next().unwrap().to_owned());
    let ends: Vec<_> = texts.iter().map(|text| text.rsplit(": ").next().unwrap()).collect();
    assert_eq!(ends, ["counted 1", "counted 2", "counted 3", "other"]);

    // What was handled to the end is not reported.
    error().handle(|_: &Counted| ()).handle_group(|_| true, drop).finish().unwrap();
    assert!(error().handle(|_: &Counted| ()).finish().is_err());
    assert_eq!(reported.lock().unwrap().len(), 0);

    // A chain without its end loses nothing in silence either.
    drop(error().handling());
    assert_eq!(reported.lock().unwrap().len(), 4);
}
