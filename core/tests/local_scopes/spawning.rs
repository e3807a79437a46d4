//! Who may spawn when (G9), refusals (G10), never polled (G11), names and places (G17).

use std::cell::RefCell;

use anyscope_core::{BoxError, scope};

use crate::support::{
    Count, Driven, Gate, Kept, Outcome, boom, never, on_drop, run, take_lost, with,
};

#[test]
fn g9_child_spawns_while_the_scope_drains() {
    let (gate, ran) = (Gate::default(), Count::default());
    let mut scope = Driven::new(scope::<BoxError, _>(async |s| {
        let (inner, gate, ran) = (s.clone(), &gate, &ran);
        s.spawn(async move {
            gate.wait().await;
            // The body has returned long ago.
            assert_eq!(inner.live(), 1);
            inner.spawn(async move { Ok(ran.add()) });
            Ok(())
        });
        Ok(())
    }));
    scope.poll_pending();
    gate.open();
    scope.poll_ready().unwrap();
    assert_eq!(ran.get(), 1);
}

#[test]
fn g9_callback_of_the_last_child_spawns() {
    let ran = Count::default();
    let outcome: Outcome<()> = run(scope(async |s| {
        let (inner, ran) = (s.clone(), &ran);
        s.task(async { Ok(()) })
            .on_done(move |_| {
                inner.spawn(async { Ok(ran.add()) });
            })
            .spawn();
        Ok(())
    }));
    outcome.unwrap();
    assert_eq!(ran.get(), 1);
}

#[test]
fn g9_destructor_of_the_last_child_spawns() {
    let ran = Count::default();
    let outcome: Outcome<()> = run(scope(async |s| {
        let (inner, ran) = (s.clone(), &ran);
        let held = on_drop(move || {
            inner.spawn(async { Ok(ran.add()) });
        });
        s.spawn(with(held, async { Ok(()) }));
        Ok(())
    }));
    outcome.unwrap();
    assert_eq!(ran.get(), 1);
}

#[test]
fn g9_spawn_from_outside_the_scope_is_seen() {
    let (kept, ran) = (Kept::new(), Count::default());
    let keep = kept.clone();
    let mut scope = Driven::new(scope::<BoxError, _>(async move |s| {
        keep.put(s);
        never::<Result<(), _>>().await
    }));
    scope.poll_pending();
    scope.take_wakes();
    let in_child = ran.clone();
    kept.get().spawn(async move { Ok(in_child.add()) });
    assert!(scope.take_wakes() > 0 && ran.get() == 0);
    scope.poll_pending();
    assert_eq!(ran.get(), 1);
}

#[test]
fn g10_cancelled_scope_refuses() {
    let (polled, dropped) = (Count::default(), Count::default());
    let outcome: Outcome<()> = run(scope(async |s| {
        s.cancel_because("closed");
        let held = dropped.on_drop();
        let refused = s.spawn(with(held, polled.polls::<Result<(), _>>()));
        assert_eq!((dropped.get(), s.live()), (1, 1));
        assert!(refused.is_finished());
        Ok(())
    }));
    outcome.unwrap();
    assert_eq!(polled.get(), 0);
}

#[test]
fn g10_finished_scope_refuses() {
    let (polled, dropped) = (Count::default(), Count::default());
    let kept = run(scope::<BoxError, _>(async |s| Ok(s))).unwrap();
    let held = dropped.on_drop();
    let refused = kept.spawn(with(held, polled.polls::<Result<(), _>>()));
    assert_eq!((polled.get(), dropped.get(), kept.live()), (0, 1, 0));
    let error = run(refused).unwrap_err();
    assert!(error.is_refused() && error.cause().is_none());
    assert_eq!(error.to_string(), format!("task {} refused: its group has ended", error.task()));
}

#[test]
fn g10_refused_handle_says_why() {
    let kept = RefCell::new(None);
    let outcome: Outcome<()> = run(scope(async |s| {
        s.cancel_because("closed");
        *kept.borrow_mut() = Some(s.spawn(async { Ok(1) }));
        Ok(())
    }));
    outcome.unwrap();
    let error = run(kept.take().unwrap()).unwrap_err();
    assert!(error.is_refused());
    assert_eq!(error.cause().unwrap().to_string(), "requested: closed");
}

