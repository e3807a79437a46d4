//! "Structured Concurrency in asyncio": TaskGroup, ExceptionGroup, `except*`.

use super::Program;

pub(super) fn programs() -> Vec<Program> {
    vec![
        Program::new("structured_concurrency::unstructured", unstructured::main),
        Program::new("structured_concurrency::basic_example", basic_example::main),
        Program::new("structured_concurrency::when_a_task_fails", when_a_task_fails::main),
        Program::new(
            "structured_concurrency::multiple_exception_types",
            multiple_exception_types::main,
        ),
        Program::new("structured_concurrency::dynamic_tasks", dynamic_tasks::main),
        Program::new("structured_concurrency::problem_1_callbacks", problem_1_callbacks::main),
        Program::new(
            "structured_concurrency::problem_2_classification",
            problem_2_classification::main,
        ),
    ]
}

/// 1. Tasks that belong to nobody. Here one has to say so: there is no other `spawn` than a group's.
mod unstructured {
    use anyscope::current_runtime;
    use anyscope::prelude::*;

    use crate::programs::out::{Out, seconds};

    async fn do_something(out: Out, what: &'static str) {
        sleep(seconds(0.1)).await;
        out.print(format!("did {what}"));
    }

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let task1 = current_runtime().spawn_detached(do_something(out, "something"));
        let task2 = current_runtime().spawn_detached(do_something(out, "something else"));
        task1.await?;
        task2.await?;
        Ok(())
    }
}

/// 2.1
mod basic_example {
    use anyscope::prelude::*;

    use crate::programs::out::{Out, Stopwatch, seconds};

    async fn fetch(out: Out, name: &str, delay: f64) -> Result<String, BoxError> {
        out.print(format!("  [{name}] started  (delay={delay:?}s)"));
        sleep(seconds(delay)).await;
        out.print(format!("  [{name}] finished"));
        Ok(format!("{name}-result"))
    }

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let start = Stopwatch::start();

        let (t1, t2, t3) = group(async |g| {
            let t1 = g.spawn(fetch(out, "A", 1.0));
            let t2 = g.spawn(fetch(out, "B", 2.0));
            let t3 = g.spawn(fetch(out, "C", 1.5));
            Ok((t1, t2, t3))
        })
        .await?;

        // All tasks have ended here.
        let elapsed = start.seconds();
        out.print(format!("\nResults: {}, {}, {}", t1.await?, t2.await?, t3.await?));
        out.print(format!("Total time: {elapsed:.2}s (should be ~2s, not 4.5s)"));
        Ok(())
    }
}

/// 3.1
mod when_a_task_fails {
    use anyscope::handle;
    use anyscope::prelude::*;

    use crate::programs::out::{Out, ValueError, seconds};

    async fn good_task(name: &str) -> Result<String, BoxError> {
        sleep(seconds(0.5)).await;
        Ok(format!("{name} OK"))
    }

    async fn bad_task(name: &str) -> Result<String, BoxError> {
        sleep(seconds(0.3)).await;
        Err(ValueError(format!("{name} failed!")))?
    }

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let outcome = group(async |g| {
            g.spawn(good_task("A"));
            g.spawn(bad_task("B")); // a ValueError
            g.spawn(good_task("C"));
            Ok(())
        })
        .await;
        if let Err(error) = outcome {
            handle!(match error {
                ValueError as eg => {
                    out.print(format!("Caught {} ValueError(s):", eg.len()));
                    for exc in eg.leaves() {
                        out.print(format!("  - {}", exc.as_error()));
                    }
                },
            })?;
        }
        Ok(())
    }
}

/// 3.2 The document says that both kinds are caught. Under fail-fast, in Python too, the ValueError
/// cancels the other task before it fails; for both, the siblings of a failed task must go on.
mod multiple_exception_types {
    use anyscope::prelude::*;
    use anyscope::{Supervise, handle};

    use crate::programs::out::{Out, RuntimeError, ValueError, seconds};

    async fn raise_value_error() -> Result<(), BoxError> {
        sleep(seconds(0.1)).await;
        Err(ValueError("bad value".into()))?
    }

