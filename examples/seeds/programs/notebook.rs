//! The notebook on TaskGroup, "Asyncio": tasks and gather, better structure, better cancellation,
//! exception groups.

use super::Program;

pub(super) fn programs() -> Vec<Program> {
    vec![
        Program::new("notebook::create_task", create_task::main),
        Program::new("notebook::gather", gather_twenty::main),
        Program::new("notebook::task_group", task_group::main),
        Program::new("notebook::task_group_values", task_group_values::main),
        Program::new("notebook::better_structure", better_structure::main),
        Program::new("notebook::nested_groups", nested_groups::main),
        Program::new("notebook::gather_goes_on", gather_goes_on::main),
        Program::new("notebook::group_aborts", group_aborts::main),
        Program::new("notebook::subgroup", subgroup::main),
        Program::new("notebook::except_star", except_star::main),
    ]
}

/// The functions that several cells use.
mod cells {
    use anyscope::prelude::*;

    use crate::programs::out::{AbortError, Out, seconds};

    /// Sleeps for up to half a second, different for each, but the same in each run.
    pub(super) async fn task(n: u32) -> Result<u32, BoxError> {
        sleep(seconds(f64::from(n * 7 % 20) / 40.0)).await;
        Ok(n)
    }

    pub(super) async fn task_abort(out: Out, wait: f64, abort: bool) -> Result<(), BoxError> {
        sleep(seconds(wait)).await;
        if abort {
            Err(AbortError("Aborting the task".into()))?;
        }
        out.print("Task complete");
        Ok(())
    }

    /// Two tasks abort at the same moment. asyncio runs both before it cancels anything; here the
    /// first would cancel the second, if the group did not leave its tasks a moment to end.
    pub(super) async fn task_group_abort(out: Out) -> Result<(), GroupError> {
        group(async |g| {
            g.spawn(task_abort(out, 0.1, true));
            g.spawn(task_abort(out, 0.1, true));
            g.spawn(task_abort(out, 0.2, false));
            g.spawn(task_abort(out, 0.2, false));
            Ok(())
        })
        .grace(seconds(0.01))
        .await
    }
}

mod create_task {
    use anyscope::prelude::*;

    use crate::programs::out::{Out, seconds};

    async fn fire_after(out: Out, delay: f64) -> Result<(), BoxError> {
        sleep(seconds(delay)).await;
        out.print("Fired");
        Ok(())
    }

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        group(async |g| {
            let t = g.spawn(fire_after(out, 0.1));
            sleep(seconds(0.2)).await;
            out.print("after");
            Ok(t.await?)
        })
        .await?;
        Ok(())
    }
}

/// No group: the futures run in place, inside this task.
mod gather_twenty {
    use anyscope::prelude::*;

    use super::cells::task;
    use crate::programs::out::Out;

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let numbers = gather((0..20).map(|n| in_place(task(n)))).await?;
        out.print(format!("{numbers:?}"));
        Ok(())
    }
}

mod task_group {
    use anyscope::prelude::*;

    use super::cells::task;
    use crate::programs::out::Out;

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        group(async |g| {
            for n in 0..20 {
                g.spawn(task(n));
            }
            Ok(())
        })
        .await?;
        out.print("all 20 are complete");
        Ok(())
    }
}

/// The same values three times: awaited one by one, gathered after the group, gathered inside it.
mod task_group_values {
    use anyscope::prelude::*;

    use super::cells::task;
    use crate::programs::out::Out;

    async fn start_all() -> Result<Vec<TaskHandle<u32>>, GroupError> {
        group(async |g| Ok((0..20).map(|n| g.spawn(task(n))).collect())).await
    }

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let mut values = Vec::new();
        for fut in start_all().await? {
            values.push(fut.await?);
        }
        out.print(format!("{values:?}"));

        let values = gather(start_all().await?).await?;
        out.print(format!("{values:?}"));

