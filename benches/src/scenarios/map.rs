//! A function over many items, some of them in flight at a time.

use std::num::NonZeroUsize;

use anyscope_core::{TaskError, in_place, map_concurrent};
use futures_buffered::BufferedStreamExt;
use futures_concurrency::prelude::{ConcurrentStream, IntoConcurrentStream};
use futures_executor::block_on;
use futures_util::StreamExt;
use futures_util::stream::iter;

use super::work::{Work, Yielding};
use crate::{Contender, Plan, Scenario, Setting};

const IN_FLIGHT: usize = 100;

pub(super) const MAP: Scenario = Scenario {
    name: "map",
    about: "an async function over many items, 100 of them in flight",
    settings: &[Setting::Plain],
    full: Plan { sizes: &[1_000, 10_000, 100_000], rounds: 15 },
    quick: Plan { sizes: &[1_000, 10_000], rounds: 3 },
    at_least: 1,
    contenders: |_| contenders(),
    ..Scenario::TASKS
};

fn contenders() -> Vec<Contender> {
    vec![
        Contender::plain("futures buffer_unordered", |n| {
            let futures = iter(0..n as u64).map(|i| Yielding.plain(i));
            block_on(futures.buffer_unordered(IN_FLIGHT).fold(0, async |sum, i| sum + i))
        }),
        Contender::plain("map_concurrent", |n| {
            let map = map_concurrent(0..n as u64, IN_FLIGHT, |i| in_place(Yielding.fallible(i)));
            let sum = async |sum, value: Result<u64, _>| sum + value.unwrap_or_else(failed);
            block_on(map.as_completed().fold(0, sum))
        }),
        Contender::plain("futures-buffered", |n| {
            let futures = iter(0..n as u64).map(|i| Yielding.plain(i));
            block_on(futures.buffered_unordered(IN_FLIGHT).fold(0, async |sum, i| sum + i))
        }),
        Contender::plain("ConcurrentStream", |n| {
            concurrent_stream(n, NonZeroUsize::new(IN_FLIGHT))
        })
        .up_to(10_000),
        Contender::plain("ConcurrentStream without a limit", |n| concurrent_stream(n, None))
            .up_to(10_000),
    ]
}

fn failed(error: anyscope_core::ItemError<TaskError>) -> u64 {
    panic!("{error}")
}

fn concurrent_stream(n: usize, limit: Option<NonZeroUsize>) -> u64 {
    let numbers: Vec<_> = (0..n as u64).collect();
    let mapped = numbers.into_co_stream().limit(limit).map(|i| Yielding.plain(i));
    block_on(mapped.collect::<Vec<_>>()).into_iter().sum()
}
