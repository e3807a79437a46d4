//! "Advanced asyncio Concepts": TaskGroup, thread pool, process pool.
//!
//! The process pool's role is played by the CPU pool. Python needs processes to compute in parallel;
//! here threads do, so nothing has to be copied to another process and back. In processes, for jobs
//! that must not take the program with them, they are the example `process_primes`.

use super::Program;

pub(super) fn programs() -> Vec<Program> {
    vec![
        Program::new("advanced_concepts::async_function", async_function::main),
        Program::new("advanced_concepts::task_group", task_group::main),
        Program::new("advanced_concepts::exceptions", exceptions::main),
        Program::new("advanced_concepts::practice_task_group", practice_task_group::main),
        Program::new("advanced_concepts::sync_function", sync_function::main),
        Program::new("advanced_concepts::to_thread", to_thread::main),
        Program::new("advanced_concepts::practice_thread_pool", practice_thread_pool::main),
        Program::new("advanced_concepts::cpu_bound_function", cpu_bound_function::main),
        Program::new("advanced_concepts::process_pool", process_pool::main),
        Program::new("advanced_concepts::practice_process_pool", practice_process_pool::main),
        Program::new("advanced_concepts::practice_threads_in_group", practice_threads::main),
        Program::new("advanced_concepts::practice_timeout", practice_timeout::main),
        Program::new("advanced_concepts::practice_logging", practice_logging::main),
    ]
}

/// The module that the document builds on. A server stands behind it that gives up after 3 seconds.
mod blocking_code {
    use std::fmt;

    use anyscope::prelude::*;

    use crate::programs::out::{ConnectionError, seconds};
    use crate::runtimes::block_for;

    pub(super) struct Reply {
        delay: f64,
    }

    impl fmt::Display for Reply {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "delay {:?}, status 200", self.delay)
        }
    }

    const PATIENCE: f64 = 3.0;

    fn answer(delay: f64) -> Result<Reply, ConnectionError> {
        match delay > PATIENCE {
            true => Err(ConnectionError(format!("no answer after {PATIENCE:?} s"))),
            false => Ok(Reply { delay }),
        }
    }

    pub(super) async fn simulate_io_operation(delay: f64) -> Result<Reply, BoxError> {
        sleep(seconds(delay.min(PATIENCE))).await;
        Ok(answer(delay)?)
    }

    pub(super) fn simulate_io_operation_sync(delay: f64) -> Result<Reply, ConnectionError> {
        block_for(seconds(delay.min(PATIENCE)));
        answer(delay)
    }

    /// Counts primes up to `n`, naively.
    pub(super) fn cpu_bound_operation(n: u32) -> usize {
        let is_prime = |x: u32| x >= 2 && (2..=x.isqrt()).all(|i| x % i != 0);
        (0..=n).filter(|&x| is_prime(x)).count()
    }
}

/// 1.1, first block
mod async_function {
    use anyscope::prelude::*;

    use super::blocking_code::simulate_io_operation;
    use crate::programs::out::Out;

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        out.print(simulate_io_operation(1.0).await?);
        Ok(())
    }
}

/// 1.1
mod task_group {
    use anyscope::prelude::*;

    use super::blocking_code::simulate_io_operation;
    use crate::programs::out::Out;

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let (task1, task2, task3) = group(async |g| {
            let task1 = g.spawn(simulate_io_operation(1.0));
            let task2 = g.spawn(simulate_io_operation(2.0));
            let task3 = g.spawn(simulate_io_operation(3.0));
            Ok((task1, task2, task3))
        })
        .await?;

        // When we reach here, all tasks have ended.
        out.print(format!("task1 done: {}", task1.is_finished()));
        out.print(format!("task2 done: {}", task2.is_finished()));
        out.print(format!("task3 done: {}", task3.is_finished()));
        out.print(format!("task1 result: {}", task1.await?));
        Ok(())
    }
}

/// 1.2
mod exceptions {
    use anyscope::handle;
    use anyscope::prelude::*;

