//! "Asyncio Tasks": from what a task is to producers, consumers and semaphores.

use super::Program;

pub(super) fn programs() -> Vec<Program> {
    vec![
        Program::new("asyncio_tasks::what_is_a_task", what_is_a_task::main),
        Program::new("asyncio_tasks::create_task", create_task::main),
        Program::new("asyncio_tasks::tasks_vs_coroutines", tasks_vs_coroutines::main),
        Program::new("asyncio_tasks::awaiting_tasks", awaiting_tasks::main),
        Program::new("asyncio_tasks::gather", gather_in_order::main),
        Program::new("asyncio_tasks::return_exceptions", return_exceptions::main),
        Program::new("asyncio_tasks::task_group", task_group::main),
        Program::new("asyncio_tasks::task_group_failure", task_group_failure::main),
        Program::new("asyncio_tasks::cancellation", cancellation::main),
        Program::new("asyncio_tasks::wait_for", wait_for::main),
        Program::new("asyncio_tasks::wait", wait_first::main),
        Program::new("asyncio_tasks::as_completed", as_they_arrive::main),
        Program::new("asyncio_tasks::never_retrieved", never_retrieved::main),
        Program::new("asyncio_tasks::gather_both_ways", gather_both_ways::main),
        Program::new("asyncio_tasks::producer_consumer", producer_consumer::main),
        Program::new("asyncio_tasks::semaphore", semaphore::main),
    ]
}

/// The functions that several sections use.
mod lesson {
    use anyscope::prelude::*;

    use crate::programs::out::{ValueError, seconds};

    pub(super) async fn fetch_data(name: &str, delay: f64) -> Result<String, BoxError> {
        sleep(seconds(delay)).await;
        Ok(format!("{name}: done"))
    }

    pub(super) async fn might_fail(n: u32) -> Result<u32, BoxError> {
        match n {
            2 => Err(ValueError("oops!".into()))?,
            n => Ok(n * 10),
        }
    }
}

mod what_is_a_task {
    use anyscope::prelude::*;

    use crate::programs::out::{Out, seconds};

    async fn say_hello(out: Out) -> Result<(), BoxError> {
        sleep(seconds(0.1)).await;
        out.print("Hello!");
        Ok(())
    }

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        // This makes the future but does NOT start it. Dropping it unused is no mistake.
        let future = say_hello(out);
        drop(future);

        group(async |g| {
            // This makes a task of it, which starts by itself.
            let task = g.spawn(say_hello(out));
            Ok(task.await?)
        })
        .await?;
        Ok(())
    }
}

mod create_task {
    use anyscope::prelude::*;

    use super::lesson::fetch_data;
    use crate::programs::out::{Out, Stopwatch};

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let start = Stopwatch::start();
        group(async |g| {
            // Both start running concurrently.
            let task1 = g.spawn(fetch_data("A", 0.3));
            let task2 = g.spawn(fetch_data("B", 0.1));
            out.print(format!("{} {}", task1.await?, task2.await?));
            Ok(())
        })
        .await?;
        out.print(format!("took {:.2}s", start.seconds()));
        Ok(())
    }
}

mod tasks_vs_coroutines {
    use anyscope::prelude::*;

    use super::lesson::fetch_data;
    use crate::programs::out::{Out, Stopwatch};

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let start = Stopwatch::start();
        fetch_data("A", 0.2).await?;
        fetch_data("B", 0.2).await?;
        out.print(format!("sequential took {:.2}s", start.seconds()));

        let start = Stopwatch::start();
        group(async |g| {
            let task1 = g.spawn(fetch_data("A", 0.2));
            let task2 = g.spawn(fetch_data("B", 0.2));
            task1.await?;
            task2.await?;
            Ok(())
        })
        .await?;
        out.print(format!("concurrent took {:.2}s", start.seconds()));
        Ok(())
    }
}

mod awaiting_tasks {
    use anyscope::prelude::*;

    use crate::programs::out::{Out, seconds};

