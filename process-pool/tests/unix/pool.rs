//! U4: what a pool does with its workers and its calls: start, keep, retire, replace, cancel, close.

use std::error::Error;
use std::fs;
use std::future::poll_fn;
use std::io::{BufRead, BufReader};
use std::panic::catch_unwind;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::jobs::{ECHO, GATE, HANG, MARK, NEST, STDIN, hanging};
use crate::support::processes::{children, exists, runs, signal};
use crate::support::{
    Dir, On, Outcome, PARENT, PATIENCE, TIMES, numbers, on_each, once, pool, until, until_sync,
};
use anyscope_core::{
    AnyRuntime, BoxError, Branch, Group, Timer, gather, panic_message, race, scope,
};
use anyscope_process::{Builder, ProcessPool};
use futures_executor::block_on;
use futures_util::future::{join_all, select};
use futures_util::{join, poll};
use libtest_mimic::Trial;
use rustix::process::Signal;

pub(crate) fn tests() -> Vec<Trial> {
    let on_each = [
        on_each("workers_start_late_are_kept_and_retired", workers_start_late_are_kept_and_retired),
        on_each("worker_that_dies_idle_costs_no_call", worker_that_dies_idle_costs_no_call),
        on_each("worker_that_dies_unseen_costs_no_call", worker_that_dies_unseen_costs_no_call),
        on_each("cancelled_group_returns_when_the_worker_is_gone", cancelled_group),
        on_each("cancelled_task_ends_when_the_worker_is_gone", cancelled_task),
        on_each("dropped_group_is_waited_for_until_the_worker_is_gone", dropped_group),
        on_each("cancelled_call_fails_when_the_worker_is_gone", cancelled_call),
        on_each("call_whose_time_is_up_is_gone", call_whose_time_is_up_is_gone),
        on_each("stopped_branch_has_ended_with_its_worker", stopped_branch),
        on_each("call_dropped_in_a_job_is_waited_for_by_it", call_dropped_in_a_job),
        on_each(
            "call_dropped_by_a_child_in_a_job_is_waited_for_by_it",
            call_dropped_by_a_child_in_a_job,
        ),
        on_each("cancellations_at_any_time_harm_nobody_else", cancellations_at_any_time),
        on_each("closed_pool_serves_what_it_has_and_refuses_more", closed_pool),
    ];
    let once = [
        once("without_a_group_a_dropped_call_is_killed_and_reaped", without_a_group),
        once("dropped_pool_ends_its_workers", dropped_pool_ends_its_workers),
        once("killed_parent_leaves_no_orphan_and_jobs_print_what_they_like", killed_parent),
        once("job_cannot_have_a_pool_or_read_the_channel", job_cannot_have_a_pool),
        once("worker_that_cannot_start_is_an_error", worker_that_cannot_start),
        once("job_is_registered_once", job_is_registered_once),
    ];
    let tests = on_each.into_iter().flatten().chain(once.into_iter().flatten());
    tests.collect()
}

fn workers_start_late_are_kept_and_retired(on: On) {
    on.run(async |rt| {
        let builder = ProcessPool::builder().workers(2).idle_timeout(Duration::from_millis(100));
        let pool = builder.build().unwrap();
        assert_eq!(pool.worker_ids(), [], "none before the first call");
        for _ in 0..3 {
            echo(&pool).await;
            let first = pool.worker_ids();
            assert!(first.len() <= 1, "one after the other needs one: {first:?}");
            echo(&pool).await;
            until(&rt, "the idle are retired", || pool.worker_ids().is_empty()).await;
            until(&rt, "nor are they children", || children().is_empty()).await;
        }
        pool.close().await;
    });
}

fn worker_that_dies_idle_costs_no_call(on: On) {
    on.run(async |rt| {
        let pool = pool(1);
        for _ in 0..TIMES {
            echo(&pool).await;
            let idle = pool.worker_ids()[0];
            signal(idle, Signal::KILL);
            until(&rt, "it is reaped, though nobody calls", || !exists(idle)).await;
        }
        echo(&pool).await;
        pool.close().await;
    });
}

/// A stopped worker takes a request into its channel and does not begin it; then it is killed.
fn worker_that_dies_unseen_costs_no_call(on: On) {
    on.run(async |rt| {
        let (pool, dir) = (pool(1), Dir::new());
        for number in 0..TIMES {
            echo(&pool).await;
            let idle = pool.worker_ids()[0];
            signal(idle, Signal::STOP);
            let call = pool.run(&MARK, (dir.path("marks"), number));
            let killed = async {
                rt.sleep(Duration::from_micros(number * 50)).await;
                signal(idle, Signal::KILL);
            };
            let (output, ()) = join!(call, killed);
            assert_eq!(output.unwrap(), number);
        }
        assert_eq!(numbers(&dir.path("marks")), Vec::from_iter(0..TIMES), "each has run once");
        pool.close().await;
    });
}

