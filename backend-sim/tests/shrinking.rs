//! A failure is shrunk to one that is the same, and shown with its own text.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyscope_core::{BoxError, Group, Timer, panic_message};
use anyscope_sim::{Check, CheckFailure, Options, Schedule, Sim, Simulation};
use support::bounded;

mod support;

/// Two tasks, each with what it does as the first to run and as the second.
async fn two_tasks<F>(rt: &Sim, turn: impl Fn(usize, Sim) -> F + Clone + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    let turns = Arc::new(AtomicUsize::new(0));
    let outcome = rt.group::<BoxError, _>(async |g| {
        for (at, name) in ["x", "y"].into_iter().enumerate() {
            let (turns, turn, rt) = (turns.clone(), turn.clone(), g.runtime());
            let task = async move {
                let is_second = turns.fetch_add(1, Ordering::SeqCst) == 1;
                turn(if is_second { 2 + at } else { at }, rt).await;
                Ok(())
            };
            g.task(task).name(name).spawn();
        }
        Ok(())
    });
    outcome.await.unwrap();
}

/// All seeds, some with the one order and some with the other.
fn failures<F>(scenario: impl Fn(Sim) -> F) -> Vec<CheckFailure>
where
    F: Future<Output = ()>,
{
    let of = |seed| *Check::new().only_seed(seed).try_run(&scenario).unwrap_err();
    (0..20).map(of).collect()
}

/// What the shrunk schedule comes to.
fn replayed<F>(failure: &CheckFailure, scenario: impl Fn(Sim) -> F) -> String
where
    F: Future<Output = ()>,
{
    let switches = Schedule::Switches(failure.switches().to_vec());
    let simulation = Simulation::new(Options::seed(0).schedule(switches));
    let outcome = catch_unwind(AssertUnwindSafe(|| simulation.run(&scenario)));
    panic_message(&*outcome.unwrap_err()).to_owned()
}

#[test]
fn failed_assertions_at_two_places_are_two_failures() {
    bounded(|| {
        let scenario = async |rt: Sim| {
            let last = Arc::new(AtomicUsize::new(0));
            let noted = last.clone();
            two_tasks(&rt, move |turn, _| {
                noted.store(turn, Ordering::SeqCst);
                async {}
            })
            .await;
            let last = last.load(Ordering::SeqCst);
            if last == 2 {
                assert_eq!(last, 77);
            }
            assert_eq!(last, 88);
        };
        let failures = failures(scenario);
        for failure in &failures {
            let expected = if failure.message().contains("left: 2") { "77" } else { "88" };
            assert!(failure.message().contains(expected), "{failure}");
            assert!(replayed(failure, scenario).contains(expected), "{failure}");
        }
        let rare = failures.iter().filter(|failure| failure.message().contains("77"));
        assert!((1..20).contains(&rare.count()));
    });
}

#[test]
fn panics_of_jobs_at_two_places_are_two_failures() {
    bounded(|| {
        let scenario = async |rt: Sim| {
            two_tasks(&rt, |turn, rt| async move {
                let job = rt.spawn_blocking(move || {
                    if turn == 2 {
                        assert_eq!(turn, 77);
                    }
                    if turn == 3 {
                        assert_eq!(turn, 88);
                    }
                });
                job.await.unwrap();
            })
            .await;
        };
        for failure in failures(scenario) {
            let again = replayed(&failure, scenario);
            let expected = if failure.message().contains("77") { "77" } else { "88" };
            assert!(again.contains(expected), "{failure}\n{again}");
        }
    });
}

#[test]
fn deadlocks_of_two_tasks_are_two_failures() {
    bounded(|| {
        let scenario = async |rt: Sim| {
            two_tasks(&rt, |turn, _| async move {
                if turn >= 2 {
                    pending::<()>().await;
                }
            })
            .await;
        };
        for failure in failures(scenario) {
            let expected = ["'x'", "'y'"].map(|name| failure.message().contains(name));
            assert_ne!(expected[0], expected[1], "{failure}");
            let again = replayed(&failure, scenario);
            assert_eq!(expected, ["'x'", "'y'"].map(|name| again.contains(name)), "{again}");
        }
    });
}

#[test]
fn deadlocks_at_two_times_are_the_same_failure() {
    bounded(|| {
        let scenario = async |rt: Sim| {
            two_tasks(&rt, |turn, rt| async move {
                if turn == 1 {
                    rt.sleep(Duration::from_secs(1)).await;
                }
                pending::<()>().await;
            })
            .await;
        };
        let failures = failures(scenario);
        let late = failures.iter().filter(|failure| failure.message().contains(", 1s after"));
        assert!((1..20).contains(&late.count()));
        for failure in failures {
            assert!(failure.switches().is_empty(), "{failure}");
            let text = failure.to_string();
            assert!(text.contains(failure.message().trim_end()), "{text}");
            assert!(text.contains(", 0ns after the start)"), "{text}");
        }
    });
}

#[test]
fn failure_that_no_replay_repeats_is_shown_as_the_seed_made_it() {
    bounded(|| {
        let runs = Mutex::new(0);
        let failure = Check::new().try_run(async |rt: Sim| {
            rt.yield_now().await;
            let mut runs = runs.lock().unwrap();
            *runs += 1;
            let run = *runs;
            drop(runs);
            assert!(run != 5, "only once");
        });
        let failure = failure.unwrap_err();
        assert_eq!((failure.seed(), failure.message()), (4, "only once"));
        assert_eq!(failure.trace(), failure.first_trace());
        let text = failure.to_string();
        assert!(text.contains("does not fail in the same way"), "{text}");
    });
}
