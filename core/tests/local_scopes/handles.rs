//! Handles: what awaiting gives (T1), dropping (T2), finished (T3), taken once (T4), callbacks (T5),
//! cancelling one (T6).

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use anyscope_core::{BoxError, CancelCause, LocalHandle, PanicPolicy, Supervise, scope};

use crate::support::{
    Count, Driven, Gate, Outcome, boom, never, on_drop, run, take_lost, texts, with, yield_now,
};

#[test]
fn t1_awaiting_gives_the_value() {
    let outcome: Outcome<u8> = run(scope(async |s| {
        let slow = s.spawn(async {
            yield_now().await;
            Ok(2)
        });
        Ok(s.spawn(async { Ok(1) }).await? + slow.await?)
    }));
    assert_eq!(outcome.unwrap(), 3);
}

#[test]
fn t1_awaiting_says_failed_panicked_or_cancelled() {
    let outcome: Outcome<()> = run(scope(async |s| {
        let failed = s.spawn(async { Err::<(), _>(boom("bad")) });
        assert!(failed.await.unwrap_err().is_failed());
        let panicked = s.spawn::<_, ()>(async { panic!("worse") });
        assert_eq!(panicked.await.unwrap_err().panic_message(), Some("worse"));
        let cancelled = s.spawn(never::<Result<(), _>>());
        cancelled.cancel();
        let error = cancelled.await.unwrap_err();
        assert_eq!(error.cause().unwrap().to_string(), "requested");
        Ok(())
    })
    .policy(Supervise)
    .panics(PanicPolicy::Capture));
    assert_eq!(texts(&outcome.unwrap_err()), ["bad", "worse"]);
}

#[test]
fn t1_body_that_awaits_a_failed_sibling_is_dropped_there() {
    let resumed = Count::default();
    let outcome: Outcome<()> = run(scope(async |s| {
        let failing = s.spawn(async {
            yield_now().await;
            Err::<(), _>(boom("only this"))
        });
        let _ = failing.await;
        resumed.add();
        Err(boom("secondary"))
    }));
    assert_eq!(texts(&outcome.unwrap_err()), ["only this"]);
    assert_eq!(resumed.get(), 0);
}

#[test]
fn t1_awaited_from_outside_it_resolves() {
    let kept = Cell::new(None);
    let outcome: Outcome<()> = run(scope(async |s| {
        let failing = s.spawn(async { Err::<(), _>(boom("failed")) });
        kept.set(Some((failing, s.spawn(never::<Result<(), BoxError>>()))));
        never().await
    }));
    assert!(outcome.is_err());
    let (failed, cancelled) = kept.take().unwrap();
    assert!(run(failed).unwrap_err().is_failed());
    assert!(run(cancelled).unwrap_err().is_cancelled());
}

#[test]
fn t1_waiter_outside_is_woken_when_the_scope_is_cut() {
    let kept = Cell::new(None);
    let gate = Gate::default();
    let mut scope = Driven::new(scope::<BoxError, _>(async |s| {
        kept.set(Some(s.spawn(never::<Result<(), _>>())));
        gate.wait().await;
        Err::<(), _>(boom("the body"))
    }));
    scope.poll_pending();
    let mut outside = Driven::new(kept.take().unwrap());
    outside.poll_pending();
    gate.open();
    assert!(scope.poll_ready().is_err());
    assert_eq!(outside.take_wakes(), 1);
    assert!(outside.poll_ready().unwrap_err().is_cancelled());
}

/// Somebody outside and a child await one handle through a shared future: what the child is not
/// told must not be lost for the other.
#[test]
fn t1_waiter_outside_that_shares_the_handle_is_woken() {
    let shared = Rc::new(RefCell::new(None::<LocalHandle<()>>));
    let poll_shared = |shared: &Rc<RefCell<Option<LocalHandle<()>>>>, cx: &mut Context<'_>| {
        Pin::new(shared.borrow_mut().as_mut().unwrap()).poll(cx)
    };
    let mut outside = Driven::new(poll_fn(|cx| poll_shared(&shared, cx)));
    let outcome: Outcome<()> = run(scope(async |s| {
        let failing = s.spawn(never::<Result<(), _>>());
        failing.cancel();
        *shared.borrow_mut() = Some(failing);
        yield_now().await;
        s.cancel();
        // With the outsider's waker, as a shared future would.
        assert!(outside.poll().is_pending());
        never().await
    }));
    assert!(outcome.is_err());
    assert_eq!(outside.take_wakes(), 1);
    assert!(outside.poll_ready().unwrap_err().is_cancelled());
}

#[test]
fn t1_handle_of_an_inner_scope_resolves_in_the_outer_one() {
    let outcome: Outcome<()> = run(scope(async |_| {
        let kept = Cell::new(None);
        let inner: Outcome<()> = scope(async |s| {
            kept.set(Some(s.spawn(async { Err::<(), _>(boom("inner")) })));
            Ok(())
        })
        .await;
        assert!(inner.is_err());
        assert!(kept.take().unwrap().await.unwrap_err().is_failed());
        Ok(())
    }));
    outcome.unwrap();
}

#[test]
fn t2_dropping_a_handle_changes_nothing() {
    let (gate, ran) = (Gate::default(), Count::default());
    let mut scope = Driven::new(scope::<BoxError, _>(async |s| {
        drop(s.spawn(async {
            gate.wait().await;
            Ok(ran.add())
        }));
        Ok(())
    }));
    scope.poll_pending();
    gate.open();
    scope.poll_ready().unwrap();
    assert_eq!(ran.get(), 1);
}