fn cancelled_group(on: On) {
    with_hanging_jobs(on, async |rt, pool, file| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.spawn(hang(pool.clone(), file.clone()));
                until(rt, "the job hangs", || file.exists()).await;
                g.cancel();
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert!(!exists(hanging(&file).unwrap()[0]), "the group has returned before");
    });
}

fn cancelled_task(on: On) {
    with_hanging_jobs(on, async |rt, pool, file| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let task = g.spawn(hang(pool.clone(), file.clone()));
                until(rt, "the job hangs", || file.exists()).await;
                task.cancel();
                assert!(task.await.unwrap_err().is_cancelled());
                assert!(!exists(hanging(&file).unwrap()[0]), "the task has ended before");
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

/// An inner group whose body calls is dropped by a `select`; the outer one waits.
fn dropped_group(on: On) {
    with_hanging_jobs(on, async |rt, pool, file| {
        let outcome: Outcome<()> = rt
            .group(async |_| {
                let call = hang(pool.clone(), file.clone());
                let inner = rt.group::<BoxError, _>(async |_| call.await);
                let hangs = until(rt, "the job hangs", || file.exists());
                drop(select(Box::pin(inner), Box::pin(hangs)).await);
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert!(!exists(hanging(&file).unwrap()[0]), "the outer group has returned before");
    });
}

/// The call that is cancelled is the one that fails, when its worker is gone; or it was done before.
fn cancelled_call(on: On) {
    with_hanging_jobs(on, async |rt, pool, file| {
        let mut call = pool.run(&HANG, file.clone());
        assert!(poll!(&mut call).is_pending());
        until(rt, "the job hangs", || file.exists()).await;
        call.cancel();
        call.cancel();
        let error = call.await.unwrap_err();
        assert!(error.is_cancelled() && error.has_begun());
        assert_eq!(children(), [], "the worker is gone");
        let mut new = pool.run(&HANG, file.clone());
        new.cancel();
        let (marks, gate) = (file.with_extension("marks"), file.with_extension("gate"));
        let mut queued = pool.run(&HANG, file);
        let (running, error) = join!(pool.run(&GATE, (marks, 1, gate.clone())), async {
            assert!(poll!(&mut queued).is_pending());
            queued.cancel();
            let error = queued.await.unwrap_err();
            fs::write(gate, "").unwrap();
            error
        });
        running.unwrap();
        for error in [new.await.unwrap_err(), error] {
            assert!(error.is_cancelled() && !error.has_begun());
        }
        let mut done = pool.run(&ECHO, "done".to_owned());
        poll_fn(|cx| Pin::new(&mut done).poll_ended(cx)).await;
        done.cancel();
        assert_eq!(done.await.unwrap(), "done");
    });
}

fn call_whose_time_is_up_is_gone(on: On) {
    with_hanging_jobs(on, async |_, pool, file| {
        let mut limit = Duration::from_millis(20);
        loop {
            let error = pool.run(&HANG, file.clone()).limit(limit).await.unwrap_err();
            assert!(error.is_time_limit(), "{error}");
            assert_eq!(children(), [], "the worker is gone");
            if error.has_begun() {
                break;
            }
            limit *= 2; // the worker had not come to it yet
            assert!(limit < PATIENCE, "{error}");
        }
        let quick = pool.run(&ECHO, "in time".to_owned()).limit(Duration::from_secs(60));
        assert_eq!(quick.await.unwrap(), "in time");
    });
}

/// `gather` stops the other when one has failed; `race` stops the one that has lost.
fn stopped_branch(on: On) {
    on.run(async |rt| {
        let (pool, dir) = (pool(2), Dir::new());
        for at in 0..20 {
            let files = [0, 1].map(|call| dir.path(&format!("hang {at} {call}")));
            let calls = files.clone().map(|file| pool.run(&HANG, file));
            let killed = async {
                until(&rt, "both hang", || files.iter().all(|file| file.exists())).await;
                signal(hanging(&files[1]).unwrap()[0], Signal::KILL);
            };
            let (outcome, ()) = join!(gather(calls), killed);
            assert!(outcome.unwrap_err().is_worker_lost());
            assert_eq!(children(), [], "the one that was stopped is gone");

            let (marks, gate) = (dir.path("marks"), dir.path("no gate"));
            let loser = pool.run(&GATE, (marks.clone(), 2 * at, gate));
            let winner = pool.run(&MARK, (marks, 2 * at + 1));
            assert_eq!(race([loser, winner]).await.unwrap(), 2 * at + 1);
            assert!(children().len() <= 1, "the loser is gone");
        }
        pool.close().await;
    });
}

/// By hand, or because it was cancelled where it awaits.
fn call_dropped_in_a_job(on: On) {
    with_hanging_jobs(on, async |rt, pool, file| {
        let (call, hangs) = (pool.run(&HANG, file.clone()), file.clone());
        let job = move || {
            let mut call = Box::pin(call);
            assert!(block_on(async { poll!(&mut call) }).is_pending());
            until_sync("the job hangs", || hangs.exists());
            drop(call);
            exists(hanging(&hangs).unwrap()[0])
        };
        let outcome: Outcome<bool> = rt.group(async |g| Ok(g.spawn_blocking(job).await?)).await;
        assert!(!outcome.unwrap(), "the job goes on before");

        fs::remove_file(&file).unwrap();
        let call = pool.run(&HANG, file.clone());
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.spawn_blocking(move || anyscope_core::block_on(call).unwrap_err());
                until(rt, "the job hangs", || file.exists()).await;
                g.cancel();
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert!(!exists(hanging(&file).unwrap()[0]), "the group has returned before");
    });
}

/// A scope's child has clean-ups, which go unrun when the job drops the scope; the job has none.
fn call_dropped_by_a_child_in_a_job(on: On) {
    with_hanging_jobs(on, async |rt, pool, file| {
        let pool = pool.clone();
        let job = move || {
            let mut within = Box::pin(scope::<BoxError, _>(async |s| {
                Ok(s.spawn(hang(pool.clone(), file.clone())).await?)
            }));
            assert!(block_on(async { poll!(&mut within) }).is_pending());
            until_sync("the job hangs", || file.exists());
            drop(within);
            exists(hanging(&file).unwrap()[0])
        };
        let outcome: Outcome<bool> = rt.group(async |g| Ok(g.spawn_blocking(job).await?)).await;
        assert!(!outcome.unwrap(), "the job goes on before");
    });
}

/// Calls that are dropped at any moment of their lives, beside others that are not.
fn cancellations_at_any_time(on: On) {
    on.run(async |rt| {
        let (pool, dir) = (pool(2), Dir::new());
        let one = async |number: u64| {
            let (marks, cancelled) = (dir.path("marks"), dir.path("cancelled"));
            let dropped = pool.run(&MARK, (cancelled, number));
            let time = rt.sleep(Duration::from_micros(number * 20));
            let kept = pool.run(&MARK, (marks, number));
            let (kept, _) = join!(kept, select(dropped, Box::pin(time)));
            assert_eq!(kept.unwrap(), number);
        };
        let outcome: Outcome<()> = rt
            .group(async |_| {
                for round in 0..4 {
                    join_all((0..25).map(|at| one(4 * at + round))).await;
                }
                Ok(())
            })
            .await;
        outcome.unwrap();
        let mut marks = numbers(&dir.path("marks"));
        marks.sort_unstable();
        assert_eq!(marks, Vec::from_iter(0..100));
        let mut cancelled = numbers(&dir.path("cancelled"));
        cancelled.sort_unstable();
        assert!(cancelled.is_sorted_by(|a, b| a < b), "none has run twice");
        pool.close().await;
        assert_eq!(children(), []);
    });
}

fn closed_pool(on: On) {
    on.run(async |rt| {
        let (pool, dir) = (pool(1), Dir::new());
        let gate = |number| pool.run(&GATE, (dir.path("marks"), number, dir.path("gate")));
        let (late, other) = (pool.run(&ECHO, "late".to_owned()), pool.clone());
        let calls = join_all([gate(0), gate(1)]);
        let closing = async {
            until(&rt, "one runs", || numbers(&dir.path("marks")) == [0]).await;
            let mut closing = Box::pin(other.close());
            assert!(poll!(&mut closing).is_pending(), "it waits for its calls");
            assert!(late.await.unwrap_err().is_closed());
            fs::write(dir.path("gate"), "").unwrap();
            closing.await;
            assert_eq!(children(), []);
        };
        let (outputs, ()) = join!(calls, closing);
        let outputs: Vec<_> = outputs.into_iter().map(Result::unwrap).collect();
        assert_eq!(outputs, [0, 1], "the one that waited has run as well");
        pool.close().await;
    });
}

fn without_a_group() {
    let (pool, dir) = (pool(1), Dir::new());
    for at in 0..10 {
        let file = dir.path(&format!("hang {at}"));
        let mut call = Box::pin(pool.run(&HANG, file.clone()));
        assert!(block_on(async { poll!(&mut call) }).is_pending());
        until_sync("the job hangs", || file.exists());
        drop(call);
        let [worker, below] = hanging(&file).unwrap();
        until_sync("it is reaped", || !exists(worker));
        until_sync("what it has started is ended", || !runs(below));
    }
    block_on(echo(&pool));
    block_on(pool.close());
    assert_eq!(children(), []);
}

fn dropped_pool_ends_its_workers() {
    let pool = pool(2);
    block_on(echo(&pool));
    let call = pool.run(&ECHO, "kept".to_owned());
    let worker = pool.worker_ids()[0];
    drop(pool);
    assert_eq!(block_on(call).unwrap(), "kept", "a call keeps the pool");
    until_sync("its worker is gone", || !exists(worker));
    until_sync("no other was left", || children().is_empty());
}

fn killed_parent() {
    let dir = Dir::new();
    let mut parent = Command::new(dir.own_program());
    parent.args([PARENT.into(), dir.path("")]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut parent = parent.spawn().unwrap();
    let mut lines = BufReader::new(parent.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.next().unwrap(), "text from a job");
    let workers = lines.next().unwrap();
    let ids = workers.strip_prefix("and more of it, workers: ").unwrap();
    let mut ids: Vec<u32> = ids.split(", ").map(|id| id.parse().unwrap()).collect();
    assert_eq!(ids.len(), 3);
    for at in 0..2 {
        ids.extend(hanging(&dir.path(&format!("hang {at}"))).unwrap());
    }
    assert!(ids.iter().all(|&id| runs(id)));
    parent.kill().unwrap();
    parent.wait().unwrap();
    for id in ids {
        until_sync("the orphan has ended", || !runs(id));
    }
}

fn job_cannot_have_a_pool() {
    let pool = ProcessPool::builder().workers(1).arg("--pool-before-init").build().unwrap();
    assert!(!block_on(pool.run(&NEST, ())).unwrap());
    assert_eq!(block_on(pool.run(&STDIN, ())).unwrap(), "");
    block_on(pool.close());
}

fn worker_that_cannot_start() {
    let start = |builder: Builder| {
        let pool = builder.workers(1).build().unwrap();
        let error = block_on(pool.run(&ECHO, String::new())).unwrap_err();
        assert!(error.is_start() && !error.has_begun(), "{error}");
        block_on(pool.close());
        assert_eq!(children(), []);
        error
    };
    let gone = start(ProcessPool::builder().program("/no/such/program"));
    assert!(gone.source().is_some_and(|error| error.to_string().contains("No such file")));
    let exits = start(ProcessPool::builder().arg("--exit"));
    assert_eq!(exits.status().unwrap().code(), Some(7));
    let text = exits.to_string();
    assert!(text.starts_with("job 'echo' version 1: the worker process was not ready: it ended"));
    assert!(text.contains("does its `main` begin with `anyscope_process::init`?"), "{text}");
    let other = start(ProcessPool::builder().program("false"));
    assert_eq!(other.status().unwrap().code(), Some(1));
    let hangs = ProcessPool::builder().arg("--never-init");
    let hangs = start(hangs.start_timeout(Duration::from_millis(50)));
    assert!(hangs.to_string().contains("its time was up"), "{hangs}");
}

fn job_is_registered_once() {
    let twice = || anyscope_process::init(&[&ECHO, &MARK, &ECHO]);
    let panic = catch_unwind(twice).unwrap_err();
    let text = panic_message(&*panic);
    assert_eq!(text, "job 'echo' version 1 is registered twice");
}

/// Calls a job that ends well.
async fn echo(pool: &ProcessPool) {
    assert_eq!(pool.run(&ECHO, "text".to_owned()).await.unwrap(), "text");
}

/// Calls one that hangs.
async fn hang(pool: ProcessPool, file: PathBuf) -> Result<(), BoxError> {
    Ok(pool.run(&HANG, file).await?)
}

/// Tries something with a job that hangs, several times; the pool is well after it.
fn with_hanging_jobs(on: On, test: impl AsyncFn(&AnyRuntime, &ProcessPool, PathBuf)) {
    on.run(async |rt| {
        let (pool, dir) = (pool(1), Dir::new());
        for at in 0..20 {
            test(&rt, &pool, dir.path(&format!("hang {at}"))).await;
            echo(&pool).await;
        }
        pool.close().await;
        assert_eq!(children(), []);
    });
}
