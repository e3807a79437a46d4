//! What happens to the children of a local scope: they end when the scope polls them, not before.

use std::convert::Infallible;

use anyscope_core::{
    BoxError, GroupError, LocalHandle, Scope, Supervise, first_ok, gather, in_place, race, scope,
};
use futures_util::FutureExt;

use crate::support::{Manual, drive, manuals};

type Child = Manual<Result<u32, BoxError>>;

fn spawn<'env>(s: &Scope<'env>, children: &'env [Child; 3]) -> [LocalHandle<u32>; 3] {
    children.each_ref().map(|child| s.spawn(child.future()))
}

#[test]
fn losers_of_a_race_have_ended_when_the_winner_is_returned() {
    let children: [Child; 3] = manuals();
    children[1].finish(Ok(1));
    let outcome = drive(scope::<BoxError, _>(async |s| {
        let winner = race(spawn(&s, &children)).await?;
        assert!(children.iter().all(Manual::is_gone));
        Ok(winner)
    }));
    assert_eq!(outcome.unwrap(), 1);
}

#[test]
fn the_rest_of_a_gather_has_ended_when_the_failure_is_returned() {
    let children: [Child; 3] = manuals();
    children[2].finish(Err(BoxError::msg("the failure")));
    let outcome: Result<Infallible, GroupError> = drive(
        scope(async |s| {
            let error = gather(spawn(&s, &children)).await.unwrap_err();
            assert!(children.iter().all(Manual::is_gone));
            Err(error.into())
        })
        .policy(Supervise),
    );
    assert_eq!(outcome.unwrap_err().failures().unwrap().len(), 1);
}

#[test]
fn a_dropped_gather_leaves_children_to_their_scope() {
    let children: [Child; 3] = manuals();
    let outcome = drive(scope::<BoxError, _>(async |s| {
        drop(gather(spawn(&s, &children)));
        children.iter().for_each(|child| child.finish(Ok(1)));
        assert!(!children.iter().any(Manual::is_gone));
        Ok(())
    }));
    outcome.unwrap();
    assert_eq!(children.each_ref().map(Manual::polls), [1, 1, 1], "they ran to their ends");
}

#[test]
fn a_failure_is_not_hidden_by_echoes_before_it() {
    let children: [Child; 3] = manuals();
    let outcome: Result<Infallible, GroupError> = drive(
        scope(async |s| {
            let [first, second, _] = spawn(&s, &children);
            first.cancel();
            children[1].finish(Err(BoxError::msg("the group has it")));
            children[2].finish(Ok(2));
            let own = async { Err(BoxError::msg("the failure")) };
            let handles = [first, second].map(|child| async { Ok(child.await?) }.boxed_local());
            let branches = handles.into_iter().chain([own.boxed_local()]).map(in_place);
            Err(first_ok(branches).await.map(|_: u32| ()).unwrap_err().into())
        })
        .policy(Supervise),
    );
    let failures = outcome.unwrap_err().into_failures().unwrap();
    let texts: Vec<_> = failures.iter().map(|one| one.error().unwrap().to_string()).collect();
    assert_eq!(texts, ["the group has it", "all of 3 failed: the failure"]);
}
