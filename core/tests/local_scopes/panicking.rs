//! Panics: raised again after all have ended (P1), captured or fatal by option (P2), contained
//! wherever they come from (P3).

use std::cell::Cell;
use std::panic::resume_unwind;

use anyscope_core::unhandled::UnhandledKind::{Destructor, Failure, Panic};
use anyscope_core::{BoxError, CauseKind, PanicPolicy, Supervise, WaitFor, scope, wait};

use crate::support::{
    Count, Driven, Gate, Outcome, boom, never, on_drop, panic_of, run, take_lost, texts, with,
    yield_now,
};

#[test]
fn p1_panic_is_raised_again_after_all_have_ended() {
    let (dropped, cause) = (Count::default(), Cell::new(None));
    let text = panic_of(|| {
        run(scope::<BoxError, _>(async |s| {
            let (_in_body, held) = (dropped.on_drop(), dropped.on_drop());
            s.task(with(held, never::<Result<(), _>>()))
                .on_done(|end| cause.set(end.unwrap_err().cause().cloned()))
                .spawn();
            s.spawn::<_, ()>(async { panic!("of a child") });
            never::<Result<(), _>>().await
        }))
    });
    assert_eq!((text.as_str(), dropped.get()), ("of a child", 2));
    assert!(matches!(cause.take().unwrap().kind(), CauseKind::SiblingFailed(_)));
}

#[test]
fn p1_panic_of_the_body_or_of_its_closure() {
    let dropped = Count::default();
    let text = panic_of(|| {
        run(scope(async |s| -> Result<(), BoxError> {
            let held = dropped.on_drop();
            s.spawn(with(held, never::<Result<(), _>>()));
            yield_now().await;
            panic!("of the body")
        }))
    });
    assert_eq!((text.as_str(), dropped.get()), ("of the body", 1));

    let closure = |s: anyscope_core::Scope<'_>| -> std::future::Ready<Result<(), BoxError>> {
        s.spawn(with(dropped.on_drop(), never::<Result<(), _>>()));
        panic!("of the closure")
    };
    assert_eq!(panic_of(|| run(scope(closure))), "of the closure");
    assert_eq!(dropped.get(), 2);
}

#[test]
fn p1_payload_is_kept() {
    let outcome = std::panic::catch_unwind(|| {
        run(scope::<BoxError, _>(async |s| {
            s.spawn::<_, ()>(async { resume_unwind(Box::new(42_u64)) });
            never::<Result<(), _>>().await
        }))
    });
    assert_eq!(outcome.unwrap_err().downcast_ref(), Some(&42_u64));
}

#[test]
fn p1_failures_and_later_panics_that_are_displaced_go_to_the_hook() {
    take_lost();
    let text = panic_of(|| {
        run(scope::<BoxError, _>(async |s| {
            s.spawn(async { Err::<(), _>(boom("a failure")) });
            s.spawn::<_, ()>(async { panic!("the first panic") });
            let bomb = on_drop(|| panic!("the second panic"));
            s.spawn(with(bomb, never::<Result<(), _>>()));
            never::<Result<(), _>>().await
        })
        .policy(Supervise))
    });
    assert_eq!(text, "the first panic");
    let lost = take_lost();
    assert_eq!(lost, [(Panic, "the second panic".into()), (Failure, "a failure".into())]);
}

#[test]
fn p1_panic_awaited_by_a_sibling_is_raised_once() {
    take_lost();
    let text = panic_of(|| {
        run(scope::<BoxError, _>(async |s| {
            let panicking = s.spawn(async { panic!("once") });
            Ok(panicking.await?)
        }))
    });
    assert_eq!((text.as_str(), take_lost()), ("once", vec![]));
}

#[test]
fn p2_captured_panic_is_a_failure() {
    let dropped = Count::default();
    let outcome: Outcome<()> = run(scope(async |s| {
        s.spawn::<_, ()>(async { panic!("captured") });
        let held = dropped.on_drop();
        s.spawn(with(held, never::<Result<(), _>>()));
        never().await
    })
    .panics(PanicPolicy::Capture));
    assert_eq!((texts(&outcome.unwrap_err()), dropped.get()), (vec!["captured".to_owned()], 1));
}

#[test]
fn p2_panic_aborts_the_process_by_option() {
    const INSIDE: &str = "ANYSCOPE_TEST_ABORTS";
    if std::env::var_os(INSIDE).is_some() {
        let _: Outcome<()> = run(scope(async |_| panic!("fatal")).panics(PanicPolicy::Abort));
        return;
    }
    let name = "panicking::p2_panic_aborts_the_process_by_option";
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--test-threads=1"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    assert!(!output.status.success());
    #[cfg(unix)]
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&output.status), Some(6));
}

