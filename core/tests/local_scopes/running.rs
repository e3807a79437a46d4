//! How a scope runs and returns: waiting for all (G1), its value (G8), without suspending (G12),
//! giving way to the executor (S1).

use std::cell::RefCell;
use std::task::Poll;

use anyscope_core::{BoxError, Scope, scope};

use crate::support::{Count, Driven, Gate, Outcome, never, run, with, yield_now};

#[test]
fn g1_waits_for_every_child() {
    let (gates, ended) = ([Gate::default(), Gate::default(), Gate::default()], Count::default());
    let mut scope = Driven::new(scope::<BoxError, _>(async |s| {
        for gate in &gates {
            let held = ended.on_drop();
            s.spawn(with(held, async {
                gate.wait().await;
                Ok(())
            }));
        }
        Ok(7)
    }));
    scope.poll_pending();
    for (before, at) in [1, 0, 2].into_iter().enumerate() {
        assert_eq!(ended.get(), before);
        scope.poll_pending();
        gates[at].open();
        if before < 2 {
            scope.poll_pending();
        }
    }
    assert_eq!((scope.poll_ready().unwrap(), ended.get()), (7, 3));
}

#[test]
fn g1_waits_for_children_of_children() {
    fn chain<'env>(s: &Scope<'env>, left: u32, ended: &'env Count) {
        let scope = s.clone();
        s.spawn(async move {
            yield_now().await;
            if left > 0 {
                chain(&scope, left - 1, ended);
            }
            ended.add();
            Ok(())
        });
    }
    let ended = Count::default();
    let outcome: Outcome<()> = run(scope(async |s| {
        chain(&s, 99, &ended);
        Ok(())
    }));
    outcome.unwrap();
    assert_eq!(ended.get(), 100);
}

#[test]
fn g1_waits_however_often_it_is_cancelled() {
    let ended = Count::default();
    let outcome: Outcome<()> = run(scope(async |s| {
        for _ in 0..10 {
            let held = ended.on_drop();
            s.spawn(with(held, never::<Result<(), _>>()));
        }
        yield_now().await;
        for _ in 0..10 {
            s.cancel();
        }
        never().await
    }));
    assert!(outcome.unwrap_err().is_cancelled());
    assert_eq!(ended.get(), 10);
}

#[test]
fn g8_value_comes_after_the_children_have_ended() {
    let gate = Gate::default();
    let mut scope = Driven::new(scope::<BoxError, _>(async |s| {
        s.spawn(async {
            gate.wait().await;
            Ok(())
        });
        Ok("the value")
    }));
    scope.poll_pending();
    gate.open();
    assert_eq!(scope.poll_ready().unwrap(), "the value");
}

#[test]
fn g12_empty_scope_does_not_suspend() {
    let mut scope = Driven::new(scope::<BoxError, _>(async |_| Ok(1)));
    assert_eq!(scope.poll_ready().unwrap(), 1);
    assert_eq!((scope.take_wakes(), scope.wakers()), (0, 0));
}

#[test]
fn g12_nothing_happens_before_the_first_poll() {
    let called = Count::default();
    drop(scope::<BoxError, _>(async |_| Ok(called.add())));
    assert_eq!(called.get(), 0);
}

#[test]
fn s1_children_that_do_not_suspend_end_in_one_poll() {
    let mut scope = Driven::new(scope::<BoxError, _>(async |s| {
        let (a, b) = (s.spawn(async { Ok(1) }), s.spawn(async { Ok(2) }));
        Ok(a.await? + b.await?)
    }));
    assert_eq!(scope.poll_ready().unwrap(), 3);
}

#[test]
fn s1_children_are_first_polled_in_order_of_spawning() {
    let order = RefCell::new(Vec::new());
    let outcome: Outcome<()> = run(scope(async |s| {
        for n in 0..5 {
            let order = &order;
            s.spawn(async move { Ok(order.borrow_mut().push(n)) });
        }
        Ok(order.borrow_mut().push(99))
    }));
    outcome.unwrap();
    assert_eq!(*order.borrow(), [99, 0, 1, 2, 3, 4]);
}

#[test]
fn s1_children_alternate() {
    let order = RefCell::new(Vec::new());
    let talk = async |name: char| {
        for _ in 0..3 {
            order.borrow_mut().push(name);
            yield_now().await;
        }
        Ok(())
    };
    let outcome: Outcome<()> = run(scope(async |s| {
        s.spawn(talk('a'));
        s.spawn(talk('b'));
        Ok(())
    }));
    outcome.unwrap();
    assert_eq!(order.borrow().iter().collect::<String>(), "ababab");
}

/// Also a body that wakes itself and spawns without end.
#[test]
fn s1_child_that_yields_gives_way_to_the_executor() {
    let (rounds, spawned) = (Count::default(), Count::default());
    let mut scope = Driven::new(scope(async |s| -> Result<(), BoxError> {
        loop {
            rounds.add();
            s.spawn(async { Ok(spawned.add()) });
            yield_now().await;
        }
    }));
    for _ in 0..5 {
        let before = rounds.get();
        scope.poll_pending();
        assert!((1..1_000).contains(&(rounds.get() - before)), "{} in one poll", rounds.get());
        assert_ne!(scope.take_wakes(), 0);
    }
    assert!(spawned.get() >= 5);
}

/// Children that are always ready do not keep the executor's thread for ever.
#[test]
fn s1_scope_gives_way_after_many_polls() {
    fn endless<'env>(s: &Scope<'env>, ran: &'env Count) {
        let scope = s.clone();
        s.spawn(async move {
            ran.add();
            endless(&scope, ran);
            Ok(())
        });
    }
    let ran = Count::default();
    let mut scope = Driven::new(scope::<BoxError, _>(async |s| Ok(endless(&s, &ran))));
    for _ in 0..3 {
        let before = ran.get();
        scope.poll_pending();
        assert_ne!(scope.take_wakes(), 0);
        assert!((1..1_000).contains(&(ran.get() - before)), "{} in one poll", ran.get() - before);
    }
}

#[test]
fn s1_scopes_nest() {
    let text = String::from("a b c");
    let outcome: Outcome<usize> = run(scope(async |outer| {
        let mut sum = 0;
        for word in text.split(' ') {
            let part = outer.spawn(async move {
                let inner: Outcome<usize> = scope(async |s| {
                    let length = s.spawn(async {
                        yield_now().await;
                        Ok(word.len())
                    });
                    Ok(length.await?)
                })
                .await;
                Ok(inner?)
            });
            sum += part.await?;
        }
        Ok(sum)
    }));
    assert_eq!(outcome.unwrap(), 3);
}

#[test]
#[should_panic = "not polled after it has returned"]
fn finished_scope_is_not_polled_again() {
    let mut scope = Driven::new(scope::<BoxError, _>(async |_| Ok(())));
    assert!(matches!(scope.poll(), Poll::Ready(Ok(()))));
    let _ = scope.poll();
}
