//! Cancelling a scope: when it takes effect (C1), causes (C2), values (C6, G20), from anywhere (C7),
//! at any width (C8).

use std::cell::Cell;

use anyscope_core::{BoxError, CauseKind, scope};

use crate::support::{
    Count, Driven, Gate, Kept, Outcome, boom, never, on_drop, run, texts, with, yield_now,
};

#[test]
fn c1_suspended_children_are_dropped_when_the_scope_is_next_polled() {
    let (kept, polls, dropped) = (Kept::new(), Count::default(), Count::default());
    let (keep, in_children) = (kept.clone(), (polls.clone(), dropped.clone()));
    let mut scope = Driven::new(scope::<BoxError, _>(async move |s| {
        for _ in 0..3 {
            let held = in_children.1.on_drop();
            s.spawn(with(held, in_children.0.polls::<Result<(), _>>()));
        }
        keep.put(s);
        never::<Result<(), _>>().await
    }));
    scope.poll_pending();
    kept.get().cancel();
    assert!(scope.take_wakes() > 0 && dropped.get() == 0);
    kept.get().cancel();
    assert_eq!(scope.take_wakes(), 0);
    assert!(scope.poll_ready().unwrap_err().is_cancelled());
    assert_eq!((polls.get(), dropped.get()), (3, 3));
}

#[test]
fn c1_child_is_not_dropped_in_the_middle_of_its_poll() {
    let (dropped, after) = (Count::default(), Cell::new(None));
    let outcome: Outcome<()> = run(scope(async |s| {
        let (inner, held) = (s.clone(), dropped.on_drop());
        let (dropped, after) = (&dropped, &after);
        s.spawn(with(held, async move {
            inner.cancel();
            after.set(Some(dropped.get()));
            never::<Result<(), _>>().await
        }));
        never().await
    }));
    assert!(outcome.unwrap_err().is_cancelled());
    assert_eq!((after.get(), dropped.get()), (Some(0), 1));
}

#[test]
fn c2_first_cause_stays() {
    let outcome: Outcome<()> = run(scope(async |s| {
        assert!(!s.is_cancelled() && s.cause().is_none());
        s.cancel_because("the first");
        s.cancel_because("the second");
        assert!(s.is_cancelled());
        assert_eq!(s.cause().unwrap().to_string(), "requested: the first");
        Err(boom("late"))
    }));
    let error = outcome.unwrap_err();
    assert_eq!(error.cause().unwrap().to_string(), "requested: the first");
    assert_eq!(texts(&error), ["late"]);
}

#[test]
fn c2_child_cut_with_its_scope_says_why() {
    let told = Cell::new(None);
    let outcome: Outcome<()> = run(scope(async |s| {
        s.task(never::<Result<(), _>>())
            .on_done(|end| told.set(end.unwrap_err().cause().cloned()))
            .spawn();
        s.cancel_because("enough");
        Ok(())
    }));
    outcome.unwrap();
    assert_eq!(told.take().unwrap().to_string(), "requested: enough");
}

#[test]
fn c6_value_beats_a_late_cancellation() {
    let outcome: Outcome<u8> = run(scope(async |s| {
        let inner = s.clone();
        let value = s.spawn(async move {
            inner.cancel();
            Ok(5)
        });
        yield_now().await;
        Ok(value.await?)
    }));
    // The child has its value; the body, which was suspended, was cut.
    assert!(outcome.unwrap_err().is_cancelled());
}

#[test]
fn c6_child_that_is_ready_in_the_poll_that_cancels_keeps_its_value() {
    let kept = Cell::new(None);
    let outcome: Outcome<()> = run(scope(async |s| {
        let inner = s.clone();
        kept.set(Some(s.spawn(async move {
            inner.cancel();
            Ok(5)
        })));
        Ok(())
    }));
    outcome.unwrap();
    assert_eq!(run(kept.take().unwrap()).unwrap(), 5);
}

#[test]
fn c7_cancel_from_a_destructor() {
    let dropped = Count::default();
    let outcome: Outcome<()> = run(scope(async |s| {
        let inner = s.clone();
        s.spawn(with(on_drop(move || inner.cancel_because("destructor")), async { Ok(()) }));
        let held = dropped.on_drop();
        s.spawn(with(held, never::<Result<(), _>>()));
        never().await
    }));
    assert_eq!(outcome.unwrap_err().cause().unwrap().to_string(), "requested: destructor");
    assert_eq!(dropped.get(), 1);
}

#[test]
fn c7_cancel_from_destructors_while_the_scope_is_cut() {
    let dropped = Count::default();
    let outcome: Outcome<()> = run(scope(async |s| {
        for _ in 0..3 {
            let (inner, dropped) = (s.clone(), &dropped);
            let held = on_drop(move || {
                inner.cancel_because("late");
                dropped.add();
            });
            s.spawn(with(held, never::<Result<(), _>>()));
        }
        yield_now().await;
        s.cancel_because("early");
        never().await
    }));
    assert_eq!(outcome.unwrap_err().cause().unwrap().to_string(), "requested: early");
    assert_eq!(dropped.get(), 3);
}

#[test]
fn c7_cancel_from_a_callback() {
    let outcome: Outcome<()> = run(scope(async |s| {
        let inner = s.clone();
        s.task(async { Ok(()) }).on_done(move |_| inner.cancel()).spawn();
        never().await
    }));
    assert!(outcome.unwrap_err().is_cancelled());
}

#[test]
fn c7_cancel_after_the_end_changes_nothing() {
    let kept = run(scope::<BoxError, _>(async |s| Ok(s))).unwrap();
    kept.cancel();
    kept.cancel();
    assert_eq!(kept.live(), 0);
}

#[test]
fn c8_many_children_are_cut_in_one_poll() {
    let dropped = Count::default();
    let gate = Gate::default();
    let mut scope = Driven::new(scope::<BoxError, _>(async |s| {
        for _ in 0..100_000 {
            let held = dropped.on_drop();
            s.spawn(with(held, never::<Result<(), _>>()));
        }
        gate.wait().await;
        s.cancel();
        never::<Result<(), _>>().await
    }));
    while !gate.waits() || scope.take_wakes() > 0 {
        scope.poll_pending();
    }
    gate.open();
    assert!(scope.poll_ready().is_err());
    assert_eq!(dropped.get(), 100_000);
}

#[test]
fn g20_body_that_has_returned_keeps_its_value() {
    let kept = Kept::new();
    let keep = kept.clone();
    let mut scope = Driven::new(scope::<BoxError, _>(async move |s| {
        s.spawn(never::<Result<(), _>>());
        keep.put(s);
        Ok(5)
    }));
    scope.poll_pending();
    kept.get().cancel();
    assert_eq!(scope.poll_ready().unwrap(), 5);
}

#[test]
fn g20_body_that_was_cut_short_gives_the_cause_and_no_failures() {
    let outcome: Outcome<()> = run(scope(async |s| {
        s.cancel();
        never().await
    }));
    let error = outcome.unwrap_err();
    assert!(error.is_cancelled() && error.failures().is_none());
    assert!(matches!(error.cause().unwrap().kind(), CauseKind::Requested(None)));
}
