//! What happens to plain futures: where they are dropped, who is polled, what is kept.

use std::task::Poll;

use anyscope_core::{WaitFor, as_completed, first_ok, gather, in_place, race, wait};
use futures_util::StreamExt;

use crate::support::{Manual, drive, manuals, poll_once};

type Outcome = Result<u32, std::fmt::Error>;

#[test]
fn gather_drops_the_rest_before_it_gives_the_failure() {
    let manuals: [Manual<Outcome>; 3] = manuals();
    let mut all = gather(manuals.each_ref().map(|manual| in_place(manual.future())));
    assert!(poll_once(&mut all).is_pending());
    manuals[0].finish(Ok(1));
    assert!(poll_once(&mut all).is_pending());
    manuals[2].finish(Err(std::fmt::Error));
    assert_eq!(poll_once(&mut all), Poll::Ready(Err(std::fmt::Error)));
    assert!(manuals.iter().all(Manual::is_gone));
}

#[test]
fn gather_keeps_the_order_of_the_input() {
    let manuals: [Manual<Outcome>; 3] = manuals();
    let mut all = gather(manuals.each_ref().map(|manual| in_place(manual.future())));
    for (value, manual) in manuals.iter().enumerate().rev() {
        assert!(poll_once(&mut all).is_pending());
        manual.finish(Ok(u32::try_from(value).unwrap()));
    }
    assert_eq!(poll_once(&mut all), Poll::Ready(Ok(vec![0, 1, 2])));
}

#[test]
fn input_that_goes_on_after_its_end_is_over_at_its_end() {
    for before in [1, 3, 20, 40] {
        let mut asked = 0;
        let input = std::iter::from_fn(|| {
            asked += 1;
            (asked != before + 1).then(|| in_place(std::future::ready(Outcome::Ok(asked))))
        });
        let mut all = gather(input);
        assert_eq!(poll_once(&mut all), Poll::Ready(Ok((1..=before).collect())));
    }
}

#[test]
fn race_ends_the_losers_first_and_polls_none_after_the_winner() {
    let manuals: [Manual<u32>; 3] = manuals();
    let mut first = race(manuals.each_ref().map(|manual| in_place(manual.future())));
    assert!(poll_once(&mut first).is_pending());
    manuals[2].finish(2);
    manuals[1].finish(1);
    assert_eq!(poll_once(&mut first), Poll::Ready(1), "ties are decided by position");
    assert_eq!(manuals.each_ref().map(Manual::polls), [2, 2, 1]);
    assert!(manuals.iter().all(Manual::is_gone));
}

#[test]
#[should_panic(expected = "nothing to race")]
fn race_of_nothing_panics() {
    drop(race(Vec::<anyscope_core::InPlace<std::future::Ready<()>>>::new()));
}

#[test]
fn race_of_references_keeps_what_the_losers_had() {
    let manuals: [Manual<u32>; 2] = manuals();
    let mut branches = manuals.each_ref().map(|manual| in_place(manual.future()));
    manuals[0].finish(0);
    assert_eq!(drive(race(branches.iter_mut())), 0);
    assert!(manuals[1].is_gone(), "a loser is stopped all the same");
}

#[test]
fn first_ok_goes_on_after_a_failure() {
    let manuals: [Manual<Outcome>; 3] = manuals();
    let mut first = first_ok(manuals.each_ref().map(|manual| in_place(manual.future())));
    manuals[0].finish(Err(std::fmt::Error));
    assert!(poll_once(&mut first).is_pending());
    manuals[2].finish(Ok(2));
    assert_eq!(poll_once(&mut first).map(Result::unwrap), Poll::Ready(2));
    assert!(manuals.iter().all(Manual::is_gone));
}