    async fn raise_runtime_error() -> Result<(), BoxError> {
        sleep(seconds(0.2)).await;
        Err(RuntimeError("something broke".into()))?
    }

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let outcome = group(async |g| {
            g.spawn(raise_value_error());
            g.spawn(raise_runtime_error());
            Ok(())
        })
        .policy(Supervise)
        .await;
        if let Err(error) = outcome {
            handle!(match error {
                ValueError as eg => {
                    out.print("ValueErrors:");
                    eg.leaves().for_each(|exc| out.print(format!("  - {}", exc.as_error())));
                },
                RuntimeError as eg => {
                    out.print("RuntimeErrors:");
                    eg.leaves().for_each(|exc| out.print(format!("  - {}", exc.as_error())));
                },
            })?;
        }
        Ok(())
    }
}

/// 5.
mod dynamic_tasks {
    use anyscope::prelude::*;

    use crate::programs::out::{Out, seconds};

    const URLS: [&str; 3] = [
        "http://api.example.com/users",
        "http://api.example.com/posts",
        "http://api.example.com/comments",
    ];

    async fn fetch(url: &str) -> Result<String, BoxError> {
        sleep(seconds(0.5)).await;
        Ok(format!("data from {url}"))
    }

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let mut tasks = Vec::new();
        group(async |g| {
            for url in URLS {
                tasks.push((url, g.spawn(fetch(url))));
            }
            Ok(())
        })
        .await?;

        for (url, task) in tasks {
            out.print(format!("{url} → {}", task.await?));
        }
        Ok(())
    }
}

/// 6, problem 1: a done-callback for each call, which knows its delay because it owns it.
mod problem_1_callbacks {
    use anyscope::prelude::*;

    use crate::programs::out::{Out, seconds};

    struct Reply {
        status: &'static str,
    }

    async fn simulate(delay: f64) -> Result<Reply, BoxError> {
        sleep(seconds(delay)).await;
        Ok(Reply { status: "ok" })
    }

    fn on_done(out: Out, delay: f64, outcome: Result<&Reply, &TaskError>) {
        match outcome {
            Ok(reply) => out.print(format!("delay {delay:?}: {}", reply.status)),
            Err(error) => out.print(format!("delay {delay:?}: {error}")),
        }
    }

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        group(async |g| {
            for delay in [0.5, 1.0, 1.5, 2.0] {
                let task = g.task(simulate(delay));
                task.on_done(move |outcome| on_done(out, delay, outcome)).spawn();
            }
            Ok(())
        })
        .await?;
        Ok(())
    }
}

/// 6, problem 2: all six are to be tried, so a failure must not cancel the others.
mod problem_2_classification {
    use anyscope::prelude::*;
    use anyscope::{Supervise, handle};

    use crate::programs::out::{ConnectionError, Out, TimeoutError, seconds};

    async fn flaky_operation(id: u32) -> Result<String, BoxError> {
        sleep(seconds(0.1 * f64::from(id))).await;
        match id % 3 {
            0 => Err(ConnectionError(format!("op {id}: connection lost")))?,
            1 => Err(TimeoutError(format!("op {id}: timed out")))?,
            _ => Ok(format!("op {id}: success")),
        }
    }

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let mut tasks = Vec::new();
        let outcome = group(async |g| {
            tasks.extend((1..=6).map(|id| g.spawn(flaky_operation(id))));
            Ok(())
        })
        .policy(Supervise)
        .await;
        if let Err(error) = outcome {
            handle!(match error {
                ConnectionError as eg => {
                    out.print(format!("{} lost their connection:", eg.len()));
                    eg.leaves().for_each(|exc| out.print(format!("  - {}", exc.as_error())));
                },
                TimeoutError as eg => {
                    out.print(format!("{} timed out:", eg.len()));
                    eg.leaves().for_each(|exc| out.print(format!("  - {}", exc.as_error())));
                },
            })?;
        }
        out.print("Succeeded:");
        for result in gather(tasks).settled().await.into_iter().flatten() {
            out.print(format!("  - {result}"));
        }
        Ok(())
    }
}