        let values = group(async |g| Ok(g.spawn_all((0..20).map(task)).await?)).await?;
        out.print(format!("{values:?}"));
        Ok(())
    }
}

mod better_structure {
    use anyscope::prelude::*;

    use crate::programs::out::{Out, seconds};

    async fn in_parallel(out: Out, what: &'static str) -> Result<(), GroupError> {
        group(async |g| {
            for n in [2, 1] {
                g.spawn(async move {
                    sleep(seconds(f64::from(n))).await;
                    out.print(format!("{what} {n}"));
                    Ok(())
                });
            }
            Ok(())
        })
        .await
    }

    async fn in_serial(out: Out) {
        sleep(seconds(0.5)).await;
        out.print("something in serial");
    }

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        in_parallel(out, "first").await?;
        in_serial(out).await;
        in_parallel(out, "second").await?;
        Ok(())
    }
}

/// A service that dies stops the other services; that stops the server, and its background job.
mod nested_groups {
    use std::future::pending;

    use anyscope::handle;
    use anyscope::prelude::*;

    use crate::programs::out::{Out, RuntimeError, seconds};

    async fn background_job(out: Out) -> Result<(), BoxError> {
        defer(async move |_| out.print("background job stopped"));
        out.print("background job started");
        pending().await
    }

    async fn service(out: Out, n: u32, dies_after: Option<f64>) -> Result<(), BoxError> {
        defer(async move |_| out.print(format!("service {n} stopped")));
        out.print(format!("service {n} started"));
        let Some(delay) = dies_after else { return pending().await };
        sleep(seconds(delay)).await;
        Err(RuntimeError(format!("service {n} died")))?
    }

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let outcome = group(async |server| {
            server.spawn(background_job(out));
            group(async |services| {
                services.spawn(service(out, 1, Some(1.0)));
                services.spawn(service(out, 2, None));
                Ok(())
            })
            .await?;
            Ok(())
        })
        .await;
        if let Err(error) = outcome {
            handle!(match error {
                died: RuntimeError => out.print(died),
            })?;
        }
        Ok(())
    }
}

/// Each task's value is its outcome, so that the group has no failure to act on and all run to the
/// end; the failure is printed when it comes.
mod gather_goes_on {
    use anyscope::prelude::*;

    use super::cells::task_abort;
    use crate::programs::out::Out;

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        group(async |g| {
            let tasks = [(0.1, true), (0.2, false), (0.2, false)].map(|(wait, abort)| {
                g.spawn(async move { Ok(task_abort(out, wait, abort).await) })
            });
            let mut outcomes = as_completed(tasks);
            while let Some(outcome) = outcomes.next().await {
                if let Err(error) = outcome? {
                    out.print(format!("AbortError: {error}"));
                }
            }
            Ok(())
        })
        .await?;
        Ok(())
    }
}

mod group_aborts {
    use anyscope::prelude::*;

    use super::cells::task_group_abort;
    use crate::programs::out::Out;

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        if let Err(error) = task_group_abort(out).await {
            out.print(error);
        }
        Ok(())
    }
}

mod subgroup {
    use anyscope::prelude::*;

    use super::cells::task_group_abort;
    use crate::programs::out::{AbortError, Out};

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        let failures = task_group_abort(out).await.err().and_then(GroupError::into_failures);
        if let Some(sub_group) = failures.and_then(|eg| eg.subgroup(|leaf| leaf.is::<AbortError>()))
        {
            for e in sub_group.leaves() {
                out.print(format!("Got {}", e.as_error()));
            }
        }
        Ok(())
    }
}

mod except_star {
    use anyscope::handle;
    use anyscope::prelude::*;

    use super::cells::task_group_abort;
    use crate::programs::out::{AbortError, Out};

    pub(super) async fn main(out: Out) -> Result<(), BoxError> {
        if let Err(error) = task_group_abort(out).await {
            handle!(match error {
                e: AbortError => out.print(format!("Got {e}")),
            })?;
        }
        Ok(())
    }
}
