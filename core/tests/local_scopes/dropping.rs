//! Dropping a scope's future: all gone in place before the drop returns (S2, G2), leftovers reported
//! (C9).

use std::cell::RefCell;

use anyscope_core::unhandled::UnhandledKind::{Cleanup, Failure, Panic};
use anyscope_core::{BoxError, CauseKind, Supervise, acquire, scope};

use crate::support::{
    Count, Driven, Gate, Kept, boom, never, on_drop, panic_of, run, take_lost, with, yield_now,
};

#[test]
fn s2_body_and_children_are_gone_when_the_drop_returns() {
    let dropped = Count::default();
    let mut scope = Driven::new(scope::<BoxError, _>(async |s| {
        let _in_body = dropped.on_drop();
        for _ in 0..10 {
            let held = dropped.on_drop();
            s.spawn(with(held, never::<Result<(), _>>()));
        }
        never::<Result<(), _>>().await
    }));
    scope.poll_pending();
    assert_eq!((dropped.get(), scope.wakers()), (0, 1));
    scope.drop_future();
    assert_eq!((dropped.get(), scope.wakers()), (11, 0));
}

#[test]
fn s2_child_that_was_never_polled_is_dropped_as_well() {
    let (polls, dropped, kept) = (Count::default(), Count::default(), Kept::new());
    let keep = kept.clone();
    let mut scope = Driven::new(scope::<BoxError, _>(async move |s| {
        keep.put(s);
        never::<Result<(), _>>().await
    }));
    scope.poll_pending();
    let held = dropped.on_drop();
    let handle = kept.get().spawn(with(held, polls.polls::<Result<(), _>>()));
    drop(scope);
    assert_eq!((polls.get(), dropped.get()), (0, 1));
    let error = run(handle).unwrap_err();
    assert_eq!(error.cause().unwrap().kind(), &CauseKind::Dropped);
    assert!(kept.get().try_spawn(async { Ok(()) }).is_err());
}

#[test]
fn s2_scope_that_was_never_polled_drops_its_body() {
    let dropped = Count::default();
    let held = dropped.on_drop();
    drop(scope::<BoxError, _>(async move |_| Ok(drop(held))));
    assert_eq!(dropped.get(), 1);
}

#[test]
fn s2_nested_scopes_are_gone_with_the_outer_one() {
    let dropped = Count::default();
    let mut outer = Driven::new(scope::<BoxError, _>(async |outer| {
        outer.spawn(async {
            let inner = scope::<BoxError, _>(async |inner| {
                let held = dropped.on_drop();
                inner.spawn(with(held, never::<Result<(), _>>()));
                never().await
            });
            Ok(inner.await?)
        });
        never::<Result<(), _>>().await
    }));
    outer.poll_pending();
    drop(outer);
    assert_eq!(dropped.get(), 1);
}

#[test]
fn s2_destructors_that_use_the_scope_while_it_is_dropped() {
    let (dropped, refused) = (Count::default(), Count::default());
    let mut scope = Driven::new(scope::<BoxError, _>(async |s| {
        for _ in 0..3 {
            let (inner, dropped, refused) = (s.clone(), &dropped, &refused);
            let sibling = s.spawn(never::<Result<(), _>>());
            let held = on_drop(move || {
                sibling.cancel();
                inner.cancel();
                inner.task(never::<Result<(), _>>()).on_done(|_| refused.add()).spawn();
                dropped.add();
            });
            s.spawn(with(held, never::<Result<(), _>>()));
        }
        never::<Result<(), _>>().await
    }));
    scope.poll_pending();
    drop(scope);
    assert_eq!((dropped.get(), refused.get()), (3, 3));
}

#[test]
fn s2_callbacks_are_told_of_the_drop() {
    let causes = RefCell::new(Vec::new());
    let mut scope = Driven::new(scope::<BoxError, _>(async |s| {
        for _ in 0..2 {
            let causes = &causes;
            s.task(never::<Result<(), _>>())
                .on_done(|end| causes.borrow_mut().push(end.unwrap_err().cause().cloned().unwrap()))
                .spawn();
        }
        never::<Result<(), _>>().await
    }));
    scope.poll_pending();
    drop(scope);
    let causes = causes.into_inner();
    assert_eq!(causes.iter().filter(|c| c.kind() == &CauseKind::Dropped).count(), 2);
}

#[test]
fn p3_panicking_destructors_do_not_keep_the_others_alive() {
    take_lost();
    let dropped = Count::default();
    let mut scope = Driven::new(scope::<BoxError, _>(async |s| {
        let _in_body = on_drop(|| panic!("of the body"));
        for n in 0..10 {
            let dropped = &dropped;
            let held = on_drop(move || {
                dropped.add();
                assert!(n % 3 != 0, "{n}");
            });
            s.spawn(with(held, never::<Result<(), _>>()));
        }
        never::<Result<(), _>>().await
    }));
    scope.poll_pending();
    drop(scope);
    assert_eq!(dropped.get(), 10);
    let lost = take_lost();
    assert!(lost.iter().all(|(kind, _)| *kind == Panic));
    let mut texts: Vec<_> = lost.into_iter().map(|(_, text)| text).collect();
    texts.sort();
    assert_eq!(texts, ["0", "3", "6", "9", "of the body"]);
}

#[test]
fn p3_scope_dropped_by_a_panic_of_its_caller() {
    take_lost();
    let dropped = Count::default();
    let text = panic_of(|| {
        run(async {
            let mut scope = Box::pin(scope::<BoxError, _>(async |s| {
                for _ in 0..3 {
                    let held = dropped.on_drop();
                    s.spawn(with(held, never::<Result<(), _>>()));
                }
                never::<Result<(), _>>().await
            }));
            std::future::poll_fn(|cx| {
                assert!(scope.as_mut().poll(cx).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
            yield_now().await;
            panic!("the caller's");
        });
    });
    assert_eq!((text.as_str(), dropped.get()), ("the caller's", 3));
}

#[test]
fn c9_failures_of_a_dropped_scope_go_to_the_hook() {
    take_lost();
    let gate = Gate::default();
    let mut scope = Driven::new(
        scope::<BoxError, _>(async |s| {
            s.spawn(async { Err::<(), _>(boom("left over")) });
            s.spawn(async {
                gate.wait().await;
                Ok(())
            });
            Err::<(), _>(boom("the body's"))
        })
        .policy(Supervise),
    );
    scope.poll_pending();
    assert_eq!(take_lost(), []);
    drop(scope);
    assert_eq!(take_lost(), [(Failure, "the body's".into()), (Failure, "left over".into())]);
}

/// A resource that was kept longer than its child, whose clean-up was dropped before. Nothing here could
/// run the release; what matters is that it is left to the drop of the resource.
#[test]
fn c5_resource_kept_longer_than_a_dropped_scope_is_not_forgotten() {
    take_lost();
    let kept = RefCell::new(None);
    {
        let mut scope = Driven::new(scope::<BoxError, _>(async |s| {
            s.spawn(async {
                let open = async { Ok::<_, BoxError>(7) };
                kept.replace(Some(acquire(open, |_, _| async {}).await?));
                never::<Result<(), _>>().await
            });
            never::<Result<(), _>>().await
        }));
        scope.poll_pending();
    }
    let unrun = (Cleanup, "dropped before its end".to_owned());
    assert_eq!(take_lost(), [unrun]);
    let resource = kept.take().unwrap();
    assert_eq!(*resource, 7);
    drop(resource);
    let unreleased = (Cleanup, "a resource was not released".to_owned());
    assert_eq!(take_lost(), [unreleased]);
}
