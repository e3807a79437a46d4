//! What failures do: fail-fast (G3), all of them and each once (G4), in order (G6), wrapped (G7),
//! nested (G14), as errors (E1, E5, E6).

use std::error::Error;
use std::fmt;

use anyscope_core::{
    BoxError, CauseKind, FailureKind, GroupError, PanicPolicy, Supervise, TaskError, scope,
};

use crate::support::{
    Count, Driven, Gate, Outcome, boom, never, on_drop, run, texts, with, yield_now,
};

#[test]
fn g3_first_failure_drops_body_and_children() {
    let dropped = Count::default();
    let outcome: Outcome<()> = run(scope(async |s| {
        let (_in_body, held) = (dropped.on_drop(), dropped.on_drop());
        s.spawn(with(held, never::<Result<(), _>>()));
        let failing = s.spawn(async { Err::<(), _>(boom("first")) });
        let id = failing.id();
        s.task(never::<Result<(), _>>())
            .on_done(move |end| {
                let error = end.unwrap_err();
                assert!(error.is_cancelled());
                assert_eq!(error.cause().unwrap().kind(), &CauseKind::SiblingFailed(id));
            })
            .spawn();
        never().await
    }));
    let error = outcome.unwrap_err();
    let failures = error.failures().unwrap();
    let id = failures.first().task().id();
    assert_eq!(error.cause().unwrap().kind(), &CauseKind::SiblingFailed(id));
    assert_eq!((texts(&error), dropped.get()), (vec!["first".to_owned()], 2));
}

#[test]
fn g3_sibling_that_was_woken_as_well_is_not_polled_after_the_failure() {
    let (gate, polls) = (Gate::default(), Count::default());
    let mut scope = Driven::new(scope::<BoxError, _>(async |s| {
        s.spawn(async {
            gate.wait().await;
            Err::<(), _>(boom("first"))
        });
        s.spawn(async {
            gate.wait().await;
            Ok(polls.add())
        });
        never::<Result<(), _>>().await
    }));
    scope.poll_pending();
    gate.open();
    assert_eq!(texts(&scope.poll_ready().unwrap_err()), ["first"]);
    assert_eq!(polls.get(), 0);
}

#[test]
fn g4_failures_raised_while_cancelling_are_in_the_error() {
    let outcome: Outcome<()> = run(scope(async |s| {
        for text in ["second", "third"] {
            let bomb = on_drop(move || panic!("{text}"));
            s.spawn(with(bomb, never::<Result<(), _>>()));
        }
        yield_now().await;
        Err(boom("first"))
    })
    .panics(PanicPolicy::Capture));
    let mut texts = texts(&outcome.unwrap_err());
    texts[1..].sort();
    assert_eq!(texts, ["first", "second", "third"]);
}

#[test]
fn g4_report_of_a_failed_sibling_is_not_counted_again() {
    let outcome: Outcome<()> = run(scope(async |s| {
        let failing = s.spawn(async { Err::<u8, _>(boom("once")) });
        let reporting = s.spawn(async move { Ok(failing.await?) });
        assert!(reporting.await.unwrap_err().is_failed());
        Ok(())
    })
    .policy(Supervise));
    assert_eq!(texts(&outcome.unwrap_err()), ["once"]);
}

#[test]
fn g4_report_of_another_scopes_failure_is_a_failure() {
    let mut other = None;
    let first: Outcome<()> =
        run(scope(async |s| Ok(other = Some(s.spawn(async { Err::<(), _>(boom("elsewhere")) })))));
    assert!(first.is_err());
    let report = other.unwrap();
    let outcome: Outcome<()> = run(scope(async |_| Ok(report.await?)));
    let error = outcome.unwrap_err();
    assert!(error.failures().unwrap().first().error().unwrap().is::<TaskError>());
}

#[test]
fn g4_cancelled_sibling_through_question_mark_is_no_failure() {
    let outcome: Outcome<u8> = run(scope(async |s| {
        let cancelled = s.spawn(never::<Result<u8, _>>());
        cancelled.cancel();
        let passing_on = s.spawn(async move { Ok(cancelled.await?) });
        assert!(passing_on.await.unwrap_err().is_cancelled());
        Ok(5)
    }));
    assert_eq!(outcome.unwrap(), 5);
}

#[test]
fn g4_cancelled_inner_scope_is_no_failure() {
    let outcome: Outcome<u8> = run(scope(async |outer| {
        let child = outer.spawn(async {
            let inner: Outcome<()> = scope(async |s| {
                s.cancel();
                never().await
            })
            .await;
            Ok(inner?)
        });
        assert!(child.await.unwrap_err().is_cancelled());
        Ok(5)
    }));
    assert_eq!(outcome.unwrap(), 5);
}

