//! How late timers are while the CPU pool is full (U1).

use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyscope_core::{Runtime, TaskError};

use crate::stats::quantile;
use crate::{Backend, Build, Contender, Measure, Plan, Sample, Scenario};

const SLEEP: Duration = Duration::from_millis(1);

pub(super) const SATURATED: Scenario = Scenario {
    name: "saturated",
    about: "how late sleeps of a millisecond are, 99 of 100 of them, beside an idle CPU pool and \
            one that is full all the time; the size is the time in milliseconds",
    measure: Measure::Micros,
    full: Plan { sizes: &[2_000], rounds: 5 },
    quick: Plan { sizes: &[2_000], rounds: 1 },
    expect: |_| 1,
    heap: None,
    contenders: |setting| setting.build(Saturated),
    ..Scenario::TASKS
};

struct Saturated;

impl Build for Saturated {
    fn build<B: Backend>(self, b: &B) -> Vec<Contender> {
        vec![
            Contender::part("idle", b, |_, millis| lateness::<B>(millis)),
            Contender::part("CPU pool full", b, |b, millis| {
                saturated::<B, _>(b.runtime().clone(), millis)
            }),
        ]
    }
}

/// Microseconds.
async fn lateness<B: Backend>(millis: usize) -> Sample {
    let end = Instant::now() + Duration::from_millis(millis as u64);
    let mut late = Vec::new();
    while Instant::now() < end || late.is_empty() {
        let begin = Instant::now();
        B::sleep(SLEEP).await;
        late.push((begin.elapsed().saturating_sub(SLEEP)).as_nanos() as f64 / 1000.0);
    }
    Sample { value: quantile(&late, 0.99), sum: 1 }
}

async fn saturated<B: Backend, R: Runtime>(rt: R, millis: usize) -> Sample {
    let all = rt.group::<TaskError, _>(move |g| async move {
        let done = Arc::new(AtomicBool::new(false));
        for _ in 0..2 * anyscope_pools::cpu::threads() {
            let done = done.clone();
            drop(g.spawn_cpu(move || {
                while !done.load(Relaxed) {
                    spin_loop();
                }
            }));
        }
        let sample = lateness::<B>(millis).await;
        done.store(true, Relaxed);
        Ok(sample)
    });
    all.await.expect("no job fails")
}
