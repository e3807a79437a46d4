//! How a simulation ends, and what blocks where there is nothing left to wait for.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyscope_core::{Group, Timer, block_on, panic_message};
use anyscope_sim::{
    Check, Faults, Options, SimThread, Simulation, block_for, block_until, give_way, is_simulated,
    run, spawn_thread,
};
use support::bounded;

mod support;

const SECOND: Duration = Duration::from_secs(1);

/// Does it when it is dropped, and notes what came of it.
struct OnDrop<F: FnOnce() -> bool>(Option<F>, Arc<Mutex<Vec<bool>>>);

impl<F: FnOnce() -> bool> Drop for OnDrop<F> {
    fn drop(&mut self) {
        let outcome = self.0.take().map(|f| f());
        self.1.lock().unwrap().extend(outcome);
    }
}

/// A job blocks for good, and then the simulation goes: what its destructor waits for does not come.
fn what_a_destructor_waits_for(wait: impl FnOnce() -> bool + Send + 'static) -> Vec<bool> {
    let noted = Arc::default();
    let simulation = Simulation::new(Options::seed(1));
    let rt = simulation.runtime();
    let waits = OnDrop(Some(wait), Arc::clone(&noted));
    drop(rt.spawn_blocking(move || {
        let _waits = waits;
        block_until(|| false);
    }));
    simulation.block_on(rt.settle());
    drop(simulation);
    let noted = noted.lock().unwrap();
    noted.clone()
}

#[test]
fn thread_that_a_destructor_joins_when_all_ends_is_gone() {
    bounded(|| {
        let join = || {
            let blocks: SimThread<()> = spawn_thread(|| block_until(|| false));
            blocks.join().is_err()
        };
        assert_eq!(what_a_destructor_waits_for(join), [true]);
    });
}

#[test]
fn b5_future_that_a_destructor_awaits_when_all_ends_is_dropped() {
    bounded(|| {
        let wait = || block_on(pending::<()>()).is_err();
        assert_eq!(what_a_destructor_waits_for(wait), [true]);
    });
}

/// It blocks the driver, as it would the one thread of another runtime.
#[test]
fn r1_destructor_that_blocks_at_the_shutdown_takes_no_turn_of_the_main_future() {
    bounded(|| {
        for seed in 0..20 {
            for step in 0..8 {
                let faults = Faults::none().shut_down_at(step);
                let simulation = Simulation::new(Options::seed(seed).faults(faults));
                let noted = Arc::default();
                let waits = || spawn_thread(give_way).join().is_ok();
                let waits = OnDrop(Some(waits), Arc::clone(&noted));
                simulation.block_on(async {
                    let rt = simulation.runtime();
                    drop(rt.spawn_detached(async move {
                        let _waits = waits;
                        pending::<()>().await
                    }));
                    for _ in 0..8 {
                        rt.yield_now().await;
                    }
                });
                assert_eq!(*noted.lock().unwrap(), [true]);
            }
        }
    });
}

#[test]
fn of_two_simulations_the_one_that_runs_is_meant() {
    let (one, other) = (Simulation::new(Options::seed(1)), Simulation::new(Options::seed(2)));
    for _ in 0..2 {
        one.block_on(async { block_for(SECOND) });
        other.block_on(async { spawn_thread(|| block_for(SECOND * 3)).join().unwrap() });
    }
    assert_eq!(one.runtime().elapsed(), SECOND * 2);
    assert_eq!(other.runtime().elapsed(), SECOND * 6);
}

#[test]
fn r4_blocking_for_the_longest_time_does_not_end() {
    run(1, async |rt| {
        let blocks = spawn_thread(|| block_for(Duration::MAX));
        rt.sleep(SECOND).await;
        assert!(!blocks.is_finished());
        rt.advance(Duration::MAX);
        assert!(rt.elapsed() > Duration::from_secs(1 << 29), "years have passed");
    });
}

/// As far away as an instant can be.
fn last_instant() -> Instant {
    let (mut last, mut step) = (Instant::now(), Duration::MAX);
    while !step.is_zero() {
        match last.checked_add(step) {
            Some(later) => last = later,
            None => step /= 2,
        }
    }
    last
}

#[test]
fn r4_timer_for_the_last_instant_can_be_late() {
    Check::new().seeds(20).faults(Faults::none().late_timers(SECOND)).run(async |rt| {
        let never = rt.sleep_until(last_instant());
        assert!(rt.timeout(SECOND, never).await.is_err());
    });
}

#[test]
fn the_last_seed_is_run_as_well() {
    let failure = Check::new().only_seed(u64::MAX).try_run(async |_| panic!("it ran")).unwrap_err();
    assert_eq!((failure.seed(), failure.message()), (u64::MAX, "it ran"));
}

