//! `map_concurrent` step by step: how much is pulled, what a failure does.

use std::cell::Cell;
use std::pin::pin;
use std::task::Poll;

use anyscope_core::{for_each_concurrent, in_place, map_concurrent, map_concurrent_stream};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::support::{Manual, drive, manuals, poll_once};

type Outcome = Result<usize, std::fmt::Error>;

/// The positions of the manual futures, counting how many were asked for.
fn pulled<'a>(count: &'a Cell<usize>, of: usize) -> impl Iterator<Item = usize> + 'a {
    (0..of).inspect(|_| count.set(count.get() + 1))
}

#[test]
fn it_pulls_an_item_only_when_there_is_room() {
    let (manuals, count): ([Manual<Outcome>; 5], _) = (manuals(), Cell::new(0));
    let map = map_concurrent(pulled(&count, 5), 2, |at| in_place(manuals[at].future()));
    assert_eq!(count.get(), 0, "nothing before the first poll");
    let mut map = pin!(map.into_future());
    assert!(poll_once(&mut map).is_pending());
    assert_eq!(count.get(), 2);
    manuals[1].finish(Ok(1));
    assert!(poll_once(&mut map).is_pending());
    assert_eq!(count.get(), 3);
    [0, 2, 3, 4].into_iter().for_each(|at| manuals[at].finish(Ok(at)));
    assert_eq!(poll_once(&mut map).map(Result::unwrap), Poll::Ready(vec![0, 1, 2, 3, 4]));
}

#[test]
fn a_failure_ends_the_others_and_names_its_item() {
    let (manuals, count): ([Manual<Outcome>; 5], _) = (manuals(), Cell::new(0));
    let map = map_concurrent(pulled(&count, 5), 3, |at| in_place(manuals[at].future()));
    let mut map = pin!(map.into_future());
    assert!(poll_once(&mut map).is_pending());
    manuals[1].finish(Err(std::fmt::Error));
    let Poll::Ready(Err(failed)) = poll_once(&mut map) else { panic!("one has failed") };
    assert_eq!((failed.index(), *failed.error()), (1, std::fmt::Error));
    assert_eq!(count.get(), 3, "nothing more is pulled");
    assert!(manuals[..3].iter().all(Manual::is_gone));
}

#[test]
fn ordered_keeps_early_values_and_counts_them() {
    let (manuals, count): ([Manual<Outcome>; 4], _) = (manuals(), Cell::new(0));
    let map = map_concurrent(pulled(&count, 4), 2, |at| in_place(manuals[at].future()));
    let mut map = pin!(map.ordered());
    assert!(poll_once(&mut map.next()).is_pending());
    manuals[1].finish(Ok(1));
    assert!(poll_once(&mut map.next()).is_pending());
    assert_eq!(count.get(), 2, "the value of 1 takes its place until 0 has come");
    [0, 2, 3].into_iter().for_each(|at| manuals[at].finish(Ok(at)));
    assert_eq!(drive(map.try_collect::<Vec<_>>()).unwrap(), [0, 1, 2, 3]);
}

#[test]
fn as_completed_gives_what_is_there() {
    let manuals: [Manual<Outcome>; 3] = manuals();
    let map = map_concurrent(0..3, 3, |at| in_place(manuals[at].future()));
    let mut map = pin!(map.as_completed());
    assert!(poll_once(&mut map.next()).is_pending());
    manuals[2].finish(Ok(2));
    assert_eq!(poll_once(&mut map.next()), Poll::Ready(Some(Ok(2))));
    manuals[0].finish(Err(std::fmt::Error));
    let Poll::Ready(Some(Err(failed))) = poll_once(&mut map.next()) else { panic!("a failure") };
    assert_eq!(failed.index(), 0);
    assert_eq!(poll_once(&mut map.next()), Poll::Ready(None), "and then it has ended");
}

#[test]
fn a_stream_that_is_late_is_waited_for() {
    let late: Manual<usize> = Manual::new();
    let items = stream::iter([0]).chain(stream::once(late.future()));
    let map = map_concurrent_stream(items, 8, |item| in_place(async move { Outcome::Ok(item) }));
    let mut map = pin!(map.as_completed());
    assert_eq!(poll_once(&mut map.next()), Poll::Ready(Some(Ok(0))));
    assert!(poll_once(&mut map.next()).is_pending());
    late.finish(1);
    assert_eq!(drive(map.try_collect::<Vec<_>>()).unwrap(), [1]);
}

#[test]
#[should_panic(expected = "limit of zero")]
fn a_limit_of_zero_panics() {
    let _ = map_concurrent([0], 0, |item| in_place(async move { Outcome::Ok(item) }));
}

#[test]
fn of_no_items_comes_nothing_at_once() {
    let nothing = || map_concurrent(0..0, 1, |item| in_place(async move { Outcome::Ok(item) }));
    assert_eq!(drive(nothing().into_future()).unwrap(), []);
    assert_eq!(drive(pin!(nothing().ordered()).next()), None);
    assert_eq!(drive(pin!(nothing().as_completed()).next()), None);
    let each = for_each_concurrent(0..0, 1, |_| in_place(async { Ok::<_, std::fmt::Error>(()) }));
    assert!(drive(each).is_ok());
}