    use super::blocking_code::{Reply, simulate_io_operation};
    use crate::programs::out::{Out, ValueError};

    async fn maybe_failing_call(delay: f64) -> Result<Reply, BoxError> {
        if delay > 2.0 {
            Err(ValueError(format!("Bad delay: {delay:?}")))?;
        }
        simulate_io_operation(delay).await
    }

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let outcome = group(async |g| {
            g.spawn(maybe_failing_call(1.0));
            g.spawn(maybe_failing_call(3.0)); // fails
            g.spawn(maybe_failing_call(0.5));
            Ok(())
        })
        .await;
        if let Err(error) = outcome {
            handle!(match error {
                ValueError as eg => out.print(format!("Caught ValueError group: {eg}")),
            })?;
        }
        Ok(())
    }
}

/// 1.3
mod practice_task_group {
    use anyscope::handle;
    use anyscope::prelude::*;

    use super::blocking_code::simulate_io_operation;
    use crate::programs::out::{ConnectionError, Out};

    async fn fetch_all(out: Out, delays: &[f64]) -> Result<(), GroupError> {
        group(async |g| {
            for &delay in delays {
                let task = g.task(simulate_io_operation(delay)).name(format!("delay {delay:?}"));
                task.on_done(move |outcome| {
                    if outcome.is_ok() {
                        out.print(format!("delay {delay:?} finished"));
                    }
                })
                .spawn();
            }
            Ok(())
        })
        .await
    }

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        if let Err(error) = fetch_all(out, &[0.5, 1.0, 2.5, 3.5]).await {
            handle!(match error {
                ConnectionError as eg => {
                    for leaf in eg.leaves() {
                        let name = leaf.task().name().unwrap_or_default();
                        out.print(format!("{name} failed: {}", leaf.as_error()));
                    }
                },
            })?;
        }
        Ok(())
    }
}

/// 2, first block. Called like this it blocks the thread, and with it all that runs there.
mod sync_function {
    use anyscope::prelude::*;

    use super::blocking_code::simulate_io_operation_sync;
    use crate::programs::out::Out;

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        out.print(simulate_io_operation_sync(1.0)?);
        Ok(())
    }
}

/// 2.1
mod to_thread {
    use anyscope::prelude::*;

    use super::blocking_code::simulate_io_operation_sync;
    use crate::programs::out::Out;

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        group(async |g| {
            let tasks = [1.0, 2.0, 3.0]
                .map(|delay| g.try_spawn_blocking(move || simulate_io_operation_sync(delay)));
            let mut results = as_completed(tasks);
            let mut i = 0;
            while let Some(result) = results.next().await {
                i += 1;
                out.print(format!("Thread-pool task {i} completed: {}", result?));
            }
            Ok(())
        })
        .await?;
        Ok(())
    }
}

/// 2.2
mod practice_thread_pool {
    use anyscope::prelude::*;

    use super::blocking_code::simulate_io_operation_sync;
    use crate::programs::out::{Out, Stopwatch};

    fn call_sync_sequential(out: Out, delays: &[f64]) -> Result<(), BoxError> {
        let start = Stopwatch::start();
        for &delay in delays {
            simulate_io_operation_sync(delay)?;
        }
        out.print(format!("Sequential took: {:.2}s", start.seconds()));
        Ok(())
    }

    async fn call_sync_with_threads(out: Out, delays: &[f64]) -> Result<(), BoxError> {
        let start = Stopwatch::start();
        group(async |g| {
            for &delay in delays {
                g.try_spawn_blocking(move || simulate_io_operation_sync(delay));
            }
            Ok(())
        })
        .await?;
        out.print(format!("Threaded took: {:.2}s", start.seconds()));
        Ok(())
    }

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let delays = [1.0, 1.5, 2.0];
        call_sync_sequential(out, &delays)?;
        call_sync_with_threads(out, &delays).await
    }
}

/// 3, first block
mod cpu_bound_function {
    use anyscope::prelude::*;

