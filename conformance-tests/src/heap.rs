//! What tasks cost on the heap (rule G13), as a counting allocator of the backend's own test sees it.

use std::future::{Future, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use anyscope_core::{BoxError, GroupHandle, Runtime};

use crate::probe::{Outcome, yield_now};

/// The heap of the process: nothing else may run while it is measured.
#[derive(Clone, Copy, Debug)]
pub struct Heap {
    /// Bytes that are allocated and not freed.
    pub live_bytes: fn() -> usize,
    /// Allocations and reallocations so far.
    pub allocations: fn() -> usize,
}

impl Heap {
    /// Runs 200,000 tasks through one group, a hundred at a time, their handles dropped at once or
    /// awaited.
    ///
    /// # Panics
    ///
    /// If the heap has grown after a tenth of them.
    pub async fn stays_flat<R: Runtime>(&self, rt: &R) {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (mut early, mut highest) = (0, 0);
                for batch in 0..TASKS / ALIVE {
                    run_batch(&g, batch % 2 == 0).await?;
                    highest = highest.max((self.live_bytes)());
                    if batch == TASKS / ALIVE / 10 {
                        (early, highest) = (highest, 0);
                    }
                }
                println!("heap after a tenth of the tasks: {early}, later at most: {highest}");
                assert!(highest <= early + SLACK, "the heap grows: {early} -> {highest}");
                Ok(())
            })
            .await;
        outcome.unwrap();
    }

    /// Allocations for each of many unnamed tasks that are ready at once, one after another.
    ///
    /// # Panics
    ///
    /// If a task fails, which none does.
    pub async fn allocations_per_task<R: Runtime>(&self, rt: &R, awaited: bool) -> f64 {
        const MANY: usize = 10_000;
        let outcome: Outcome<f64> = rt
            .group(async |g| {
                let mut before = 0;
                for n in 0..MANY + WARM_UP {
                    if n == WARM_UP {
                        before = (self.allocations)();
                    }
                    // Ready at once: on smol each time a task is scheduled costs 1/31 of an allocation.
                    let handle = g.spawn(async { Ok(()) });
                    if awaited {
                        handle.await?;
                    } else {
                        drop(handle);
                    }
                    alone(&g).await;
                }
                Ok(((self.allocations)() - before) as f64 / MANY as f64)
            })
            .await;
        outcome.unwrap()
    }

    /// Bytes for each of many tasks of a group that have been polled and wait. Measured twice: the
    /// first time the native runtime's own tables grow.
    ///
    /// # Panics
    ///
    /// If a task fails, which none does.
    pub async fn parked_in_group<R: Runtime>(&self, rt: &R) -> usize {
        let mut bytes = 0;
        for _ in 0..2 {
            let outcome: Outcome<usize> = rt
                .group(async |g| {
                    let (each, handles) = self.parked(|task| g.spawn(task)).await;
                    for handle in &handles {
                        handle.cancel();
                    }
                    // A runtime gives the bytes of a task back after its group may have ended, but before its
                    // handle has been awaited: what is measured next must not begin in between.
                    for handle in handles {
                        drop(handle.await);
                    }
                    Ok(each)
                })
                .await;
            bytes = outcome.unwrap();
        }
        bytes
    }

    /// Bytes for each of many tasks that `spawn` starts in whatever way, and their handles.
    pub async fn parked<H>(&self, spawn: impl Fn(ParkedTask) -> H) -> (usize, Vec<H>) {
        let polled = Arc::new(AtomicUsize::new(0));
        let mut handles = Vec::with_capacity(PARKED);
        let before = (self.live_bytes)();
        handles.extend((0..PARKED).map(|_| spawn(parked(&polled))));
        while polled.load(SeqCst) < PARKED {
            yield_now().await;
        }
        (((self.live_bytes)() - before) / PARKED, handles)
    }

    /// Runs large tasks to their end, handles dropped, beside siblings that wait.
    ///
    /// # Panics
    ///
    /// If their bytes are still there.
    pub async fn keeps_nothing_of_finished_tasks<R: Runtime>(&self, rt: &R) {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                for _ in 0..10 {
                    g.spawn(pending::<Result<(), BoxError>>());
                }
                // The first time tables grow, and queues may do so at any time.
                let mut growth = [0; 3];
                for grown in &mut growth {
                    let before = (self.live_bytes)();
                    run_large(&g).await;
                    *grown = (self.live_bytes)().saturating_sub(before);
                }
                println!("bytes left of {LARGE} tasks of 4 KiB, three times: {growth:?}");
                assert!(growth[2] < 64 * LARGE, "{growth:?}");
                g.cancel();
                Ok(())
            })
            .await;
        outcome.unwrap();
    }
}

const TASKS: usize = 200_000;
const ALIVE: usize = 100;
/// Less than a tenth of a byte for each task.
const SLACK: usize = 16 * 1024;
const WARM_UP: usize = 1000;
/// With the body a power of two, as tables grow by doubling.
const PARKED: usize = 8191;
const LARGE: usize = 1000;

/// A task that counts its first poll and waits for ever; boxed, so that all are of one size.
pub type ParkedTask = std::pin::Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

fn parked(polled: &Arc<AtomicUsize>) -> ParkedTask {
    let polled = polled.clone();
    Box::pin(async move {
        polled.fetch_add(1, SeqCst);
        pending().await
    })
}

async fn run_batch<R: Runtime>(
    g: &GroupHandle<BoxError, R>,
    dropped: bool,
) -> Result<(), BoxError> {
    let handles: Vec<_> = (0..ALIVE).map(|_| g.spawn(short())).collect();
    if dropped {
        drop(handles);
    } else {
        for handle in handles {
            handle.await?;
        }
    }
    alone(g).await;
    Ok(())
}

/// A task with some bytes of its own that suspends once.
async fn short() -> Result<(), BoxError> {
    let bytes = [0_u8; 256];
    yield_now().await;
    std::hint::black_box(bytes);
    Ok(())
}

async fn run_large<R: Runtime>(g: &GroupHandle<BoxError, R>) {
    for _ in 0..LARGE {
        drop(g.spawn(async {
            let bytes = [1_u8; 4096];
            yield_now().await;
            Ok(bytes[0])
        }));
    }
    while g.live() > 11 {
        yield_now().await;
    }
}

/// Until the body is the only one left.
async fn alone<R: Runtime>(g: &GroupHandle<BoxError, R>) {
    while g.live() > 1 {
        yield_now().await;
    }
}
