//! What tasks cost on the heap (rule G13), counted by an allocator that keeps statistics: nothing
//! after their end, one allocation while they live. Run with `--nocapture` it prints the figures.

use std::alloc::System;
use std::future::{Future, pending, poll_fn};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use anyscope_core::{AnyRuntime, BoxError, Group, GroupError, GroupHandle, Runtime};
use anyscope_tokio::Tokio;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::runtime::Builder;

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

type Native = Tokio;

fn block_on<F: Future>(main: impl FnOnce(Native) -> F) -> F::Output {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(main(Tokio::from_handle(runtime.handle().clone())))
}

/// A task of the native runtime; its handle detaches, or not, as the runtime does.
fn bare<F: Future<Output: Send> + Send + 'static>(future: F) -> impl Sized + use<F> {
    tokio::spawn(future)
}

/// tokio rounds its tasks up to this.
const CELL_STEP: usize = 128;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// No other measurement runs meanwhile.
fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

fn live_bytes() -> usize {
    let stats = HEAP.stats();
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
}

async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Until the body is the only one left.
async fn drained<R: Runtime>(g: &GroupHandle<BoxError, R>) {
    while g.live() > 1 {
        yield_now().await;
    }
}

/// A task with some bytes of its own that suspends once.
async fn short() -> Result<(), BoxError> {
    let bytes = [0_u8; 256];
    yield_now().await;
    std::hint::black_box(bytes);
    Ok(())
}

/// A hundred tasks at a time; their handles are dropped at once, or awaited.
#[test]
fn g13_heap_stays_flat_with_live_children_only() {
    let _alone = alone();
    block_on(async |rt| {
        let outcome: Result<(), GroupError> = rt
            .group(async |g| {
                let (mut early, mut highest) = (0, 0);
                for batch in 0..TASKS / ALIVE {
                    let handles: Vec<_> = (0..ALIVE).map(|_| g.spawn(short())).collect();
                    if batch % 2 == 0 {
                        drop(handles);
                    } else {
                        for handle in handles {
                            handle.await?;
                        }
                    }
                    drained(&g).await;
                    highest = highest.max(live_bytes());
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
    });
}

const TASKS: usize = 200_000;
const ALIVE: usize = 100;
/// Less than a tenth of a byte for each task.
const SLACK: usize = 16 * 1024;

/// Allocations for each of many tasks, one after another, in a group of this runtime.
fn allocations<R: Runtime>(erase: fn(Native) -> R, awaited: bool) -> f64 {
    const MANY: usize = 10_000;
    let _alone = alone();
    block_on(async |rt| {
        let outcome: Result<f64, GroupError> = erase(rt)
            .group(async |g| {
                let mut region = Region::new(HEAP);
                for n in 0..MANY + WARM_UP {
                    if n == WARM_UP {
                        region.reset();
                    }
                    // Ready at once: on smol each time a task is scheduled costs 1/31 of an allocation.
                    let handle = g.spawn(async { Ok(()) });
                    if awaited {
                        handle.await?
                    } else {
                        drop(handle)
                    }
                    drained(&g).await;
                }
                let change = region.change();
                Ok((change.allocations + change.reallocations) as f64 / MANY as f64)
            })
            .await;
        outcome.unwrap()
    })
}

const WARM_UP: usize = 1000;

#[test]
fn g13_task_costs_one_allocation() {
    for awaited in [true, false] {
        let each = allocations(|native| native, awaited);
        println!("allocations for each task, awaited {awaited}: {each}");
        assert!(each <= 1.05, "awaited {awaited}: {each}");
    }
}

#[test]
fn g13_erased_task_costs_three_allocations() {
    for awaited in [true, false] {
        let each = allocations(AnyRuntime::new, awaited);
        println!("allocations for each erased task, awaited {awaited}: {each}");
        assert!(each <= 3.05, "awaited {awaited}: {each}");
    }
}

/// A task that counts its first poll and waits for ever.
fn parked(polled: &Arc<AtomicUsize>) -> impl Future<Output = Result<(), BoxError>> + use<> {
    let polled = polled.clone();
    async move {
        polled.fetch_add(1, SeqCst);
        pending().await
    }
}

/// Bytes on the heap for each of `PARKED` tasks that `spawn` starts and that have all been polled.
async fn parked_bytes<H>(spawn: impl Fn(usize) -> H, polled: &AtomicUsize) -> (usize, Vec<H>) {
    let mut handles = Vec::with_capacity(PARKED);
    let before = live_bytes();
    handles.extend((0..PARKED).map(spawn));
    while polled.load(SeqCst) < PARKED {
        yield_now().await;
    }
    ((live_bytes() - before) / PARKED, handles)
}

/// With the body a power of two, as tables grow by doubling.
const PARKED: usize = 8191;

fn parked_bytes_in_group() -> usize {
    block_on(async |rt| {
        let outcome: Result<usize, GroupError> = rt
            .group(async |g| {
                let polled = Arc::new(AtomicUsize::new(0));
                let (bytes, _handles) = parked_bytes(|_| g.spawn(parked(&polled)), &polled).await;
                g.cancel();
                Ok(bytes)
            })
            .await;
        outcome.unwrap()
    })
}

/// The first time the native runtime's own tables grow; the native tasks come last because not all
/// runtimes end them.
#[test]
fn g13_parked_task_costs_little_more_than_a_native_one() {
    let _alone = alone();
    let _warm_up = parked_bytes_in_group();
    let in_group = parked_bytes_in_group();
    let natively = block_on(async |_| {
        let polled = Arc::new(AtomicUsize::new(0));
        parked_bytes(|_| bare(parked(&polled)), &polled).await.0
    });
    println!("bytes of a parked task: native {natively}, in a group {in_group}");
    assert!(in_group <= natively + BEYOND + CELL_STEP, "{natively} -> {in_group}");
}

/// What a task may cost beyond a native one, tokio's rounding aside.
const BEYOND: usize = 48;

/// Its bytes are gone although the group goes on and its siblings wait.
#[test]
fn g13_finished_task_without_a_handle_keeps_no_bytes() {
    const LARGE: usize = 1000;
    let _alone = alone();
    block_on(async |rt| {
        let outcome: Result<(), GroupError> = rt
            .group(async |g| {
                for _ in 0..10 {
                    g.spawn(pending::<Result<(), BoxError>>());
                }
                let mut growth = Vec::new();
                for _ in 0..3 {
                    let before = live_bytes();
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
                    growth.push(live_bytes().saturating_sub(before));
                }
                println!("bytes left of {LARGE} tasks of 4 KiB, three times: {growth:?}");
                // The first time tables grow, and queues may do so at any time.
                assert!(growth[2] < 64 * LARGE, "{growth:?}");
                g.cancel();
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}
