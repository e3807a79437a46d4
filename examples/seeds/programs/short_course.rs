//! The third document, a short course without a title: task groups, nurseries, time limits, and five
//! practice problems.

use super::Program;

pub(super) fn programs() -> Vec<Program> {
    vec![
        Program::new("short_course::task_group", task_group::main),
        Program::new("short_course::handling_exceptions", handling_exceptions::main),
        Program::new("short_course::nursery_pattern", nursery_pattern::main),
        Program::new("short_course::spawn_and_wait", spawn_and_wait::main),
        Program::new("short_course::timeout_with_task_group", timeout_with_task_group::main),
        Program::new("short_course::practice_parallel_tasks", practice_parallel_tasks::main),
        Program::new("short_course::practice_exceptions", practice_exceptions::main),
        Program::new("short_course::practice_nursery", practice_nursery::main),
        Program::new("short_course::practice_timeout", practice_timeout::main),
        Program::new("short_course::practice_task_tracking", practice_task_tracking::main),
    ]
}

mod task_group {
    use anyscope::prelude::*;

    use crate::programs::out::{Out, seconds};

    async fn fetch_data(id: u32) -> Result<String, BoxError> {
        sleep(seconds(f64::from(id) * 0.5)).await;
        Ok(format!("Data {id}"))
    }

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let tasks = group(async |g| Ok([1, 2, 3].map(|id| g.spawn(fetch_data(id))))).await?;
        for task in tasks {
            out.print(task.await?);
        }
        Ok(())
    }
}

mod handling_exceptions {
    use anyscope::handle;
    use anyscope::prelude::*;

    use crate::programs::out::{Out, ValueError, seconds};

    async fn risky_task(n: u32) -> Result<String, BoxError> {
        if n == 2 {
            Err(ValueError(format!("Error in task {n}")))?;
        }
        sleep(seconds(f64::from(n))).await;
        Ok(format!("Task {n} done"))
    }

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let outcome = group(async |g| {
            g.spawn(risky_task(1));
            g.spawn(risky_task(2)); // This will fail
            g.spawn(risky_task(3));
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

mod nursery_pattern {
    use std::future::Future;

    use anyscope::prelude::*;

    use crate::programs::out::{Out, seconds};

    async fn nursery<F>(tasks: impl IntoIterator<Item = F>) -> Result<(), GroupError>
    where
        F: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        group(async |g| {
            for task in tasks {
                g.spawn(task);
            }
            Ok(())
        })
        .await
    }

    async fn worker(out: Out, n: u32) -> Result<(), BoxError> {
        out.print(format!("Worker {n} started"));
        sleep(seconds(f64::from(n))).await;
        out.print(format!("Worker {n} done"));
        Ok(())
    }

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        nursery([worker(out, 1), worker(out, 2), worker(out, 3)]).await?;
        Ok(())
    }
}

/// With results in order of completion, each beside its index.
mod spawn_and_wait {
    use std::future::Future;

    use anyscope::prelude::*;

    use crate::programs::out::{Out, seconds};

    async fn spawn_and_wait<F, T>(
        tasks: impl IntoIterator<Item = F>,
    ) -> Result<Vec<(usize, T)>, GroupError>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        group(async |g| {
            let indexed = tasks.into_iter().enumerate();
            let tasks = indexed.map(|(idx, task)| g.spawn(async move { Ok((idx, task.await)) }));
            let mut completed = as_completed(tasks);
            let mut results = Vec::new();
            while let Some(result) = completed.next().await {
                results.push(result?);
            }
            Ok(results)
        })
        .await
    }

    async fn sleep_and_give(delay: u32, result: String) -> String {
        sleep(seconds(f64::from(delay))).await;
        result
    }

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let tasks = (0..3).map(|i| sleep_and_give(i, format!("Result {i}")));
        let results = spawn_and_wait(tasks).await?;
        out.print(format!("{results:?}"));
        Ok(())
    }
}

/// The document waits for a TimeoutError that nothing there raises; here the group has a deadline.
mod timeout_with_task_group {
    use anyscope::handle;
    use anyscope::prelude::*;

    use crate::programs::out::{Out, seconds};

    async fn slow_task() -> Result<&'static str, BoxError> {
        sleep(seconds(10.0)).await;
        Ok("Done")
    }

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let outcome = group(async |g| {
            g.spawn(slow_task());
            Ok(())
        })
        .deadline(seconds(1.0))
        .await;
        if let Err(error) = outcome {
            handle!(match error {
                cancelled(_cause) => out.print("Tasks timed out"),
            })?;
        }
        Ok(())
    }
}

