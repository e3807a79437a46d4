//! What tasks cost on the heap (rule G13), counted by an allocator that keeps statistics: nothing
//! after their end, one allocation while they live. Run with `--nocapture` it prints the figures.

use std::alloc::System;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyscope_async_std::AsyncStd;
use anyscope_conformance::heap::Heap;
use anyscope_core::AnyRuntime;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const HEAP: Heap = Heap {
    live_bytes: || {
        let stats = ALLOCATOR.stats();
        stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
    },
    allocations: || {
        let stats = ALLOCATOR.stats();
        stats.allocations + stats.reallocations
    },
};

/// No other measurement runs meanwhile.
fn alone() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

fn block_on<F: Future>(main: impl FnOnce(AsyncStd) -> F) -> F::Output {
    async_std::task::block_on(main(AsyncStd::global()))
}

#[test]
fn g13_heap_stays_flat_with_live_children_only() {
    let _alone = alone();
    block_on(async |rt| HEAP.stays_flat(&rt).await);
}

#[test]
fn g13_task_costs_one_allocation() {
    let _alone = alone();
    for awaited in [true, false] {
        let each = block_on(async |rt| HEAP.allocations_per_task(&rt, awaited).await);
        println!("allocations for each task, awaited {awaited}: {each}");
        assert!(each <= 1.10, "awaited {awaited}: {each}");
    }
}

#[test]
fn g13_erased_task_costs_three_allocations() {
    let _alone = alone();
    for awaited in [true, false] {
        let each =
            block_on(async |rt| HEAP.allocations_per_task(&AnyRuntime::new(rt), awaited).await);
        println!("allocations for each erased task, awaited {awaited}: {each}");
        assert!(each <= 2.0 + 1.10, "awaited {awaited}: {each}");
    }
}

/// The native tasks come last because not all runtimes end them.
#[test]
fn g13_parked_task_costs_little_more_than_a_native_one() {
    let _alone = alone();
    let in_group = block_on(async |rt| HEAP.parked_in_group(&rt).await);
    let (natively, _) = block_on(async |_| HEAP.parked(async_std::task::spawn).await);
    println!("bytes of a parked task: native {natively}, in a group {in_group}");
    assert!(in_group <= natively + BEYOND, "{natively} -> {in_group}");
}

/// What a task may cost beyond a native one. The aim is 48.
const BEYOND: usize = 64;

/// Its bytes are gone although the group goes on and its siblings wait.
#[test]
fn g13_finished_task_without_a_handle_keeps_no_bytes() {
    let _alone = alone();
    block_on(async |rt| HEAP.keeps_nothing_of_finished_tasks(&rt).await);
}
