//! One CPU pool for the process, apart from async and blocking threads (U1).
//!
//! The backends of anyscope share it, so that two runtimes in one program do not use twice the
//! cores. It is a rayon pool of its own, not rayon's global one, which the program may have filled.

use std::sync::{Mutex, OnceLock, PoisonError};

use rayon_core::{ThreadPool, ThreadPoolBuilder};

/// Runs `job` on the pool. Data-parallel work that it starts with rayon stays on the pool and does
/// not deadlock (U2). The pool is made at the first call, with a thread for each core.
///
/// While the operating system does not give those threads, `job` is dropped, and the next call tries again.
///
/// `job` must not panic: rayon would abort the process.
pub fn spawn(job: impl FnOnce() + Send + 'static) {
    if let Some(pool) = POOL.get(new_pool) {
        pool.spawn(job);
    }
}

/// How many threads the pool has: none, if the operating system gives none.
pub fn threads() -> usize {
    POOL.get(new_pool).map_or(0, ThreadPool::current_num_threads)
}

fn new_pool() -> Option<ThreadPool> {
    builder().build().ok()
}

fn builder() -> ThreadPoolBuilder {
    ThreadPoolBuilder::new().thread_name(|index| format!("anyscope-cpu-{index}"))
}

static POOL: Lazy = Lazy { pool: OnceLock::new(), making: Mutex::new(()) };

/// A pool that is made when it is needed, by the first for whom that works.
struct Lazy {
    pool: OnceLock<ThreadPool>,
    /// Locked by the one who makes it.
    making: Mutex<()>,
}

impl Lazy {
    fn get(&self, make: impl FnOnce() -> Option<ThreadPool>) -> Option<&ThreadPool> {
        self.pool.get().or_else(|| {
            let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
            if self.pool.get().is_none() {
                // Nobody else has set it.
                let _ = self.pool.set(make()?);
            }
            self.pool.get()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More for their stacks than any machine has.
    #[test]
    fn pool_without_threads_is_made_at_a_later_call() {
        let pool = Lazy { pool: OnceLock::new(), making: Mutex::new(()) };
        assert!(pool.get(|| builder().stack_size(usize::MAX / 4).build().ok()).is_none());
        assert!(pool.get(|| builder().num_threads(1).build().ok()).is_some());
        assert!(pool.get(|| unreachable!("it is there")).is_some());
    }
}
