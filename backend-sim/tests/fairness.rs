//! Nobody waits for ever where others could go on, and what only looks takes no step.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use anyscope_core::{BoxError, Group, GroupError, Timer};
use anyscope_sim::{
    Check, Options, Schedule, Sim, Simulation, TraceStep, block_for, block_until, spawn_thread,
};
use support::bounded;

mod support;

type Outcome<T> = Result<T, GroupError<BoxError>>;
type Flag = Arc<AtomicBool>;

const SECOND: Duration = Duration::from_secs(1);

fn is_set(flag: &Flag) -> bool {
    flag.load(Ordering::SeqCst)
}

fn set(flag: &Flag) {
    flag.store(true, Ordering::SeqCst);
}

/// A job looks after each step of a task, which yields until a third has run.
async fn job_looks_while_a_task_yields(rt: Sim) {
    let (begun, done) = (Flag::default(), Flag::default());
    let outcome: Outcome<()> = rt
        .group(async |g| {
            let (rt, seen) = (g.runtime(), done.clone());
            g.spawn_blocking(move || block_until(|| is_set(&seen)));
            let seen = begun.clone();
            g.spawn(async move {
                while !is_set(&seen) {
                    rt.yield_now().await;
                }
                set(&done);
                Ok(())
            });
            g.spawn(async move {
                set(&begun);
                Ok(())
            });
            Ok(())
        })
        .await;
    outcome.unwrap();
}

/// Two tasks wake each other until a third has run.
async fn tasks_wake_each_other(rt: Sim) {
    let over = Flag::default();
    let wakers: Arc<Mutex<[Option<Waker>; 2]>> = Arc::default();
    let outcome: Outcome<()> = rt
        .group(async |g| {
            for mine in 0..2 {
                let (over, wakers) = (over.clone(), wakers.clone());
                g.spawn(poll_fn(move |cx| {
                    let other = {
                        let mut wakers = wakers.lock().unwrap();
                        wakers[mine] = Some(cx.waker().clone());
                        wakers[1 - mine].take()
                    };
                    other.into_iter().for_each(Waker::wake);
                    if is_set(&over) { Poll::Ready(Ok::<(), BoxError>(())) } else { Poll::Pending }
                }));
            }
            g.spawn(async move {
                set(&over);
                Ok(())
            });
            Ok(())
        })
        .await;
    outcome.unwrap();
}

/// In the order of creation, as a replay has it where nothing else is said.
fn in_order() -> Check {
    Check::new().seeds(1).schedule(Schedule::Switches(Vec::new())).max_steps(10_000)
}

fn by_priority() -> Check {
    Check::new().seeds(100).pct(1).max_steps(10_000)
}

#[test]
fn job_that_looks_and_task_that_yields_leave_a_step_to_others() {
    bounded(|| {
        in_order().run(job_looks_while_a_task_yields);
        by_priority().run(job_looks_while_a_task_yields);
    });
}

#[test]
fn tasks_that_wake_each_other_leave_a_step_to_others() {
    bounded(|| {
        in_order().run(tasks_wake_each_other);
        by_priority().run(tasks_wake_each_other);
    });
}

#[test]
fn looks_of_those_that_block_are_no_steps() {
    bounded(|| {
        Check::new().seeds(10).max_steps(500).run(async |rt| {
            let done = Flag::default();
            let threads = [(); 20].map(|()| {
                let done = done.clone();
                spawn_thread(move || block_until(|| is_set(&done)))
            });
            for _ in 0..200 {
                rt.yield_now().await;
            }
            set(&done);
            for thread in threads {
                thread.join().unwrap();
            }
        });
    });
}

#[test]
fn trace_shows_no_looks() {
    bounded(|| {
        let simulation = Simulation::new(Options::seed(1).schedule(Schedule::Fifo));
        simulation.block_on(async {
            let done = Flag::default();
            let seen = done.clone();
            let thread = spawn_thread(move || block_until(|| is_set(&seen)));
            for _ in 0..5 {
                simulation.runtime().yield_now().await;
            }
            set(&done);
            thread.join().unwrap();
        });
        let trace = simulation.trace().to_string();
        assert_eq!(trace, "main\nthread 1\nmain, 5 steps\nthread 1\n");
    });
}

/// Tasks that sleep and yield, jobs and threads that block, and a failure at the end.
async fn fails_in_the_end(rt: Sim) {
    let outcome: Outcome<()> = rt
        .group(async |g| {
            let over = Flag::default();
            let (rt, seen) = (g.runtime(), over.clone());
            let thread = spawn_thread(move || block_until(|| is_set(&seen)));
            for seconds in 1..4 {
                let rt = rt.clone();
                g.spawn(async move {
                    rt.yield_now().await;
                    rt.sleep(SECOND * seconds).await;
                    rt.spawn_blocking(move || block_for(SECOND)).await?;
                    Ok(())
                });
            }
            rt.sleep(SECOND * 2).await;
            set(&over);
            g.spawn_blocking(move || thread.join().unwrap()).await?;
            Ok(())
        })
        .await;
    panic!("it ends: {outcome:?}");
}

#[test]
fn replay_of_all_switches_is_the_same_run() {
    bounded(|| {
        for seed in 0..100 {
            let check = Check::new().shrink_runs(0).only_seed(seed);
            for check in [check.clone(), check.clone().pct(3), check.schedule(Schedule::Fifo)] {
                let failure = check.try_run(fails_in_the_end).unwrap_err();
                assert_eq!(failure.trace().steps(), failure.first_trace().steps());
                let is_clock = |step: &&TraceStep| matches!(step, TraceStep::Clock(_));
                assert!(failure.trace().steps().iter().filter(is_clock).count() > 2);
            }
        }
    });
}