/// Joins its thread when it is dropped, as a guard of a scope does.
struct JoinOnDrop(Option<SimThread<()>>);

impl Drop for JoinOnDrop {
    fn drop(&mut self) {
        let joined = self.0.take().map(SimThread::join);
        assert!(joined.is_some_and(|joined| joined.is_err()), "it cannot end");
    }
}

#[test]
fn destructor_that_waits_in_vain_while_a_panic_unwinds_lets_it_go_on() {
    bounded(|| {
        let failure = Check::new().seeds(10).shrink_runs(10).try_run(async |_| {
            let _guard = JoinOnDrop(Some(spawn_thread(|| block_until(|| false))));
            panic!("the bug");
        });
        assert_eq!(failure.unwrap_err().message(), "the bug");
    });
}

/// The steps are used up, and what it waits for would need some more.
#[test]
fn destructor_that_waits_after_the_last_step_lets_the_panic_go_on() {
    bounded(|| {
        let options = Options::seed(1).max_steps(10);
        let failure = catch_unwind(AssertUnwindSafe(|| {
            Simulation::new(options).run(async |_| {
                let _guard = JoinOnDrop(Some(spawn_thread(|| {
                    loop {
                        give_way()
                    }
                })));
                block_until(|| false);
            })
        }));
        let text = panic_message(&*failure.unwrap_err()).to_owned();
        assert!(text.starts_with("no end in sight"), "{text}");
    });
}

#[test]
fn turn_that_is_given_away_in_vain_counts_as_a_step() {
    bounded(|| {
        for waits in [true, false] {
            let simulation = Simulation::new(Options::seed(1).max_steps(1000));
            let failure = catch_unwind(AssertUnwindSafe(|| {
                simulation.block_on(async {
                    if waits {
                        drop(spawn_thread(|| block_until(|| false)));
                    }
                    loop {
                        give_way();
                    }
                })
            }));
            let text = panic_message(&*failure.unwrap_err()).to_owned();
            assert!(text.starts_with("no end in sight"), "{text}");
        }
    });
}

/// What does not want to end does not hold the others up.
fn ends_in_spite_of(thread: impl FnOnce() + Send + 'static) {
    bounded(|| {
        let simulation = Simulation::new(Options::seed(1));
        let ended = Arc::new(());
        simulation.block_on(async {
            drop(spawn_thread(thread));
            let held = ended.clone();
            drop(spawn_thread(move || {
                let _held = held;
                block_until(|| false);
            }));
            simulation.runtime().settle().await;
        });
        drop(simulation);
        assert_eq!(Arc::strong_count(&ended), 1);
    });
}

#[test]
fn thread_that_contains_its_end_is_left_behind() {
    ends_in_spite_of(|| {
        loop {
            let _ = catch_unwind(|| block_until(|| false));
        }
    });
}

#[test]
fn thread_whose_destructor_gives_way_for_ever_is_left_behind() {
    struct GivesWay;
    impl Drop for GivesWay {
        fn drop(&mut self) {
            loop {
                give_way();
            }
        }
    }
    ends_in_spite_of(|| {
        let _gives_way = GivesWay;
        block_until(|| false);
    });
}

#[test]
fn panic_of_a_destructor_at_the_end_leaves_nothing_behind() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("expected: of a destructor");
        }
    }
    bounded(|| {
        let ended = Arc::new(());
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let simulation = Simulation::new(Options::seed(1));
            let held = ended.clone();
            simulation.block_on(async {
                let panics = Panics;
                let _unbegun = spawn_thread(|| block_until(|| false));
                drop(spawn_thread(move || {
                    let _held = held;
                    block_until(|| false);
                }));
                simulation.runtime().settle().await;
                drop(spawn_thread(move || drop(panics)));
                let later = ended.clone();
                drop(spawn_thread(move || drop(later)));
            });
        }));
        assert_eq!(panic_message(&*outcome.unwrap_err()), "expected: of a destructor");
        assert_eq!(Arc::strong_count(&ended), 1);
        assert!(!is_simulated(), "this thread drives it no longer");
    });
}

#[test]
fn thread_that_is_started_at_the_end_is_dropped() {
    bounded(|| {
        let simulation = Simulation::new(Options::seed(1));
        let (rt, ended) = (simulation.runtime(), Arc::new(()));
        let held = ended.clone();
        let starts =
            OnDrop(Some(move || spawn_thread(move || drop(held)).join().is_err()), Arc::default());
        let noted = starts.1.clone();
        drop(rt.spawn_blocking(move || {
            let _starts = starts;
            block_until(|| false);
        }));
        simulation.block_on(rt.settle());
        drop(simulation);
        assert_eq!((Arc::strong_count(&ended), &*noted.lock().unwrap()), (1, &vec![true]));
    });
}
