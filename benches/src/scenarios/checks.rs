//! What each poll and each check costs beyond the future itself.

use std::future::Future;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use anyscope_core::{Group, TaskError, check_cancelled, in_place, shield};

use crate::{Backend, Build, Contender, Plan, Sample, Scenario, Setting};

pub(super) const CHECKS: Scenario = Scenario {
    name: "checks",
    about: "one poll of a pending future inside a task: as it is, in the frame that a combinator \
            puts around it, in a shield, as the body of a group; and one check for cancellation",
    settings: &[Setting::TokioCt],
    full: Plan { sizes: &[1_000_000], rounds: 15 },
    quick: Plan { sizes: &[1_000_000], rounds: 5 },
    heap: None,
    expect: |n| n as u64,
    contenders: |setting| setting.build(Checks),
    ..Scenario::TASKS
};

struct Checks;

impl Build for Checks {
    fn build<B: Backend>(self, b: &B) -> Vec<Contender> {
        vec![
            Contender::part("poll", b, |b, n| {
                in_task(b, move |polls, _| poll_often(n, &polls, Counting(polls.clone())))
            }),
            Contender::part("poll in a frame", b, |b, n| {
                in_task(b, move |polls, _| poll_often(n, &polls, in_place(Counting(polls.clone()))))
            }),
            Contender::part("poll in a shield", b, |b, n| {
                in_task(b, move |polls, _| poll_often(n, &polls, shield(Counting(polls.clone()))))
            }),
            Contender::part("poll of a body", b, |b, n| {
                in_task(b, move |polls, rt| {
                    let body = Counting(polls.clone());
                    let group = rt.group::<TaskError, _>(|_| async {
                        body.await;
                        Ok(())
                    });
                    poll_often(n, &polls, group)
                })
            }),
            Contender::part("check_cancelled", b, |b, n| in_task(b, move |_, _| check_often(n))),
        ]
    }
}

/// Runs `f` in a task of a group.
async fn in_task<B: Backend>(
    b: B,
    f: impl FnOnce(Arc<AtomicU64>, B::Runtime) -> Sample + Send + 'static,
) -> Sample {
    let rt = b.runtime().clone();
    let all = b.runtime().group::<TaskError, _>(move |g| async move {
        g.spawn(async move { Ok(f(Arc::default(), rt)) }).await
    });
    all.await.expect("no task fails")
}

fn poll_often<F: Future>(n: usize, polls: &AtomicU64, future: F) -> Sample {
    let (mut future, mut cx) = (pin!(future), Context::from_waker(Waker::noop()));
    let begin = Instant::now();
    for _ in 0..n {
        assert!(black_box(future.as_mut()).poll(&mut cx).is_pending());
    }
    Sample::since(begin, polls.load(Relaxed))
}

fn check_often(n: usize) -> Sample {
    let (begin, mut sum) = (Instant::now(), 0);
    for _ in 0..n {
        sum += u64::from(black_box(check_cancelled()).is_ok());
    }
    Sample::since(begin, sum)
}

/// Never ready, and knows how often it was asked.
struct Counting(Arc<AtomicU64>);

impl Future for Counting {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        // Only one thread polls it: no addition that others would have to see whole.
        self.0.store(self.0.load(Relaxed) + 1, Relaxed);
        Poll::Pending
    }
}
