//! Some futures that run in place, and all their results.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use anyscope_core::{TaskError, gather, in_place};
use futures_concurrency::future::Join;
use futures_executor::block_on;

use super::work::Yield;
use crate::{Contender, Plan, Scenario, Setting};

/// Futures in one run, in as many joins as it takes.
const IN_ALL: usize = 100_000;

pub(super) const GATHER: Scenario = Scenario {
    name: "gather",
    about: "futures that are suspended once, run in place and joined, so many at a time",
    settings: &[Setting::Plain],
    full: Plan { sizes: &[2, 10, 30, 100, 1_000, 10_000], rounds: 15 },
    quick: Plan { sizes: &[10, 30, 100, 1_000], rounds: 7 },
    items: |at_once| joins(at_once) * at_once,
    heap: Some(100),
    expect: |at_once| joins(at_once) as u64 * total(at_once),
    contenders: |_| contenders(),
    ..Scenario::TASKS
};

fn joins(at_once: usize) -> usize {
    IN_ALL.div_ceil(at_once)
}

fn total(at_once: usize) -> u64 {
    (0..at_once as u64).sum()
}

fn contenders() -> Vec<Contender> {
    vec![
        joining("poll all", |n| PollAll::new(futures(n))),
        joining("gather", |n| async move {
            let branches = futures(n).map(|future| in_place(Fallible(future)));
            gather(branches).await.unwrap_or_else(|error| panic!("{error}"))
        }),
        joining("futures-buffered", |n| futures_buffered::join_all(futures(n))),
        joining("futures join_all", |n| futures_util::future::join_all(futures(n))),
        joining("futures-concurrency", |n| futures(n).collect::<Vec<_>>().join()),
    ]
}

fn joining<C, F>(name: &'static str, join: impl Fn(u64) -> F + 'static) -> Contender
where
    F: Future<Output = C>,
    C: IntoIterator<Item = u64>,
{
    Contender::plain(name, move |at_once| {
        let one = |_| block_on(join(at_once as u64)).into_iter().sum::<u64>();
        (0..joins(at_once)).map(one).sum()
    })
}

fn futures(n: u64) -> impl Iterator<Item = Once> {
    (0..n).map(|value| Once { suspended: Yield::default(), value })
}

/// Gives its value when it has been suspended once. It may be moved, so that the floor needs no
/// allocation for each.
struct Once {
    suspended: Yield,
    value: u64,
}

impl Future for Once {
    type Output = u64;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u64> {
        Pin::new(&mut self.suspended).poll(cx).map(|()| self.value)
    }
}

/// The same for those who want a `Result`.
struct Fallible(Once);

impl Future for Fallible {
    type Output = Result<u64, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(Ok)
    }
}

/// The floor: all that is not ready is polled whenever one of them wakes the task.
struct PollAll {
    running: Vec<Option<Once>>,
    values: Vec<u64>,
}

impl PollAll {
    fn new(futures: impl Iterator<Item = Once>) -> Self {
        let running: Vec<_> = futures.map(Some).collect();
        Self { values: Vec::with_capacity(running.len()), running }
    }
}

impl Future for PollAll {
    type Output = Vec<u64>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { running, values } = &mut *self;
        for slot in running.iter_mut() {
            let polled = slot.as_mut().map(|future| Pin::new(future).poll(cx));
            if let Some(Poll::Ready(value)) = polled {
                values.push(value);
                *slot = None;
            }
        }
        match values.len() == running.len() {
            true => Poll::Ready(std::mem::take(values)),
            false => Poll::Pending,
        }
    }
}
