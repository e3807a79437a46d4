//! Completion policies (G16).

use std::sync::atomic::{AtomicUsize, Ordering};

use anyscope_core::{
    BoxError, CauseKind, Failure, FirstSuccess, LocalHandle, Policy, Supervise, Verdict, scope,
};

use crate::support::{Count, Outcome, boom, never, run, take_lost, texts, with, yield_now};

#[test]
fn g16_supervised_children_go_on() {
    let ran = Count::default();
    let outcome: Outcome<()> = run(scope(async |s| {
        let failed = s.spawn(async { Err::<(), _>(boom("one")) });
        assert!(failed.await.unwrap_err().is_failed());
        s.spawn(async {
            yield_now().await;
            ran.add();
            Err::<(), _>(boom("two"))
        });
        Ok(())
    })
    .policy(Supervise));
    let error = outcome.unwrap_err();
    assert_eq!((texts(&error), ran.get()), (vec!["one".to_owned(), "two".to_owned()], 1));
    assert!(error.cause().is_none());
}

#[test]
fn g16_first_success_drops_the_losers_before_it_returns() {
    let dropped = Count::default();
    let outcome: Outcome<Vec<LocalHandle<u8>>> = run(scope(async |s| {
        let held = dropped.on_drop();
        Ok(vec![
            s.spawn(async { Err(boom("fails first")) }),
            s.spawn(with(held, never::<Result<u8, _>>())),
            s.spawn(async {
                yield_now().await;
                Ok(3)
            }),
        ])
    })
    .policy(FirstSuccess::default()));
    let handles = outcome.unwrap();
    assert_eq!(dropped.get(), 1);
    let ends: Vec<_> = handles.into_iter().map(run).collect();
    assert!(ends[0].as_ref().unwrap_err().is_failed());
    let cause = ends[1].as_ref().unwrap_err().cause().unwrap().clone();
    assert!(matches!(cause.kind(), CauseKind::FirstSuccess(_)));
    assert_eq!(*ends[2].as_ref().unwrap(), 3);
}

#[test]
fn g16_first_success_of_none_holds_all_failures() {
    let outcome: Outcome<()> = run(scope(async |s| {
        for text in ["one", "two"] {
            s.spawn(async move { Err::<(), _>(boom(text)) });
        }
        Ok(())
    })
    .policy(FirstSuccess::default()));
    assert_eq!(texts(&outcome.unwrap_err()), ["one", "two"]);
}

#[test]
fn g16_own_policy_decides() {
    struct Most(usize, AtomicUsize);
    impl Policy<BoxError> for Most {
        fn on_failure(&self, _: &Failure<BoxError>) -> Verdict {
            match self.1.fetch_add(1, Ordering::Relaxed) + 1 < self.0 {
                true => Verdict::Continue,
                false => Verdict::Cancel,
            }
        }
    }
    let outcome: Outcome<()> = run(scope(async |s| {
        for n in 0..10 {
            s.spawn(async move { Err::<(), _>(boom(&n.to_string())) });
        }
        never().await
    })
    .policy(Most(3, AtomicUsize::new(0))));
    assert_eq!(texts(&outcome.unwrap_err()), ["0", "1", "2"]);
}

#[test]
fn g16_panic_of_a_policy_cancels() {
    struct Bad;
    impl Policy<BoxError> for Bad {
        fn on_failure(&self, _: &Failure<BoxError>) -> Verdict {
            panic!("bad policy")
        }
    }
    take_lost();
    let outcome: Outcome<()> = run(scope(async |s| {
        s.spawn(async { Err::<(), _>(boom("one")) });
        never().await
    })
    .policy(Bad));
    assert_eq!(texts(&outcome.unwrap_err()), ["one"]);
    assert_eq!(take_lost()[0].1, "bad policy");
}
