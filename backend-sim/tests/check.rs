//! Exploration: seeds, bounded preemption, shrinking, replay, and faults.

use std::env;
use std::future::pending;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyscope_core::{BoxError, CauseKind, Group, GroupError, Timer};
use anyscope_sim::{
    Check, Faults, Options, Schedule, Sim, Simulation, TraceStep, block_for, give_way, spawn_thread,
};

type Outcome<T> = Result<T, GroupError<BoxError>>;

const SECOND: Duration = Duration::from_secs(1);

/// Tasks that raise a number by reading and writing it, with a suspension between: an increment is lost
/// if another runs at that point.
async fn lost_update(rt: Sim) {
    let number = Arc::new(AtomicUsize::new(0));
    let outcome: Outcome<()> = rt
        .group(async |g| {
            for name in ["a", "b", "c"] {
                let (number, rt) = (number.clone(), g.runtime());
                let task = async move {
                    let read = number.load(Ordering::Relaxed);
                    rt.yield_now().await;
                    number.store(read + 1, Ordering::Relaxed);
                    Ok(())
                };
                g.task(task).name(name).spawn();
            }
            Ok(())
        })
        .await;
    outcome.unwrap();
    assert_eq!(number.load(Ordering::Relaxed), 3, "an increment is lost");
}

/// The same, right.
async fn no_lost_update(rt: Sim) {
    let number = Arc::new(AtomicUsize::new(0));
    let outcome: Outcome<()> = rt
        .group(async |g| {
            for _ in 0..3 {
                let (number, rt) = (number.clone(), g.runtime());
                g.spawn(async move {
                    rt.yield_now().await;
                    number.fetch_add(1, Ordering::Relaxed);
                    Ok(())
                });
            }
            Ok(())
        })
        .await;
    outcome.unwrap();
    assert_eq!(number.load(Ordering::Relaxed), 3);
}

#[test]
fn what_is_right_passes_under_each_seed_and_mode() {
    Check::new().seeds(500).run(no_lost_update);
    Check::new().seeds(500).pct(2).run(no_lost_update);
    Check::new().seeds(1).schedule(Schedule::Fifo).run(no_lost_update);
}

#[test]
fn a_failure_is_shrunk_to_the_switches_that_it_needs() {
    let failure = Check::new().try_run(lost_update).unwrap_err();
    assert!(failure.message().contains("an increment is lost"), "{failure}");
    let places = |text: &str| -> String {
        let parts = text.split(" (backend-sim/tests/check.rs:").enumerate();
        let parts = parts.map(|(at, part)| match at {
            0 => part,
            _ => part.split_once(')').unwrap().1,
        });
        parts.collect()
    };
    let trace = places(&failure.trace().to_string());
    // One task between the two halves of another, and the rest one after the other.
    assert_eq!(failure.trace().switches(), 5, "{trace}");
    assert!(failure.first_trace().switches() > failure.trace().switches());
    let again = Options::seed(0).schedule(Schedule::Switches(failure.switches().to_vec()));
    let simulation = Simulation::new(again);
    let run = std::panic::AssertUnwindSafe(|| simulation.run(lost_update));
    assert!(std::panic::catch_unwind(run).is_err(), "the switches alone make it fail again");
}

#[test]
fn the_report_says_what_to_do() {
    let text = Check::new().try_run(lost_update).unwrap_err().to_string();
    let lines: Vec<_> = text.lines().collect();
    assert!(
        lines[0].starts_with("seed ") && lines[0].contains(" of those that were tried: "),
        "{text}"
    );
    assert!(lines.iter().any(|line| line.starts_with("Its schedule, shrunk from ")), "{text}");
    assert!(lines.iter().any(|line| line.starts_with("    task 1 'a' (backend-sim/")), "{text}");
    assert!(lines[lines.len() - 1].starts_with("To run it alone, set ANYSCOPE_SEED="), "{text}");
}

#[test]
fn a_seed_alone_fails_again() {
    let failure = Check::new().try_run(lost_update).unwrap_err();
    let runs = AtomicUsize::new(0);
    let only = Check::new().only_seed(failure.seed()).shrink_runs(0);
    let again = only.try_run(|rt| {
        runs.fetch_add(1, Ordering::Relaxed);
        lost_update(rt)
    });
    let again = again.unwrap_err();
    assert_eq!((again.seed(), again.first_trace()), (failure.seed(), failure.first_trace()));
    assert_eq!(runs.into_inner(), 2, "the run, and that for the names");
}

