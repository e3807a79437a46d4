//! Some futures that run in place, and all their results.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use anyscope_core::{TaskError, gather, in_place};
use futures_concurrency::future::Join;
use futures_executor::block_on;

use super::work::{Work, Yielding};
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
        joining("poll all", |n| PollAll::new((0..n).map(|i| Yielding.plain(i)))),
        joining("gather", |n| async move {
            let branches = (0..n).map(|i| in_place(Yielding.fallible(i)));
            gather(branches).await.unwrap_or_else(|error: TaskError| panic!("{error}"))
        }),
        joining("futures-buffered", |n| {
            futures_buffered::join_all((0..n).map(|i| Yielding.plain(i)))
        }),
        joining("futures join_all", |n| {
            futures_util::future::join_all((0..n).map(|i| Yielding.plain(i)))
        }),
        joining("futures-concurrency", |n| {
            let futures: Vec<_> = (0..n).map(|i| Yielding.plain(i)).collect();
            futures.join()
        }),
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

/// The floor: all that is not ready is polled whenever one of them wakes the task.
struct PollAll<F: Future> {
    running: Vec<Option<Pin<Box<F>>>>,
    values: Vec<F::Output>,
}

impl<F: Future> PollAll<F> {
    fn new(futures: impl Iterator<Item = F>) -> Self {
        let running: Vec<_> = futures.map(|future| Some(Box::pin(future))).collect();
        Self { values: Vec::with_capacity(running.len()), running }
    }
}

impl<F: Future> Unpin for PollAll<F> {}

impl<F: Future> Future for PollAll<F> {
    type Output = Vec<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { running, values } = &mut *self;
        for slot in running.iter_mut() {
            let Some(Poll::Ready(value)) = slot.as_mut().map(|future| future.as_mut().poll(cx))
            else {
                continue;
            };
            values.push(value);
            *slot = None;
        }
        match values.len() == running.len() {
            true => Poll::Ready(std::mem::take(values)),
            false => Poll::Pending,
        }
    }
}
