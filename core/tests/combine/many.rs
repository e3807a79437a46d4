//! So many that their wakers tell who of them is polled.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Poll, Waker};

use anyscope_core::{WaitFor, as_completed, gather, in_place, map_concurrent, wait};
use futures_util::StreamExt;

use crate::support::{Manual, drive, manuals, poll_once, yield_now};

type Outcome = Result<u32, std::fmt::Error>;

#[test]
fn gather_of_any_number_keeps_the_order_of_the_input() {
    for many in [0, 1, 2, 4, 5, 16, 17, 31, 32, 33, 64, 65, 1_000] {
        let numbers = async |n: u32| {
            for _ in 0..n % 4 {
                yield_now().await;
            }
            Outcome::Ok(n)
        };
        let all = drive(gather((0..many).map(|n| in_place(numbers(n)))));
        assert_eq!(all, Ok((0..many).collect()));
        // An iterator that does not know how many it has.
        let unknown = (0..many).filter(|_| true).map(|n| in_place(numbers(n)));
        let settled = drive(gather(unknown).settled());
        assert!(settled.into_iter().eq((0..many).map(Ok)));
    }
}

/// Each is in a box of its own.
#[test]
fn gather_of_large_futures() {
    let large = async |n: u32| {
        let bytes = [n as u8; 4_096];
        yield_now().await;
        Outcome::Ok(bytes.iter().map(|byte| u32::from(*byte)).sum())
    };
    let sums = drive(gather((0..50).map(|n| in_place(large(n)))));
    assert_eq!(sums, Ok((0..50).map(|n| n * 4_096).collect()));
}

#[test]
fn a_failure_among_many_ends_the_rest() {
    let manuals: [Manual<Outcome>; 100] = manuals();
    let mut all = gather(manuals.each_ref().map(|manual| in_place(manual.future())));
    assert!(poll_once(&mut all).is_pending());
    manuals[3].finish(Ok(3));
    assert!(poll_once(&mut all).is_pending());
    manuals[70].finish(Err(std::fmt::Error));
    assert_eq!(poll_once(&mut all), Poll::Ready(Err(std::fmt::Error)));
    assert!(manuals.iter().all(Manual::is_gone));
}

#[test]
fn many_come_in_the_order_in_which_they_were_woken() {
    let manuals: [Manual<usize>; 100] = manuals();
    let mut stream = as_completed(manuals.each_ref().map(|manual| in_place(manual.future())));
    assert!(poll_once(&mut pin!(stream.next())).is_pending());
    let order: Vec<_> = (0..100).map(|n| n * 37 % 100).collect();
    order.iter().for_each(|at| manuals[*at].finish(*at));
    assert_eq!(drive(StreamExt::collect::<Vec<_>>(stream)), order);
}

/// Those that share a waker are polled with each other once or twice, and then alone.
#[test]
fn one_of_many_is_polled_when_it_was_woken() {
    let manuals: [Manual<Outcome>; 100] = manuals();
    let mut all = gather(manuals.each_ref().map(|manual| in_place(manual.future())));
    for (at, manual) in manuals.iter().enumerate() {
        assert!(poll_once(&mut all).is_pending());
        assert!(manuals.iter().all(|manual| manual.polls() <= 4), "after {at}");
        manual.finish(Ok(0));
    }
    assert!(poll_once(&mut all).is_ready());
}

/// Wakes by the first waker that it got, whatever it was polled with since.
#[test]
fn a_waker_stays_good_for_as_long_as_its_future_runs() {
    let manuals: [Manual<()>; 40] = manuals();
    let first_kept = |manual: &Manual<()>| {
        let (mut future, mut first) = (manual.future(), None::<Waker>);
        let future = poll_fn(move |cx| {
            let first = first.get_or_insert_with(|| cx.waker().clone()).clone();
            Pin::new(&mut future)
                .poll(&mut std::task::Context::from_waker(&first))
                .map(|()| Outcome::Ok(0))
        });
        in_place(future)
    };
    let mut all = wait(manuals.each_ref().map(first_kept), WaitFor::All);
    for manual in &manuals {
        assert!(poll_once(&mut all).is_pending());
        manual.finish(());
    }
    assert!(poll_once(&mut all).is_ready());
}

/// Also those that wake each other.
#[test]
fn many_that_wake_themselves_give_way_to_the_executor() {
    for many in [2, 40] {
        let endless = (0..many).map(|_| {
            in_place(poll_fn(|cx| {
                cx.waker().wake_by_ref();
                Poll::<Outcome>::Pending
            }))
        });
        assert!(poll_once(&mut gather(endless)).is_pending());
    }
}

#[test]
fn a_long_map_uses_its_places_again() {
    let work = |n: usize| {
        in_place(async move {
            for _ in 0..n % 3 {
                yield_now().await;
            }
            Ok::<_, std::fmt::Error>(n)
        })
    };
    let values = drive(async { map_concurrent(0..5_000, 50, work).await });
    assert_eq!(values, Ok((0..5_000).collect()));
}
