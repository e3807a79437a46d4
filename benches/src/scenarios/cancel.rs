//! Parked tasks that are all cancelled, and how long others wait meanwhile.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyscope_core::{AnyRuntime, Runtime, TaskError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::rules::Rules;
use super::work::{Parking, Yield};
use crate::{Backend, Build, Contender, Measure, Plan, Sample, Scenario, Setting};

pub(super) const CANCEL: Scenario = Scenario {
    name: "cancel",
    about: "parked tasks, from the cancellation of all until their destructors have run. On smol and \
            async-std `bare` cancels a handle and awaits that before the next; `bare, all at once` \
            awaits all together",
    expect: |n| n as u64,
    contenders: |setting| setting.build(Cancel),
    ..Scenario::TASKS
};

pub(super) const LATENCY: Scenario = Scenario {
    name: "latency",
    about: "the longest time between two polls of another task, which is always ready, while \
            100,000 parked tasks are cancelled",
    measure: Measure::Micros,
    settings: &[Setting::TokioMt, Setting::TokioCt, Setting::SmolGlobal, Setting::AsyncStd],
    full: Plan { sizes: &[100_000], rounds: 15 },
    quick: Plan { sizes: &[100_000], rounds: 3 },
    expect: |n| n as u64,
    heap: None,
    contenders: |setting| setting.build(Latency),
    ..Scenario::TASKS
};

struct Cancel;

impl Build for Cancel {
    fn build<B: Backend>(self, b: &B) -> Vec<Contender> {
        let mut all = vec![
            Contender::part("bare", b, bare),
            Contender::part("group", b, |b, n| group(b.runtime().clone(), n)),
            Contender::part("rules by hand", b, rules),
            Contender::part("group of AnyRuntime", b, |b, n| {
                group(AnyRuntime::new(b.runtime().clone()), n)
            }),
            Contender::part("child token + select!", b, by_hand),
        ];
        if B::IS_TOKIO {
            all.push(Contender::part("JoinSet", b, |_, n| join_set(n)));
            all.push(Contender::part("TaskTracker + token", b, |_, n| tracker(n)));
        } else {
            all.push(Contender::part("bare, all at once", b, all_at_once));
        }
        all
    }
}

struct Latency;

impl Build for Latency {
    fn build<B: Backend>(self, b: &B) -> Vec<Contender> {
        let mut all = vec![
            Contender::part("bare", b, |b, n| beside(b.clone(), bare(b, n))),
            Contender::part("group", b, |b, n| beside(b.clone(), group(b.runtime().clone(), n))),
        ];
        if B::IS_TOKIO {
            all.push(Contender::part("JoinSet", b, |b, n| beside(b, join_set(n))));
        }
        all
    }
}

async fn bare<B: Backend>(b: B, n: usize) -> Sample {
    let parking = Parking::default();
    let joins: Vec<B::Join<()>> = (0..n).map(|_| b.spawn(parking.park())).collect();
    parking.all_parked(n).await;
    let begin = Instant::now();
    B::cancel(joins).await;
    Sample::since(begin, parking.gone())
}

/// Each is told to stop before any is awaited, as `abort` does on tokio.
async fn all_at_once<B: Backend>(b: B, n: usize) -> Sample {
    let parking = Parking::default();
    let joins: Vec<B::Join<()>> = (0..n).map(|_| b.spawn(parking.park())).collect();
    parking.all_parked(n).await;
    let begin = Instant::now();
    futures_buffered::join_all(joins.into_iter().map(B::cancel_one)).await;
    Sample::since(begin, parking.gone())
}

async fn group<R: Runtime>(rt: R, n: usize) -> Sample {
    let parking = Parking::default();
    let parked = parking.clone();
    let all = rt.group::<TaskError, _>(move |g| async move {
        for _ in 0..n {
            drop(g.spawn::<_, ()>(parked.park()));
        }
        parked.all_parked(n).await;
        let begin = Instant::now();
        g.cancel();
        Ok(begin)
    });
    let begin = all.await.expect("a body that has its value keeps it");
    Sample::since(begin, parking.gone())
}

async fn rules<B: Backend>(b: B, n: usize) -> Sample {
    let (parking, group) = (Parking::default(), Rules::new());
    for _ in 0..n {
        group.start(&b, parking.park::<Result<(), ()>>());
    }
    parking.all_parked(n).await;
    let begin = Instant::now();
    group.cancel();
    group.close().await;
    Sample::since(begin, parking.gone())
}

async fn by_hand<B: Backend>(b: B, n: usize) -> Sample {
    let (parking, root) = (Parking::default(), CancellationToken::new());
    let spawn = |_| {
        let (token, future) = (root.child_token(), parking.park::<()>());
        b.spawn(async move {
            tokio::select! {
                biased;
                () = token.cancelled() => {}
                () = future => {}
            }
        })
    };
    let joins: Vec<_> = (0..n).map(spawn).collect();
    parking.all_parked(n).await;
    let begin = Instant::now();
    root.cancel();
    for join in joins {
        join.await;
    }
    Sample::since(begin, parking.gone())
}

async fn join_set(n: usize) -> Sample {
    let (parking, mut set) = (Parking::default(), JoinSet::<()>::new());
    for _ in 0..n {
        set.spawn(parking.park());
    }
    parking.all_parked(n).await;
    let begin = Instant::now();
    set.shutdown().await;
    Sample::since(begin, parking.gone())
}

async fn tracker(n: usize) -> Sample {
    let (parking, tracker, token) =
        (Parking::default(), TaskTracker::new(), CancellationToken::new());
    for _ in 0..n {
        drop(tracker.spawn(token.clone().run_until_cancelled_owned(parking.park::<()>())));
    }
    parking.all_parked(n).await;
    let begin = Instant::now();
    token.cancel();
    tracker.close();
    tracker.wait().await;
    Sample::since(begin, parking.gone())
}

/// Runs `work` beside a task that notes the time between two of its polls: the longest, in microseconds, that
/// has not passed before `work` began to measure.
async fn beside<B: Backend>(b: B, work: impl Future<Output = Sample> + Send) -> Sample {
    let done = Arc::new(AtomicBool::new(false));
    let watched = done.clone();
    let ticker = b.spawn(async move {
        let (mut waits, mut last) = (Vec::new(), Instant::now());
        while !watched.load(Relaxed) {
            Yield::default().await;
            let now = Instant::now();
            if now - last > SHORTEST {
                waits.push((now, now - last));
            }
            last = now;
        }
        waits
    });
    let sample = work.await;
    let begun = Instant::now() - Duration::from_nanos(sample.value as u64);
    done.store(true, Relaxed);
    let waits = ticker.await.into_iter().filter(|(end, _)| *end > begun);
    let longest = waits.map(|(_, wait)| wait).max().unwrap_or(SHORTEST);
    Sample { value: longest.as_nanos() as f64 / 1000.0, ..sample }
}

/// Shorter waits are those of a task that has a turn whenever it wants one.
const SHORTEST: Duration = Duration::from_micros(10);