#[test]
fn t3_is_finished_only_after_the_destructor() {
    let handle = RefCell::new(None::<LocalHandle<()>>);
    let seen = Cell::new(None);
    let outcome: Outcome<()> = run(scope(async |s| {
        let finished = || handle.borrow().as_ref().map(LocalHandle::is_finished);
        let held = on_drop(|| seen.set(handle.borrow().as_ref().map(LocalHandle::is_finished)));
        *handle.borrow_mut() = Some(s.spawn(with(held, async { Ok(()) })));
        assert_eq!(finished(), Some(false));
        yield_now().await;
        Ok(())
    }));
    outcome.unwrap();
    assert_eq!(seen.get(), Some(false));
    assert!(handle.borrow().as_ref().unwrap().is_finished());
}

#[test]
fn t3_resolved_await_comes_after_the_destructor() {
    let dropped = Count::default();
    let outcome: Outcome<()> = run(scope(async |s| {
        let held = dropped.on_drop();
        s.spawn(with(held, async { Ok(()) })).await?;
        assert_eq!((dropped.get(), s.live()), (1, 1));
        Ok(())
    }));
    outcome.unwrap();
}

#[test]
fn t4_value_is_taken_once_after_the_scope_returned() {
    let mut handle: LocalHandle<String> =
        run(scope::<BoxError, _>(async |s| Ok(s.spawn(async { Ok("value".into()) })))).unwrap();
    assert!(handle.is_finished());
    assert_eq!(run(&mut handle).unwrap(), "value");
    assert!(run(&mut handle).unwrap_err().is_taken());
    handle.cancel();
    assert!(run(handle).unwrap_err().is_taken());
}

#[test]
fn t4_value_nobody_takes_is_gone_before_the_child_counts_as_ended() {
    let (dropped, live) = (Count::default(), Cell::new(0));
    let outcome: Outcome<()> = run(scope(async |s| {
        let (inner, dropped, live) = (s.clone(), &dropped, &live);
        drop(s.spawn(async move {
            Ok(on_drop(move || {
                dropped.add();
                live.set(inner.live());
            }))
        }));
        while s.live() > 1 {
            yield_now().await;
        }
        assert_eq!((dropped.get(), live.get()), (1, 2));
        Ok(())
    }));
    outcome.unwrap();
}

#[test]
fn t5_callback_of_a_refused_child_is_told() {
    let told = Count::default();
    let outcome: Outcome<()> = run(scope(async |s| {
        s.cancel();
        s.task(async { Ok(()) })
            .on_done(|end| {
                assert!(end.unwrap_err().is_refused());
                told.add();
            })
            .spawn();
        Ok(())
    }));
    outcome.unwrap();
    assert_eq!(told.get(), 1);
}

#[test]
fn t5_panic_of_a_callback_is_contained_and_reported() {
    take_lost();
    let outcome: Outcome<u8> = run(scope(async |s| {
        let value = s.task(async { Ok(5) }).on_done(|_| panic!("callback")).spawn();
        Ok(value.await?)
    }));
    assert_eq!(outcome.unwrap(), 5);
    let lost = take_lost();
    assert_eq!((lost.len(), lost[0].1.as_str()), (1, "callback"));
}

#[test]
fn t6_cancelling_one_child_leaves_its_siblings() {
    let (gate, dropped) = (Gate::default(), Count::default());
    let one = Cell::new(None);
    let mut scope = Driven::new(scope::<BoxError, _>(async |s| {
        let held = dropped.on_drop();
        one.set(Some(s.spawn(with(held, never::<Result<(), _>>()))));
        s.spawn(async {
            gate.wait().await;
            Ok(1)
        });
        Ok(5)
    }));
    scope.poll_pending();
    let handle = one.take().unwrap();
    handle.cancel();
    assert!(scope.take_wakes() > 0 && dropped.get() == 0);
    scope.poll_pending();
    assert_eq!((handle.is_finished(), dropped.get()), (true, 1));
    gate.open();
    assert_eq!(scope.poll_ready().unwrap(), 5);
}

#[test]
fn t6_child_that_is_cancelled_says_why() {
    let outcome: Outcome<()> = run(scope(async |s| {
        let child = s.spawn(never::<Result<(), _>>());
        child.cancel_because("no longer needed");
        child.cancel_because("too late");
        let error = child.await.unwrap_err();
        assert_eq!(error.cause(), Some(&CancelCause::because("no longer needed")));
        Ok(())
    }));
    outcome.unwrap();
}

#[test]
fn t6_child_cancels_itself_in_its_own_poll() {
    let (own, after) = (RefCell::new(None::<LocalHandle<u8>>), Count::default());
    let outcome: Outcome<()> = run(scope(async |s| {
        *own.borrow_mut() = Some(s.spawn(async {
            own.borrow().as_ref().unwrap().cancel();
            after.add();
            never::<()>().await;
            Ok(1)
        }));
        Ok(())
    }));
    outcome.unwrap();
    assert_eq!(after.get(), 1);
    assert!(run(own.take().unwrap()).unwrap_err().is_cancelled());
}

#[test]
fn handle_awaited_by_two_in_turn_wakes_the_last() {
    let gate = Gate::default();
    let kept = Cell::new(None);
    let mut scope = Driven::new(scope::<BoxError, _>(async |s| {
        kept.set(Some(s.spawn(async {
            gate.wait().await;
            Ok(3)
        })));
        Ok(())
    }));
    scope.poll_pending();
    let mut handle = kept.take().unwrap();
    let mut first = Driven::new(poll_fn(|cx| Pin::new(&mut handle).poll(cx)));
    first.poll_pending();
    drop(first);
    let mut second = Driven::new(handle);
    second.poll_pending();
    gate.open();
    assert!(matches!(scope.poll(), Poll::Ready(Ok(()))));
    assert_eq!(second.take_wakes(), 1);
    assert_eq!(second.poll_ready().unwrap(), 3);
}