#[test]
fn p3_destructor_of_a_future_that_panics_is_a_panic_of_the_child() {
    let outcome: Outcome<()> = run(scope(async |s| {
        let bomb = on_drop(|| panic!("in the destructor"));
        let handle = s.spawn(with(bomb, async { Ok(()) }));
        assert!(handle.await.unwrap_err().is_panic());
        Ok(())
    })
    .policy(Supervise)
    .panics(PanicPolicy::Capture));
    assert_eq!(texts(&outcome.unwrap_err()), ["in the destructor"]);
}

#[test]
fn p3_destructor_that_panics_while_the_scope_is_cut_keeps_nobody_alive() {
    let dropped = Count::default();
    let outcome: Outcome<()> = run(scope(async |s| {
        for n in 0..5 {
            let dropped = &dropped;
            let held = on_drop(move || {
                dropped.add();
                assert!(n != 2, "two");
            });
            s.spawn(with(held, never::<Result<(), _>>()));
        }
        yield_now().await;
        Err(boom("first"))
    })
    .panics(PanicPolicy::Capture));
    assert_eq!(
        (texts(&outcome.unwrap_err()), dropped.get()),
        (vec!["first".into(), "two".into()], 5)
    );
}

#[test]
fn p3_destructor_of_an_output_that_panics_is_reported() {
    take_lost();
    let outcome: Outcome<()> = run(scope(async |s| {
        drop(s.spawn(async { Ok(on_drop(|| panic!("an output"))) }));
        let kept = s.spawn(async { Ok(on_drop(|| panic!("a kept output"))) });
        yield_now().await;
        drop(kept);
        let seen = s.spawn(async { Ok(on_drop(|| panic!("a seen output"))) });
        drop(wait([seen], WaitFor::All).await);
        Ok(())
    }));
    outcome.unwrap();
    let texts = ["an output", "a kept output", "a seen output"];
    assert_eq!(take_lost(), texts.map(|text| (Destructor, text.into())));
}

#[test]
fn p3_destructor_of_the_bodys_value_that_panics_does_not_displace_the_error() {
    take_lost();
    let outcome = run(scope::<BoxError, _>(async |s| {
        s.spawn(async { Err::<(), _>(boom("a failure")) });
        Ok(on_drop(|| panic!("the body's value")))
    }));
    assert_eq!(texts(&outcome.err().unwrap()), ["a failure"]);
    assert_eq!(take_lost(), [(Destructor, "the body's value".into())]);
}

#[test]
fn c9_error_displaced_by_a_panic_of_the_destructor_is_reported() {
    take_lost();
    let outcome: Outcome<()> = run(scope(async |s| {
        let bomb = on_drop(|| panic!("the destructor"));
        s.spawn(with(bomb, async { Err::<(), _>(boom("displaced")) }));
        Ok(())
    })
    .panics(PanicPolicy::Capture));
    assert_eq!(texts(&outcome.unwrap_err()), ["the destructor"]);
    assert_eq!(take_lost(), [(Failure, "displaced".into())]);
}

#[test]
fn p3_nested_scope_raises_through_the_outer_one() {
    let dropped = Count::default();
    let text = panic_of(|| {
        run(scope::<BoxError, _>(async |outer| {
            let held = dropped.on_drop();
            outer.spawn(with(held, never::<Result<(), _>>()));
            outer.spawn(async {
                let inner: Outcome<()> = scope(async |s| {
                    s.spawn::<_, ()>(async { panic!("from within") });
                    never().await
                })
                .await;
                Ok(inner?)
            });
            never::<Result<(), _>>().await
        }))
    });
    assert_eq!((text.as_str(), dropped.get()), ("from within", 1));
}

#[test]
fn p3_dropping_a_waiting_scope_after_its_child_panicked_reports_the_panic() {
    take_lost();
    // The panic is raised in the poll in which it happens; what can be left over is one of a drop.
    let gate = Gate::default();
    let mut scope = Driven::new(scope::<BoxError, _>(async |s| {
        let bomb = on_drop(|| panic!("left"));
        s.spawn(with(bomb, async {
            gate.wait().await;
            Ok(())
        }));
        never::<Result<(), _>>().await
    }));
    scope.poll_pending();
    drop(scope);
    assert_eq!(take_lost(), [(Panic, "left".into())]);
}