#[test]
fn the_environment_chooses_the_seed() {
    if env::var("ANYSCOPE_SEED").is_ok() {
        let runs = AtomicUsize::new(0);
        Check::new().seeds(10).run(|_| {
            runs.fetch_add(1, Ordering::Relaxed);
            async {}
        });
        let failure = Check::new().seeds(0).try_run(async |_| panic!("it ran")).unwrap_err();
        return println!("{} run of seed {}", runs.into_inner(), failure.seed());
    }
    let this = env::current_exe().unwrap();
    let mut again = Command::new(this);
    again.args(["--exact", "the_environment_chooses_the_seed", "--nocapture"]);
    let output = again.env("ANYSCOPE_SEED", "123456789").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("1 run of seed 123456789"), "{text}");
}

/// A task waits, the others would have to leave it alone for exactly one step in the middle of a long run.
async fn needs_patience(rt: Sim) {
    let progress = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let outcome: Outcome<()> = rt
        .group(async |g| {
            for at in 0..2 {
                let (progress, rt) = (progress.clone(), g.runtime());
                g.spawn(async move {
                    for _ in 0..12 {
                        rt.yield_now().await;
                        let mine = progress[at].fetch_add(1, Ordering::Relaxed) + 1;
                        let other = progress[1 - at].load(Ordering::Relaxed);
                        assert!(!(mine == 12 && other == 0), "one ran while the other stood still");
                    }
                    Ok(())
                });
            }
            Ok(())
        })
        .await;
    outcome.unwrap();
}

#[test]
fn bounded_preemption_finds_what_random_orders_hardly_do() {
    // By chance it takes a run of 12 heads, one in 2,000 or so; with priorities it is the rule.
    let failure = Check::new().seeds(10).pct(1).try_run(needs_patience).unwrap_err();
    assert!(failure.message().contains("one ran while the other stood still"), "{failure}");
    assert!(Check::new().seeds(10).try_run(needs_patience).is_ok());
}

#[test]
fn a_deadlock_is_a_failure_with_its_tree() {
    let failure = Check::new().try_run(async |rt| {
        let outcome: Outcome<()> = rt.group(async |_| pending().await).name("stuck").await;
        outcome.unwrap();
    });
    let failure = failure.unwrap_err();
    assert!(failure.message().starts_with("deadlock: "), "{failure}");
    assert!(failure.message().contains("group 'stuck'"), "{failure}");
}

#[test]
fn what_is_left_to_the_runtime_must_end() {
    Check::new().seeds(50).run(async |rt| {
        let later = rt.clone();
        drop(rt.spawn_detached(async move { later.sleep(SECOND).await }));
    });
    let failure = Check::new().seeds(50).try_run(async |rt| {
        drop(rt.spawn_detached(pending::<()>()));
    });
    assert!(failure.unwrap_err().message().contains("left to the runtime"));
}

#[test]
fn cancelling_drops_the_main_future_at_each_poll() {
    let seen = Mutex::new(std::collections::BTreeSet::new());
    let scenario = async |rt: Sim| {
        for polls in 0..4 {
            seen.lock().unwrap().insert(polls);
            rt.sleep(SECOND).await;
        }
        seen.lock().unwrap().insert(4);
    };
    Check::new().seeds(200).faults(Faults::none().cancel()).run(scenario);
    assert_eq!(seen.lock().unwrap().len(), 5);
    let count = |poll| {
        let reached = AtomicUsize::new(0);
        let faults = Faults::none().cancel_at(poll);
        Check::new().seeds(1).faults(faults).run(async |rt: Sim| {
            reached.store(0, Ordering::Relaxed); // the first run is one without faults
            for _ in 0..4 {
                reached.fetch_add(1, Ordering::Relaxed);
                rt.sleep(SECOND).await;
            }
        });
        reached.into_inner()
    };
    assert_eq!([1, 2, 3].map(count), [1, 2, 3]);
}

#[test]
fn cancelling_finds_what_is_left_behind() {
    // A detached task is told to end by the main future; that is cut before it comes to it.
    let scenario = async |rt: Sim| {
        let (stop, stopped) = std::sync::mpsc::channel();
        let later = rt.clone();
        let server = rt.spawn_detached(async move {
            while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                later.sleep(SECOND).await;
            }
        });
        std::mem::forget(stop.clone());
        rt.sleep(SECOND).await;
        stop.send(()).unwrap();
        server.await.unwrap();
    };
    Check::new().seeds(100).run(scenario);
    let check = Check::new().seeds(100).max_steps(1000).faults(Faults::none().cancel());
    let failure = check.try_run(scenario).unwrap_err();
    assert!(failure.message().contains("no end in sight"), "{failure}");
}