#[test]
fn first_ok_has_all_errors_in_the_order_of_the_input() {
    let manuals: [Manual<Result<u32, String>>; 2] = manuals();
    let branches = manuals.each_ref().map(|manual| {
        let future = manual.future();
        in_place(async { future.await.map_err(std::io::Error::other) })
    });
    let mut first = first_ok(branches);
    for (index, manual) in manuals.iter().enumerate().rev() {
        assert!(poll_once(&mut first).is_pending());
        manual.finish(Err(index.to_string()));
    }
    let Poll::Ready(Err(failed)) = poll_once(&mut first) else { panic!("all have failed") };
    assert_eq!(failed.to_string(), "all of 2 failed: 0");
    let errors: Vec<_> = failed.into_errors().iter().map(ToString::to_string).collect();
    assert_eq!(errors, ["0", "1"]);
}

#[test]
fn wait_gives_futures_back_with_their_outcome_in_them() {
    let manuals: [Manual<Outcome>; 3] = manuals();
    let mut first =
        wait(manuals.each_ref().map(|manual| in_place(manual.future())), WaitFor::FirstCompleted);
    assert!(poll_once(&mut first).is_pending());
    manuals[2].finish(Ok(2));
    manuals[1].finish(Err(std::fmt::Error));
    let Poll::Ready((mut done, mut pending)) = poll_once(&mut first) else {
        panic!("two are done")
    };
    assert_eq!((done.len(), pending.len()), (2, 1));
    assert_eq!(poll_once(&mut done[0]), Poll::Ready(Err(std::fmt::Error)));
    assert_eq!(poll_once(&mut done[1]), Poll::Ready(Ok(2)));
    manuals[0].finish(Ok(0));
    assert_eq!(poll_once(&mut pending[0]), Poll::Ready(Ok(0)));
}

#[test]
fn wait_for_a_failure_is_not_ended_by_a_value() {
    let manuals: [Manual<Outcome>; 3] = manuals();
    let branches = manuals.each_ref().map(|manual| in_place(manual.future()));
    let mut failed = wait(branches, WaitFor::FirstFailed);
    manuals[0].finish(Ok(0));
    assert!(poll_once(&mut failed).is_pending());
    manuals[1].finish(Err(std::fmt::Error));
    let Poll::Ready((done, pending)) = poll_once(&mut failed) else { panic!("one has failed") };
    assert_eq!((done.len(), pending.len()), (2, 1));
}

#[test]
fn wait_stops_at_the_limit_and_a_value_at_the_same_poll_is_done() {
    let (manuals, limit): ([Manual<Outcome>; 2], _) = (manuals(), Manual::new());
    let branches = manuals.each_ref().map(|manual| in_place(manual.future()));
    let mut all = wait(branches, WaitFor::All).until(limit.future());
    assert!(poll_once(&mut all).is_pending());
    manuals[1].finish(Ok(1));
    limit.finish(());
    let Poll::Ready((done, pending)) = poll_once(&mut all) else { panic!("the time is up") };
    assert_eq!((done.len(), pending.len()), (1, 1));
    assert!(!manuals[0].is_gone(), "nothing is stopped");
}

#[test]
fn as_completed_gives_them_in_the_order_in_which_they_came() {
    let manuals: [Manual<u32>; 3] = manuals();
    let mut stream = as_completed(manuals.each_ref().map(|manual| in_place(manual.future())));
    assert!(poll_once(&mut std::pin::pin!(stream.next())).is_pending());
    [1, 2, 0].into_iter().for_each(|at| manuals[at].finish(u32::try_from(at).unwrap()));
    let order: Vec<_> = drive(StreamExt::collect(stream));
    assert_eq!(order, [1, 2, 0]);
}

#[test]
fn of_nothing_comes_nothing_at_once() {
    type Nothing = Vec<anyscope_core::InPlace<std::future::Ready<Outcome>>>;
    assert_eq!(drive(gather(Nothing::new())), Ok(vec![]));
    assert!(drive(gather(Nothing::new()).settled()).is_empty());
    assert!(drive(first_ok(Nothing::new())).unwrap_err().errors().is_empty());
    assert_eq!(drive(as_completed(Nothing::new()).next()), None);
    for what in [WaitFor::FirstCompleted, WaitFor::FirstFailed, WaitFor::All] {
        let (done, pending) = drive(wait(Nothing::new(), what));
        assert!(done.is_empty() && pending.is_empty());
    }
}