mod practice_parallel_tasks {
    use anyscope::prelude::*;

    use crate::programs::out::{Out, Stopwatch, seconds};

    async fn square(n: u32) -> Result<u32, BoxError> {
        sleep(seconds(1.0)).await;
        Ok(n * n)
    }

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let start = Stopwatch::start();
        let squares = group(async |g| Ok(g.spawn_all((1..=5).map(square)).await?)).await?;
        out.print(format!("{squares:?} took {:.2}s", start.seconds()));
        Ok(())
    }
}

/// Three tasks, three kinds of failure: two are handled, one is passed on.
mod practice_exceptions {
    use anyscope::prelude::*;
    use anyscope::{Supervise, handle};

    use crate::programs::out::{ConnectionError, Out, RuntimeError, ValueError};

    async fn fail(error: impl Into<BoxError>) -> Result<(), BoxError> {
        Err(error.into())
    }

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let outcome = group(async |g| {
            g.spawn(fail(ValueError("not a number".into())));
            g.spawn(fail(ConnectionError("nobody answers".into())));
            g.spawn(fail(RuntimeError("out of luck".into())));
            Ok(())
        })
        .policy(Supervise)
        .await;
        if let Err(error) = outcome {
            let rest = handle!(match error {
                exc: ValueError => out.print(format!("Value: {exc}")),
                exc: ConnectionError => out.print(format!("Connection: {exc}")),
            });
            let rest = rest.expect_err("nobody handled the RuntimeError");
            rest.leaves().for_each(|exc| out.print(format!("Left: {}", exc.as_error())));
        }
        Ok(())
    }
}

/// A nursery is given to functions that start tasks in it and return; it waits for them.
mod practice_nursery {
    use anyscope::prelude::*;

    use crate::programs::out::{Out, seconds};

    async fn heartbeat(out: Out) -> Result<(), BoxError> {
        loop {
            sleep(seconds(1.0)).await;
            out.print("still working");
        }
    }

    fn start_workers(nursery: &GroupHandle, out: Out) {
        for n in 1..=2 {
            nursery.spawn(async move {
                sleep(seconds(f64::from(n) * 0.7)).await;
                out.print(format!("worker {n} done"));
                Ok(())
            });
        }
    }

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        group(async |nursery| {
            nursery.spawn_background(heartbeat(out)); // ends with the others
            start_workers(&nursery, out);
            Ok(())
        })
        .await?;
        out.print("nursery closed");
        Ok(())
    }
}

/// A group that is given one second: with what it takes, and for those who only want to move on.
mod practice_timeout {
    use anyscope::prelude::*;

    use crate::programs::out::{Out, seconds};

    async fn work(out: Out, duration: f64) -> Result<Option<&'static str>, GroupError> {
        group(async |g| {
            g.spawn(async move {
                sleep(seconds(duration)).await;
                out.print(format!("worked for {duration:?}s"));
                Ok(())
            });
            Ok("finished")
        })
        .deadline(seconds(1.0))
        .or_move_on()
        .await
    }

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        for duration in [0.5, 5.0] {
            out.print(work(out, duration).await?.unwrap_or("timed out"));
        }
        Ok(())
    }
}

/// What runs, by name; what each came to; and that nothing is left.
mod practice_task_tracking {
    use anyscope::prelude::*;

    use crate::programs::out::{Out, seconds};

    async fn work(delay: f64) -> Result<(), BoxError> {
        sleep(seconds(delay)).await;
        Ok(())
    }

    fn print_live(g: &GroupHandle, out: Out) {
        let tasks = g.tasks();
        let names: Vec<_> = tasks.iter().filter_map(|task| task.name()).collect();
        out.print(format!("live: {}", names.join(", ")));
    }

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let tracked = group(async |g| {
            for (name, delay) in [("download", 1.0), ("resize", 2.0), ("upload", 3.0)] {
                let task = g.task(work(delay)).name(name);
                task.on_done(move |outcome| {
                    let what = if outcome.is_ok() { "done" } else { "not done" };
                    out.print(format!("{name}: {what}"));
                })
                .spawn();
            }
            print_live(&g, out);
            sleep(seconds(1.5)).await;
            print_live(&g, out);
            Ok(g)
        })
        .await?;
        out.print(format!("{} left", tracked.live()));
        Ok(())
    }
}