#[test]
fn refused_spawns_end_their_group_as_a_shutdown_does() {
    for refused in 0..3 {
        let begun = AtomicUsize::new(0);
        let faults = Faults::none().refuse_spawn_at(refused);
        Check::new().seeds(20).faults(faults).run(async |rt| {
            begun.store(0, Ordering::Relaxed);
            let outcome: Outcome<()> = rt
                .group(async |g| {
                    for _ in 0..3 {
                        g.spawn(async { Ok(()) }).await?;
                        begun.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(())
                })
                .await;
            if let Err(error) = outcome {
                assert!(matches!(error.cause().unwrap().kind(), CauseKind::Shutdown), "{error}");
            }
        });
        assert_eq!(begun.into_inner(), refused);
    }
    let refused = AtomicUsize::new(0);
    Check::new().seeds(100).faults(Faults::none().refuse_spawns()).run(async |rt| {
        refused
            .fetch_add(usize::from(rt.spawn_detached(async {}).await.is_err()), Ordering::Relaxed);
    });
    assert!((1..100).contains(&refused.into_inner()));
}

#[test]
fn panicking_jobs_are_values_at_their_handles() {
    let panicked = AtomicUsize::new(0);
    Check::new().seeds(100).faults(Faults::none().panicking_jobs()).run(async |rt| {
        if let Err(error) = rt.spawn_blocking(|| ()).await {
            assert!(error.is_panic());
            panicked.fetch_add(1, Ordering::Relaxed);
        }
    });
    assert!((1..100).contains(&panicked.into_inner()));
    Check::new().seeds(20).faults(Faults::none().panicking_job_at(1)).run(async |rt| {
        let jobs = [rt.spawn_cpu(|| ()), rt.spawn_cpu(|| ())];
        let [first, second] = jobs;
        assert!(first.await.is_ok() && second.await.unwrap_err().is_panic());
    });
}

#[test]
fn r1_a_task_that_blocks_while_the_runtime_is_shut_down_is_dropped_as_well() {
    for step in 0..5 {
        let dropped = Arc::new(());
        let simulation =
            Simulation::new(Options::seed(1).faults(Faults::none().shut_down_at(step)));
        let held = dropped.clone();
        simulation.block_on(async {
            let rt = simulation.runtime();
            let task = rt.spawn_detached(async move {
                let _held = held;
                spawn_thread(give_way).join().unwrap();
                pending::<()>().await
            });
            assert!(task.await.unwrap_err().is_cancelled());
        });
        assert_eq!(Arc::strong_count(&dropped), 1, "step {step}");
    }
}

#[test]
fn late_timers_are_late_and_not_early() {
    let late = AtomicUsize::new(0);
    let faults = Faults::none().late_timers(SECOND);
    Check::new().seeds(100).faults(faults).run(async |rt| {
        let begin = rt.now();
        rt.sleep(SECOND).await;
        let took = rt.now() - begin;
        assert!((SECOND..SECOND * 2).contains(&took), "{took:?}");
        late.fetch_add(usize::from(took > SECOND), Ordering::Relaxed);
    });
    assert!((1..100).contains(&late.into_inner()));
}

#[test]
fn shutting_down_at_any_step_leaves_nobody_waiting() {
    let down = AtomicUsize::new(0);
    Check::new().seeds(300).faults(Faults::none().shut_down()).run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                for _ in 0..3 {
                    let rt = g.runtime();
                    g.spawn(async move {
                        rt.sleep(SECOND).await;
                        rt.spawn_blocking(|| block_for(SECOND)).await?;
                        Ok(())
                    });
                }
                Ok(())
            })
            .await;
        if let Err(error) = outcome {
            assert!(matches!(error.cause().unwrap().kind(), CauseKind::Shutdown), "{error}");
            down.fetch_add(1, Ordering::Relaxed);
        }
    });
    assert!((1..300).contains(&down.into_inner()));
    let simulation = Simulation::new(Options::seed(1).faults(Faults::none().shut_down_at(2)));
    simulation.run(async |rt| {
        rt.yield_now().await;
        rt.yield_now().await;
        assert!(rt.spawn_detached(async {}).await.is_err());
    });
    assert_eq!(simulation.trace().steps()[2], TraceStep::ShutDown);
}