    async fn compute(x: u32) -> Result<u32, BoxError> {
        sleep(seconds(0.1)).await;
        Ok(x * 2)
    }

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let result = group(async |g| Ok(g.spawn(compute(21)).await?)).await?;
        out.print(result);
        Ok(())
    }
}

mod gather_in_order {
    use anyscope::prelude::*;

    use super::lesson::fetch_data;
    use crate::programs::out::Out;

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let coros = [fetch_data("A", 0.3), fetch_data("B", 0.1), fetch_data("C", 0.2)];
        let results = gather(coros.map(in_place)).await?;
        out.print(format!("{results:?}"));
        Ok(())
    }
}

mod return_exceptions {
    use anyscope::prelude::*;

    use super::lesson::might_fail;
    use crate::programs::out::Out;

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let results = gather([1, 2, 3].map(|n| in_place(might_fail(n)))).settled().await;
        for r in results {
            match r {
                Err(error) => out.print(format!("Error: {error}")),
                Ok(value) => out.print(format!("Result: {value}")),
            }
        }
        Ok(())
    }
}

mod task_group {
    use anyscope::prelude::*;

    use super::lesson::fetch_data;
    use crate::programs::out::Out;

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let (task1, task2, task3) = group(async |g| {
            let task1 = g.spawn(fetch_data("A", 0.2));
            let task2 = g.spawn(fetch_data("B", 0.1));
            let task3 = g.spawn(fetch_data("C", 0.3));
            Ok((task1, task2, task3))
        })
        .await?;

        // When we get here, ALL tasks have ended.
        out.print(format!("{} {} {}", task1.await?, task2.await?, task3.await?));
        Ok(())
    }
}

mod task_group_failure {
    use anyscope::handle;
    use anyscope::prelude::*;

    use super::lesson::might_fail;
    use crate::programs::out::{Out, ValueError};

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let outcome = group(async |g| {
            g.spawn(might_fail(1));
            g.spawn(might_fail(2)); // a ValueError
            g.spawn(might_fail(3));
            Ok(())
        })
        .await;
        if let Err(error) = outcome {
            handle!(match error {
                exc: ValueError => out.print(format!("Caught: {exc}")),
            })?;
        }
        Ok(())
    }
}

/// Nothing is injected that could be caught: the future is dropped where it awaits, and its clean-up
/// cannot swallow the cancellation.
mod cancellation {
    use anyscope::prelude::*;

    use crate::programs::out::{Out, seconds};

    async fn long_running(out: Out) -> Result<(), BoxError> {
        defer(async move |exit| {
            if let ExitKind::Cancelled(_) = exit {
                out.print("Task was cancelled! Cleaning up...");
            }
        });
        loop {
            out.print("Working...");
            sleep(seconds(0.1)).await;
        }
    }

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        group(async |g| {
            let task = g.spawn(long_running(out));
            sleep(seconds(0.3)).await; // Let it run for a bit
            task.cancel(); // Request cancellation

            match task.await {
                Err(error) if error.is_cancelled() => out.print("Confirmed: task is cancelled"),
                outcome => outcome?,
            }
            Ok(())
        })
        .await?;
        Ok(())
    }
}

mod wait_for {
    use anyscope::prelude::*;

    use crate::programs::out::{Out, seconds};

    async fn slow_operation() -> &'static str {
        sleep(seconds(5.0)).await;
        "done"
    }

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        match timeout(seconds(0.2), slow_operation()).await {
            Ok(result) => out.print(result),
            Err(_elapsed) => out.print("Operation timed out!"),
        }
        Ok(())
    }
}

mod wait_first {
    use anyscope::prelude::*;

    use super::lesson::fetch_data;
    use crate::programs::out::Out;

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        group(async |g| {
            let tasks = [("A", 0.3), ("B", 0.1), ("C", 0.2)]
                .map(|(name, delay)| g.spawn(fetch_data(name, delay)));

            // Wait for the first one to complete.
            let (done, pending) = wait(tasks, WaitFor::FirstCompleted).await;
            out.print(format!("{} done, {} pending", done.len(), pending.len()));

            // Wait for all remaining to complete.
            let (done, pending) = wait(pending, WaitFor::All).await;
            out.print(format!("{} done, {} pending", done.len(), pending.len()));
            Ok(())
        })
        .await?;
        Ok(())
    }
}

