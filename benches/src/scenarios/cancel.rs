//! Parked tasks that are all cancelled, and how long others wait meanwhile.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyscope_core::{AnyRuntime, Runtime, TaskError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::work::{Parking, Yield};
use crate::{Backend, Build, Contender, Measure, Plan, Sample, Scenario, Setting};

pub(super) const CANCEL: Scenario = Scenario {
    name: "cancel",
    about: "parked tasks, from the cancellation of all until their destructors have run",
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
            Contender::part("group of AnyRuntime", b, |b, n| {
                group(AnyRuntime::new(b.runtime().clone()), n)
            }),
            Contender::part("child token + select!", b, by_hand),
        ];
        if B::IS_TOKIO {
            all.push(Contender::part("JoinSet", b, |_, n| join_set(n)));
            all.push(Contender::part("TaskTracker + token", b, |_, n| tracker(n)));
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

async fn group<R: Runtime>(rt: R, n: usize) -> Sample {
    let parking = Parking::default();
    let parked = parking.clone();
    let all = rt.group::<TaskError, _, _, _>(move |g| async move {
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

/// Runs `work` beside a task that notes the longest time between two of its polls, in microseconds.
async fn beside<B: Backend>(b: B, work: impl Future<Output = Sample> + Send) -> Sample {
    let done = Arc::new(AtomicBool::new(false));
    let watched = done.clone();
    let ticker = b.spawn(async move {
        let (mut longest, mut last) = (Duration::ZERO, Instant::now());
        while !watched.load(Relaxed) {
            Yield::default().await;
            let now = Instant::now();
            (longest, last) = (longest.max(now - last), now);
        }
        longest
    });
    let sample = work.await;
    done.store(true, Relaxed);
    Sample { value: ticker.await.as_nanos() as f64 / 1000.0, ..sample }
}
