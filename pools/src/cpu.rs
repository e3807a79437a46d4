//! One CPU pool for the process, apart from async and blocking threads (U1).
//!
//! The backends of anyscope share it, so that two runtimes in one program do not use twice the
//! cores. It is a rayon pool of its own, not rayon's global one, which the program may have filled.

use std::sync::OnceLock;

use rayon_core::{ThreadPool, ThreadPoolBuilder};

/// Runs `job` on the pool. Data-parallel work that it starts with rayon stays on the pool and does
/// not deadlock (U2). The pool is made at the first call, with a thread for each core.
///
/// `job` must not panic: rayon would abort the process.
///
/// # Panics
///
/// At the first call, if the operating system gives no threads.
pub fn spawn(job: impl FnOnce() + Send + 'static) {
    pool().spawn(job);
}

/// How many threads the pool has.
pub fn threads() -> usize {
    pool().current_num_threads()
}

fn pool() -> &'static ThreadPool {
    static POOL: OnceLock<ThreadPool> = OnceLock::new();
    POOL.get_or_init(|| {
        ThreadPoolBuilder::new()
            .thread_name(|index| format!("anyscope-cpu-{index}"))
            .build()
            .expect("the operating system gives threads for the CPU pool")
    })
}
