//! Branches and outcomes whose destructors panic, several of them at once (P3).

use std::cell::Cell;
use std::fmt;
use std::future::{Future, IntoFuture, pending, poll_fn, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use anyscope_core::{
    Branch, WaitFor, first_ok, gather, in_place, map_concurrent, race, until_cancelled, wait,
};
use futures_util::StreamExt;

use crate::panics::{self, panic_of};
use crate::support::{drive, poll_once};

#[test]
fn p3_losers_of_a_race_whose_destructors_panic() {
    take_lost();
    let dropped = Cell::new(0);
    let losers = (1..4).map(|n| in_place(armed(n, &dropped, pending())));
    let winner = in_place(armed(0, &dropped, ready(()))); // its number is no bomb
    let text = panic_of(|| drive(race([winner].into_iter().chain(losers))));
    assert_eq!((text.as_str(), dropped.get()), ("1", 4));
    assert_eq!(take_lost(), ["2", "3"]);
}

#[test]
fn w5_losers_behind_one_whose_destructor_panics_are_told_to_stop() {
    take_lost();
    let (dropped, told) = (Cell::new(0), Cell::new(false));
    let bomb = |n| Box::pin(in_place(armed(n, &dropped, pending()))) as AnyBranch<'_>;
    let branches: [AnyBranch<'_>; 4] =
        [Box::pin(in_place(ready(()))), bomb(1), bomb(2), Box::pin(Told(&told))];
    assert_eq!(panic_of(|| drive(race(branches))), "1");
    assert_eq!((dropped.get(), told.get()), (2, true));
    assert_eq!(take_lost(), ["2"]);
}

type AnyBranch<'a> = Pin<Box<dyn Branch<Output = ()> + 'a>>;

/// Never ends, and notes that it was asked to.
struct Told<'a>(&'a Cell<bool>);

impl Future for Told<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Branch for Told<'_> {
    fn poll_ended(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    fn outcome(&self) -> Option<&()> {
        None
    }

    fn stop(self: Pin<&mut Self>) {
        self.0.set(true);
    }
}

#[test]
fn p3_branches_of_a_dropped_gather_whose_destructors_panic() {
    for many in [3, 5, 20, 80] {
        take_lost();
        let dropped = Cell::new(0);
        let mut all =
            gather((0..many).map(|n| in_place(armed(n % 3, &dropped, pending::<Value>()))));
        assert!(poll_once(&mut all).is_pending());
        assert_eq!(panic_of(|| drop(all)), "1");
        assert_eq!(dropped.get(), many);
        assert_eq!(take_lost().len(), many - many.div_ceil(3) - 1);
    }
}

#[test]
fn p3_outcomes_of_a_dropped_gather_whose_destructors_panic() {
    take_lost();
    let dropped = Cell::new(0);
    let value = |n| poll_fn(move |_| if n == 0 { Poll::Pending } else { Poll::Ready(()) });
    let bomb = |n| {
        let (value, bomb) = (value(n), Bomb(n, &dropped));
        in_place(async move {
            value.await;
            Ok::<_, ()>(bomb)
        })
    };
    let mut all = gather((0..4).map(bomb));
    assert!(poll_once(&mut all).is_pending());
    assert_eq!(panic_of(|| drop(all)), "1");
    assert_eq!(dropped.get(), 4);
    assert_eq!(take_lost(), ["2", "3"]);
}

#[test]
fn p3_branches_that_are_dropped_by_a_panic_of_one() {
    take_lost();
    let dropped = Cell::new(0);
    let branch = |n| {
        let first = poll_fn(move |_| {
            assert!(n > 0, "of the first");
            Poll::<()>::Pending
        });
        in_place(armed(n, &dropped, first))
    };
    let text = panic_of(|| drive(gather((0..3).map(branch)).settled()));
    assert_eq!((text.as_str(), dropped.get()), ("of the first", 3));
    assert_eq!(take_lost(), ["1", "2"]);
}

/// What was kept is dropped while the panic of a loser unwinds: two at once would abort the process.
#[test]
fn p3_outcome_that_is_kept_while_a_loser_panics() {
    let dropped = Cell::new(0);
    let bomb = |n| Bomb(n, &dropped);
    let ends = |outcome| Box::pin(in_place(ready(outcome))) as Fallible<'_>;
    let loses = |n| Box::pin(in_place(armed(n, &dropped, pending()))) as Fallible<'_>;

    assert_eq!(panic_of(|| drive(race([ends(Ok(bomb(1))), loses(2)])).is_ok()), "2");
    assert_eq!(take_lost(), ["1"]);
    assert_eq!(panic_of(|| drive(first_ok([ends(Ok(bomb(1))), loses(2)])).is_ok()), "2");
    assert_eq!(take_lost(), ["1"]);
    assert_eq!(panic_of(|| drive(gather([ends(Err(bomb(1))), loses(2)])).is_ok()), "2");
    assert_eq!(take_lost(), ["1"]);
    let mut all = [ends(Err(bomb(1))), loses(2)].into_iter();
    let map = map_concurrent(0..2, 2, |_| all.next().unwrap());
    assert_eq!(panic_of(|| drive(map.into_future()).is_ok()), "2");
    assert_eq!(take_lost(), ["1"]);
    assert_eq!(dropped.get(), 8);
}

#[test]
fn p3_errors_that_first_ok_has_dropped() {
    let dropped = Cell::new(0);
    let fails = |n| Box::pin(in_place(ready(Err(Bomb(n, &dropped))))) as Fallible<'_>;
    let mut first = first_ok([fails(1), fails(2), Box::pin(in_place(pending()))]);
    assert!(poll_once(&mut first).is_pending());
    drop(first);
    assert_eq!((dropped.get(), take_lost()), (2, vec!["1".into(), "2".into()]));
}

#[test]
fn p3_values_that_a_map_has_kept() {
    let dropped = Cell::new(0);
    let mut list = Box::pin(map_concurrent(0..3, 3, |n| later(n, &dropped)).into_future());
    assert!(poll_once(&mut list).is_pending());
    assert_eq!(panic_of(|| drop(list)), "1");
    assert_eq!(take_lost(), ["2"]);

    let mut early = Box::pin(map_concurrent(0..3, 3, |n| later(n, &dropped)).ordered());
    assert!(poll_once(&mut early.next()).is_pending());
    assert_eq!(panic_of(|| drop(early)), "1");
    assert_eq!((dropped.get(), take_lost()), (4, vec!["2".into()]));
}

/// The failure is given none the less.
#[test]
fn p3_values_that_come_too_early_for_a_map_that_fails() {
    take_lost();
    let dropped = Cell::new(0);
    let mut early = Box::pin(map_concurrent(0..4, 4, |n| later(n, &dropped)).ordered());
    let failed = drive(early.next()).map(|outcome| outcome.is_err());
    assert_eq!(failed, Some(true));
    assert_eq!((dropped.get(), take_lost()), (2, vec!["2".into(), "1".into()]));
}

/// Of a map's items the first never ends, the next two are bombs, and the fourth fails.
fn later(n: usize, dropped: &Cell<usize>) -> Item<'_> {
    match n {
        0 => Box::pin(in_place(pending())),
        3 => Box::pin(in_place(ready(Err(fmt::Error)))),
        n => Box::pin(in_place(ready(Ok(Bomb(n, dropped))))),
    }
}