mod as_they_arrive {
    use anyscope::prelude::*;

    use super::lesson::fetch_data;
    use crate::programs::out::Out;

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let coros = [fetch_data("A", 0.3), fetch_data("B", 0.1), fetch_data("C", 0.2)];
        let mut results = as_completed(coros.map(in_place));
        while let Some(result) = results.next().await {
            out.print(result?); // B first (fastest), then C, then A
        }
        Ok(())
    }
}

/// A task that nobody awaits. In a group it is a failure all the same; detached, the hook is told.
mod never_retrieved {
    use anyscope::prelude::*;
    use anyscope::{current_runtime, set_unhandled_hook};

    use crate::programs::out::{Out, RuntimeError};

    async fn broken() -> Result<(), BoxError> {
        Err(RuntimeError("boom".into()))?
    }

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let outcome = group(async |g| {
            g.spawn(broken()); // its handle is dropped right here
            Ok(())
        })
        .await;
        out.print(format!("the group failed: {}", outcome.is_err()));

        set_unhandled_hook(move |lost| {
            let error = lost.error().map(ToString::to_string).unwrap_or_default();
            out.print(format!("Task exception was never retrieved: {error}"));
        });
        drop(current_runtime().try_spawn_detached(broken()));
        current_runtime().drained().await;
        Ok(())
    }
}

mod gather_both_ways {
    use anyscope::prelude::*;

    use super::lesson::might_fail;
    use crate::programs::out::Out;

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        // The first failure is returned, once the others have been stopped.
        match gather([1, 2, 3].map(|n| in_place(might_fail(n)))).await {
            Ok(results) => out.print(format!("{results:?}")),
            Err(error) => out.print(format!("Error: {error}")),
        }
        // An outcome for each.
        let results = gather([1, 2, 3].map(|n| in_place(might_fail(n)))).settled().await;
        out.print(format!("{results:?}"));
        Ok(())
    }
}

mod producer_consumer {
    use anyscope::Queue;
    use anyscope::prelude::*;

    use crate::programs::out::{Out, seconds};

    async fn producer(queue: Queue<String>, name: &str, count: u32) -> Result<(), BoxError> {
        for i in 0..count {
            queue.put(format!("{name}-item-{i}")).await?;
            sleep(seconds(0.1)).await;
        }
        Ok(())
    }

    async fn consumer(out: Out, queue: Queue<String>, name: &str) -> Result<(), BoxError> {
        while let Some(item) = queue.get().await {
            out.print(format!("{name} processed: {}", *item));
            sleep(seconds(0.05)).await;
        } // Each item is done when it is dropped.
        Ok(())
    }

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        group(async |g| {
            let queue = Queue::fifo(5);
            let producers = [g.spawn(producer(queue.clone(), "P1", 5))];
            g.spawn(consumer(out, queue.clone(), "C1"));

            gather(producers).await?; // Wait for producers to finish
            queue.join().await; // Wait for all items to be processed
            queue.close(); // Consumers end by themselves
            Ok(())
        })
        .await?;
        Ok(())
    }
}

mod semaphore {
    use anyscope::Semaphore;
    use anyscope::prelude::*;

    use crate::programs::out::{Out, Stopwatch, seconds};

    async fn rate_limited_fetch(
        out: Out,
        sem: &Semaphore,
        url: String,
    ) -> Result<String, BoxError> {
        let _permit = sem.acquire().await; // Only N at once get further
        out.print(format!("Fetching {url}"));
        sleep(seconds(0.1)).await; // Simulate network request
        Ok(format!("Data from {url}"))
    }

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let sem = Semaphore::new(3); // Max 3 concurrent requests
        let urls = (0..10).map(|i| format!("https://api.example.com/{i}"));

        let start = Stopwatch::start();
        let tasks = urls.map(|url| in_place(rate_limited_fetch(out, &sem, url)));
        let results = gather(tasks).await?;
        out.print(format!("{} results took {:.2}s", results.len(), start.seconds()));
        Ok(())
    }
}
