//! Shields of children that end elsewhere: who waited for that is dropped then (C1, C4).

use std::cell::{Cell, RefCell};
use std::sync::mpsc;
use std::thread;

use anyscope_core::{BoxError, LocalHandle, scope};

use crate::shielding::begun;
use crate::support::{Driven, Gate, never, run};
use crate::waking::block_on;

/// The shield of a child of a cancelled scope is dropped by somebody else.
#[test]
fn c4_child_is_cut_when_its_shield_ends_elsewhere() {
    let (gate, shielded) = (Gate::default(), RefCell::new(None));
    let mut scope = Driven::new(scope::<BoxError, _>(async |s| {
        s.spawn(async {
            shielded.replace(Some(begun()));
            never::<Result<(), BoxError>>().await
        });
        gate.wait().await;
        s.cancel();
        never::<Result<(), _>>().await
    }));
    scope.poll_pending();
    gate.open();
    scope.poll_pending();
    scope.take_wakes();
    shielded.take();
    assert!(scope.take_wakes() > 0, "the child is to be cut");
    assert!(scope.poll_ready().unwrap_err().is_cancelled());
}

/// The same of a child that is cancelled alone (T6).
#[test]
fn c4_cancelled_child_is_cut_when_its_shield_ends_elsewhere() {
    let (child, shielded) = (Cell::new(None), RefCell::new(None));
    let mut scope = Driven::new(scope::<BoxError, _>(async |s| {
        child.set(Some(s.spawn(async {
            shielded.replace(Some(begun()));
            never::<Result<(), BoxError>>().await
        })));
        Ok(())
    }));
    scope.poll_pending();
    let child: LocalHandle<()> = child.take().unwrap();
    child.cancel();
    scope.poll_pending();
    scope.take_wakes();
    shielded.take();
    assert!(scope.take_wakes() > 0, "the child is to be cut");
    scope.poll_ready().unwrap();
    assert!(run(child).unwrap_err().is_cancelled());
}

/// It ends on another thread, about when the child is cancelled.
#[test]
fn c4_child_is_cut_when_its_shield_ends_on_another_thread() {
    let (sender, receiver) = mpsc::channel();
    let ending = thread::spawn(move || receiver.into_iter().for_each(drop));
    for _ in 0..200 {
        let outcome = block_on(scope::<BoxError, _>(async |s| {
            s.spawn(async {
                sender.send(begun()).unwrap();
                never::<Result<(), BoxError>>().await
            });
            s.spawn(async { Err::<(), _>(BoxError::msg("first")) });
            never::<Result<(), _>>().await
        }));
        assert!(outcome.is_err());
    }
    drop(sender);
    ending.join().unwrap();
}