    use super::blocking_code::cpu_bound_operation;
    use crate::programs::out::Out;

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        out.print(cpu_bound_operation(100));
        Ok(())
    }
}

/// 3.1 The pool is one for the process, so there is none to be made, shared or shut down.
mod process_pool {
    use anyscope::prelude::*;

    use super::blocking_code::cpu_bound_operation;
    use crate::programs::out::Out;

    async fn run_cpu_bound(numbers: &[u32]) -> Result<Vec<usize>, GroupError> {
        group(async |g| {
            let tasks = numbers.iter().map(|&n| g.spawn_cpu(move || cpu_bound_operation(n)));
            Ok(gather(tasks).await?)
        })
        .await
    }

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let numbers = [50_000, 60_000, 70_000];
        let results = run_cpu_bound(&numbers).await?;
        for (n, primes) in numbers.into_iter().zip(results) {
            out.print(format!("Up to {n}, found {primes} primes"));
        }
        Ok(())
    }
}

/// 3.2
mod practice_process_pool {
    use anyscope::prelude::*;

    use super::blocking_code::cpu_bound_operation;
    use crate::programs::out::{Out, Stopwatch};

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let start = Stopwatch::start();
        group(async |g| {
            let tasks = [80_000, 100_000, 120_000]
                .map(|n| g.spawn_cpu(move || (n, cpu_bound_operation(n))));
            let mut results = as_completed(tasks);
            while let Some(result) = results.next().await {
                let (n, primes) = result?;
                out.print(format!("Up to {n}, found {primes} primes"));
            }
            Ok(())
        })
        .await?;
        out.print(format!("Process pool took: {:.2}s", start.seconds()));
        Ok(())
    }
}

/// 4, first idea: tasks and threads in one group.
mod practice_threads {
    use anyscope::prelude::*;

    use super::blocking_code::{simulate_io_operation, simulate_io_operation_sync};
    use crate::programs::out::{Out, Stopwatch};

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let start = Stopwatch::start();
        group(async |g| {
            let tasks = [
                g.spawn(simulate_io_operation(1.0)),
                g.try_spawn_blocking(|| simulate_io_operation_sync(2.0)),
                g.spawn(simulate_io_operation(3.0)),
            ];
            for reply in gather(tasks).await? {
                out.print(reply);
            }
            Ok(())
        })
        .await?;
        out.print(format!("Total time: {:.2}s", start.seconds()));
        Ok(())
    }
}

/// 4, second idea: the whole group is cancelled if any task takes longer than a time limit.
mod practice_timeout {
    use anyscope::prelude::*;
    use anyscope::{Elapsed, handle};

    use super::blocking_code::simulate_io_operation;
    use crate::programs::out::{Out, Stopwatch, seconds};

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let start = Stopwatch::start();
        let outcome = group(async |g| {
            for delay in [1.0, 2.0, 3.0] {
                g.task(async move {
                    let reply = timeout(seconds(1.5), simulate_io_operation(delay)).await??;
                    out.print(reply);
                    Ok(())
                })
                .name(format!("delay {delay:?}"))
                .spawn();
            }
            Ok(())
        })
        .await;
        if let Err(error) = outcome {
            handle!(match error {
                late: Elapsed => out.print(format!("Cancelled the group: {late}")),
            })?;
        }
        out.print(format!("Total time: {:.2}s", start.seconds()));
        Ok(())
    }
}

/// 4, third idea: when each task started and finished, logged by its callback.
mod practice_logging {
    use anyscope::prelude::*;

    use super::blocking_code::simulate_io_operation;
    use crate::programs::out::{Out, Stopwatch};

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        group(async |g| {
            for delay in [1.0, 2.0] {
                let start = Stopwatch::start();
                out.print(format!("delay {delay:?} started"));
                let task = g.task(simulate_io_operation(delay));
                task.on_done(move |_| {
                    out.print(format!("delay {delay:?} took {:.2}s", start.seconds()));
                })
                .spawn();
            }
            Ok(())
        })
        .await?;
        Ok(())
    }
}