#[test]
fn g5_error_of_the_body_cancels_the_children() {
    let dropped = Count::default();
    let outcome: Outcome<()> = run(scope(async |s| {
        let held = dropped.on_drop();
        s.spawn(with(held, never::<Result<(), _>>()));
        yield_now().await;
        Err(boom("the body's"))
    }));
    let error = outcome.unwrap_err();
    assert!(matches!(error.cause().unwrap().kind(), CauseKind::SiblingFailed(_)));
    assert_eq!((texts(&error), dropped.get()), (vec!["the body's".to_owned()], 1));
}

#[test]
fn g6_failures_keep_their_order() {
    let gates = [Gate::default(), Gate::default(), Gate::default()];
    let mut scope = Driven::new(
        scope::<BoxError, _>(async |s| {
            for (n, gate) in gates.iter().enumerate() {
                s.spawn(async move {
                    gate.wait().await;
                    Err::<(), _>(boom(&n.to_string()))
                });
            }
            Err::<(), _>(boom("body"))
        })
        .policy(Supervise),
    );
    scope.poll_pending();
    for at in [2, 0, 1] {
        scope.poll_pending();
        gates[at].open();
    }
    assert_eq!(texts(&scope.poll_ready().unwrap_err()), ["body", "2", "0", "1"]);
}

#[test]
fn g7_one_failure_is_wrapped() {
    let outcome: Outcome<()> = run(scope(async |_| Err(boom("alone"))));
    let failures = outcome.unwrap_err().into_failures().unwrap();
    assert_eq!(
        (failures.len(), failures.first().error().unwrap().to_string().as_str()),
        (1, "alone")
    );
}

#[test]
fn g14_inner_scope_is_one_nested_node_through_question_mark() {
    let outcome: Outcome<()> = run(scope(async |outer| {
        outer.spawn(async {
            let inner: Outcome<()> = scope(async |s| {
                s.spawn(async { Err::<(), _>(boom("one")) });
                s.spawn(async { Err::<(), _>(boom("two")) });
                Ok(())
            })
            .policy(Supervise)
            .await;
            Ok(inner?)
        });
        Ok(())
    }));
    let error = outcome.unwrap_err();
    assert_eq!(error.failures().unwrap().len(), 1);
    let FailureKind::Group(inner) = error.failures().unwrap().first().kind() else {
        panic!("not nested: {error:#}");
    };
    assert_eq!(texts(inner), ["one", "two"]);
}

#[test]
fn e1_each_failure_says_how_it_failed() {
    let outcome: Outcome<()> = run(scope(async |s| {
        s.spawn(async { Err::<(), _>(boom("an error")) });
        s.spawn::<_, ()>(async { panic!("a panic") });
        Ok(())
    })
    .policy(Supervise)
    .panics(PanicPolicy::Capture));
    let failures = outcome.unwrap_err().into_failures().unwrap().into_failures();
    assert!(matches!(failures[0].kind(), FailureKind::Error(_)));
    let FailureKind::Panic(panic) = failures.into_iter().nth(1).unwrap().into_kind() else {
        panic!("the second is a panic");
    };
    assert_eq!(panic.into_inner().downcast_ref(), Some(&"a panic"));
}

#[test]
fn e5_error_prints_one_line_or_a_tree() {
    let outcome: Outcome<()> = run(scope(async |s| {
        s.task(async { Err::<(), _>(boom("bad")) }).name("reader").spawn();
        Ok(())
    }));
    let error = outcome.unwrap_err();
    assert!(error.to_string().starts_with("group failed: 1 failure; first: task #"));
    assert!(format!("{error:#}").contains("└─ task"));
    assert_eq!(error.source().unwrap().to_string(), "bad");
}

#[test]
fn e6_own_error_type_goes_through_untouched() {
    let outcome: Result<(), GroupError<Oops>> = run(scope(async |s| {
        s.spawn(async { Err::<(), _>(Oops("mine")) });
        never().await
    }));
    assert_eq!(outcome.unwrap_err().failures().unwrap().first().error(), Some(&Oops("mine")));
}

#[derive(Debug, PartialEq)]
struct Oops(&'static str);

impl fmt::Display for Oops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Oops {}

impl From<TaskError> for Oops {
    fn from(_: TaskError) -> Self {
        Oops("a report that should not have been needed")
    }
}