#[test]
fn p3_branches_that_have_been_waited_for() {
    let dropped = Cell::new(0);
    let branches = (0..3).map(|n| later(n, &dropped));
    let mut all = wait(branches, WaitFor::All);
    assert!(poll_once(&mut all).is_pending());
    assert_eq!(panic_of(|| drop(all)), "1");
    assert_eq!((dropped.get(), take_lost()), (2, vec!["2".into()]));
}

/// A future and the value that it has just given.
#[test]
fn p3_value_of_a_future_whose_destructor_panics() {
    take_lost();
    let dropped = Cell::new(0);
    let last = || Last { value: Some(Bomb(2, &dropped)), _own: Bomb(1, &dropped) };
    assert_eq!(panic_of(|| drive(until_cancelled(last())).is_some()), "1");
    assert_eq!(take_lost(), ["2"]);
    assert_eq!(panic_of(|| drive(gather([in_place(last())])).is_ok()), "1");
    assert_eq!((dropped.get(), take_lost()), (4, vec!["2".into()]));
}

struct Last<'a> {
    value: Option<Bomb<'a>>,
    _own: Bomb<'a>,
}

impl<'a> Future for Last<'a> {
    type Output = Result<Bomb<'a>, ()>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(self.value.take().ok_or(()))
    }
}

type Item<'a> = Pin<Box<dyn Branch<Output = Result<Bomb<'a>, fmt::Error>> + 'a>>;

type Fallible<'a> = Pin<Box<dyn Branch<Output = Result<Bomb<'a>, Bomb<'a>>> + 'a>>;

type Value = Result<(), ()>;

/// Counts its drop, in which all panic but number zero.
struct Bomb<'a>(usize, &'a Cell<usize>);

impl Drop for Bomb<'_> {
    fn drop(&mut self) {
        self.1.set(self.1.get() + 1);
        assert!(self.0 == 0, "{}", self.0);
    }
}

/// A future with a bomb, which goes off when it is dropped.
fn armed<'a, F: Future + 'a>(
    number: usize,
    dropped: &'a Cell<usize>,
    future: F,
) -> Pin<Box<dyn Future<Output = F::Output> + 'a>> {
    let bomb = Bomb(number, dropped);
    Box::pin(async move {
        let _bomb = bomb;
        future.await
    })
}

/// The texts of what went to the hook.
fn take_lost() -> Vec<String> {
    panics::take_lost().into_iter().map(|(_, text)| text).collect()
}