#[test]
fn g10_try_spawn_gives_the_future_back() {
    let outcome: Outcome<u32> = run(scope(async |s| {
        let accepted = s.try_spawn(async { Ok(1) }).unwrap();
        s.cancel();
        let refused = s.try_spawn(async { Ok(2) }).unwrap_err();
        assert!(refused.cause().is_some());
        assert!(s.task(never::<Result<(), _>>()).name("x").try_spawn().is_err());
        drop(accepted);
        refused.into_future().await
    }));
    assert_eq!(outcome.unwrap(), 2);
}

#[test]
fn g10_destructors_that_spawn_while_the_scope_is_cut_are_refused() {
    let (polled, refused) = (Count::default(), Count::default());
    let outcome: Outcome<()> = run(scope(async |s| {
        for _ in 0..3 {
            let (inner, polled, refused) = (s.clone(), &polled, &refused);
            let held = on_drop(move || {
                let handle = inner.spawn(polled.polls::<Result<(), _>>());
                assert!(handle.is_finished());
                refused.add();
            });
            s.spawn(with(held, never::<Result<(), _>>()));
        }
        Err(boom("the body"))
    }));
    assert!(outcome.is_err());
    assert_eq!((polled.get(), refused.get()), (0, 3));
}

#[test]
fn g10_destructor_of_a_refused_future_panics() {
    take_lost();
    let outcome: Outcome<()> = run(scope(async |s| {
        s.cancel();
        let bomb = on_drop(|| panic!("refused bomb"));
        assert!(s.spawn(with(bomb, async { Ok(()) })).is_finished());
        Ok(())
    }));
    outcome.unwrap();
    assert_eq!(take_lost()[0].1, "refused bomb");
}

#[test]
fn g11_cancelled_before_the_first_poll_is_never_polled() {
    let (polled, dropped) = (Count::default(), Count::default());
    let outcome: Outcome<()> = run(scope(async |s| {
        for _ in 0..3 {
            let held = dropped.on_drop();
            s.spawn(with(held, polled.polls::<Result<(), _>>()));
        }
        s.cancel();
        Ok(())
    }));
    outcome.unwrap();
    assert_eq!((polled.get(), dropped.get()), (0, 3));
}

#[test]
fn g11_child_cancelled_alone_before_its_first_poll_is_never_polled() {
    let polled = Count::default();
    let outcome: Outcome<()> = run(scope(async |s| {
        let handle = s.spawn(polled.polls::<Result<(), _>>());
        handle.cancel();
        assert!(handle.await.unwrap_err().is_cancelled());
        Ok(())
    }));
    outcome.unwrap();
    assert_eq!(polled.get(), 0);
}

#[test]
fn g17_failures_carry_id_name_and_place() {
    let ids = RefCell::new(Vec::new());
    let line = line!() + 1;
    let outcome: Outcome<()> = run(scope(async |s| {
        let handles = [
            s.task(async { Err::<(), _>(boom("named")) }).name("reader").spawn(),
            s.spawn(async { Err::<(), _>(boom("nameless")) }),
        ];
        ids.borrow_mut().extend(handles.iter().map(|handle| handle.id()));
        Err(boom("body"))
    })
    .policy(anyscope_core::Supervise)
    .name("the scope"));
    let error = outcome.unwrap_err();
    let tasks: Vec<_> = error.failures().unwrap().iter().map(|failure| failure.task()).collect();
    assert_eq!(tasks[1..].iter().map(|task| task.id()).collect::<Vec<_>>(), *ids.borrow());
    let names: Vec<_> = tasks.iter().map(|task| task.name()).collect();
    assert_eq!(names, [Some("the scope"), Some("reader"), None]);
    assert!(tasks.iter().all(|task| task.location().file().ends_with("spawning.rs")));
    let lines: Vec<_> = tasks.iter().map(|task| task.location().line()).collect();
    assert_eq!(lines, [line, line + 2, line + 3]);
}

#[test]
fn g17_scope_and_children_have_ids_of_one_sequence() {
    let outcome: Outcome<()> = run(scope(async |s| {
        let (a, b) = (s.spawn(async { Ok(()) }), s.spawn(async { Ok(()) }));
        assert!(a.id() < b.id());
        assert_ne!(s.id().to_string(), a.id().to_string());
        assert_eq!(s.live(), 3);
        assert!(format!("{s:?} {a:?}").contains("live: 3"));
        Ok(())
    }));
    outcome.unwrap();
}
