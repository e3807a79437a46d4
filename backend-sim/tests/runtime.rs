//! The simulated runtime itself: clock, order, jobs, threads, and what it refuses.

use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use anyscope_core::{BoxError, Group, GroupError, Timer, panic_message};
use anyscope_sim::{
    Options, Schedule, Sim, Simulation, block_for, block_until, is_simulated, run, spawn_thread,
};

type Outcome<T> = Result<T, GroupError<BoxError>>;
type Log = Arc<Mutex<Vec<&'static str>>>;

const SECOND: Duration = Duration::from_secs(1);

/// Three tasks that sleep, a job, and a failure in a nested group.
async fn busy(rt: Sim) {
    let outcome: Outcome<()> = rt
        .group(async |g| {
            for seconds in 1..4 {
                let rt = g.runtime();
                g.spawn(async move {
                    rt.sleep(SECOND * seconds).await;
                    rt.spawn_blocking(move || block_for(SECOND)).await?;
                    Ok(())
                });
            }
            g.spawn_group(async |g| {
                g.spawn(pending::<Result<(), BoxError>>());
                g.runtime().sleep(SECOND * 3).await;
                Err::<(), _>(BoxError::msg("fails"))
            });
            Ok(())
        })
        .await;
    assert!(!outcome.unwrap_err().is_cancelled());
}

fn trace_of(options: Options) -> String {
    let simulation = Simulation::new(options);
    let _ = catch_unwind(AssertUnwindSafe(|| simulation.run(busy)));
    simulation.trace().to_string()
}

#[test]
fn same_seed_is_the_same_run_and_another_is_another() {
    let trace = |seed| trace_of(Options::seed(seed));
    assert!((0..50).all(|seed| trace(seed) == trace(seed)));
    let different: std::collections::HashSet<_> = (0..50).map(trace).collect();
    assert!(different.len() > 10, "{}", different.len());
}

#[test]
fn jobs_that_are_revoked_are_dropped_in_the_same_order_each_time() {
    let dropped = || {
        let log: Arc<Mutex<Vec<usize>>> = Arc::default();
        let noted = log.clone();
        run(1, async move |rt| {
            let outcome: Outcome<()> = rt
                .group(async |g| {
                    for number in 0..20 {
                        let noted = NotedNumber(noted.clone(), number);
                        drop(g.spawn_blocking(move || drop(noted)));
                    }
                    g.cancel();
                    Ok(())
                })
                .await;
            outcome.unwrap();
        });
        let log = log.lock().unwrap();
        log.clone()
    };
    assert_eq!(dropped(), dropped());
}

struct NotedNumber(Arc<Mutex<Vec<usize>>>, usize);

impl Drop for NotedNumber {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(self.1);
    }
}

#[test]
fn trace_of_a_seed_is_the_same_on_every_machine() {
    let pct = Options::seed(7).schedule(Schedule::Pct { changes: 3, steps: 40 });
    let traces = format!("{}---\n{}", trace_of(Options::seed(7)), trace_of(pct));
    assert_eq!(traces, include_str!("trace.txt"), "it was:\n{traces}");
}

#[test]
fn time_passes_only_when_nobody_can_run() {
    let log = Log::default();
    let seen = log.clone();
    run(5, async move |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                for (name, seconds) in [("late", 3), ("early", 1), ("middle", 2)] {
                    let (rt, log) = (g.runtime(), log.clone());
                    g.spawn(async move {
                        rt.sleep(SECOND * seconds).await;
                        assert_eq!(rt.elapsed(), SECOND * seconds);
                        log.lock().unwrap().push(name);
                        Ok(())
                    });
                }
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_eq!(rt.elapsed(), SECOND * 3);
    });
    assert_eq!(*seen.lock().unwrap(), ["early", "middle", "late"]);
}

#[test]
fn moving_the_clock_makes_timers_late() {
    run(5, async |rt| {
        let begin = rt.now();
        let (early, later) = (rt.sleep(SECOND), rt.sleep(SECOND * 10));
        rt.advance(SECOND * 4);
        early.await;
        assert_eq!(rt.now() - begin, SECOND * 4);
        later.await;
        assert_eq!(rt.now() - begin, SECOND * 10);
    });
}

#[test]
fn settling_waits_for_all_others_and_takes_no_time() {
    for seed in 0..100 {
        run(seed, async |rt| {
            let log = Log::default();
            let outcome: Outcome<()> = rt
                .group(async |g| {
                    for _ in 0..3 {
                        let (rt, log) = (g.runtime(), log.clone());
                        g.spawn(async move {
                            rt.spawn_blocking(|| ()).await?;
                            log.lock().unwrap().push("done");
                            rt.sleep(SECOND).await;
                            Ok(())
                        });
                    }
                    rt.settle().await;
                    assert_eq!(log.lock().unwrap().len(), 3);
                    assert_eq!(rt.elapsed(), Duration::ZERO);
                    Ok(())
                })
                .await;
            outcome.unwrap();
        });
    }
}

#[test]
fn in_order_tasks_run_as_they_were_woken() {
    let log = Log::default();
    let simulation = Simulation::new(Options::seed(9).schedule(Schedule::Fifo));
    simulation.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                for name in ["a", "b", "c"] {
                    let (rt, log) = (g.runtime(), log.clone());
                    g.spawn(async move {
                        log.lock().unwrap().push(name);
                        rt.sleep(SECOND).await;
                        log.lock().unwrap().push(name);
                        Ok(())
                    });
                }
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(*log.lock().unwrap(), ["a", "b", "c", "a", "b", "c"]);
}

#[test]
fn jobs_have_threads_of_their_own_and_run_one_at_a_time() {
    for seed in 0..50 {
        run(seed, async |rt| {
            let running = Arc::new(AtomicBool::new(false));
            let jobs: Vec<_> = (0..5)
                .map(|_| {
                    let running = running.clone();
                    rt.spawn_cpu(move || {
                        assert!(!running.swap(true, Ordering::SeqCst), "two run at once");
                        running.store(false, Ordering::SeqCst);
                        block_for(SECOND);
                        assert!(is_simulated());
                        thread::current().id()
                    })
                })
                .collect();
            for job in jobs {
                assert_ne!(job.await.unwrap(), thread::current().id());
            }
            assert_eq!(rt.elapsed(), SECOND);
        });
    }
    assert!(!is_simulated());
}

#[test]
fn threads_that_wait_for_each_other_get_on() {
    for seed in 0..50 {
        run(seed, async |_| {
            let ball = Arc::new(Mutex::new(0));
            let threads = [0, 1].map(|mine| {
                let ball = ball.clone();
                spawn_thread(move || {
                    for _ in 0..10 {
                        block_until(|| *ball.lock().unwrap() % 2 == mine);
                        *ball.lock().unwrap() += 1;
                    }
                })
            });
            for thread in threads {
                thread.join().unwrap();
            }
            assert_eq!(*ball.lock().unwrap(), 20);
        });
    }
}

#[test]
fn a_panic_of_a_thread_is_a_value_to_who_joins_it() {
    run(1, async |_| {
        let thread = spawn_thread(|| std::panic::resume_unwind(Box::new("of the thread")));
        let panic: Box<dyn std::any::Any + Send> = thread.join().unwrap_err();
        assert_eq!(panic_message(&*panic), "of the thread");
    });
}

#[test]
fn wakers_from_outside_are_refused() {
    let waker: Arc<Mutex<Option<Waker>>> = Arc::default();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        run(1, async |rt| {
            let leaked = waker.clone();
            let outcome: Outcome<()> = rt
                .group(async |g| {
                    g.spawn(poll_fn(move |cx| {
                        *leaked.lock().unwrap() = Some(cx.waker().clone());
                        Poll::<Result<(), BoxError>>::Pending
                    }));
                    rt.settle().await;
                    let waker = waker.lock().unwrap().take().unwrap();
                    let thread = thread::Builder::new().name("stranger".to_owned());
                    thread.spawn(move || waker.wake()).unwrap().join().unwrap();
                    rt.sleep(SECOND).await;
                    Ok(())
                })
                .await;
            outcome.unwrap();
        })
    }));
    let panic = panic.unwrap_err();
    let text = panic_message(&*panic);
    assert!(
        text.starts_with("woken from the thread 'stranger', outside the simulation:"),
        "{text}"
    );
}

#[test]
fn what_is_done_by_a_simulations_own_threads_is_not_from_outside() {
    run(1, async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let parked = g.spawn(pending::<Result<(), BoxError>>());
                let group = g.clone();
                spawn_thread(move || group.cancel());
                parked.await?;
                Ok(())
            })
            .await;
        assert!(outcome.unwrap_err().is_cancelled());
    });
}

#[test]
fn r1_what_is_left_is_dropped_at_the_end() {
    struct Noted(Log, &'static str);
    impl Drop for Noted {
        fn drop(&mut self) {
            self.0.lock().unwrap().push(self.1);
        }
    }
    let log = Log::default();
    let simulation = Simulation::new(Options::seed(3));
    let rt = simulation.runtime();
    let task = {
        let noted = Noted(log.clone(), "task");
        rt.spawn_detached(async move {
            let _noted = noted;
            pending::<()>().await
        })
    };
    simulation.block_on(rt.settle());
    let queued = {
        let noted = Noted(log.clone(), "queued job");
        rt.spawn_blocking(move || drop(noted))
    };
    let running = {
        let noted = Noted(log.clone(), "blocked job");
        rt.spawn_blocking(move || {
            let _noted = noted;
            block_until(|| false);
        })
    };
    drop(queued);
    drop(running);
    drop(simulation);
    assert_eq!(*log.lock().unwrap(), ["task", "queued job", "blocked job"]);
    let late = run(1, async move |_| (task.await, rt.spawn_detached(async {}).await));
    assert!(late.0.unwrap_err().is_cancelled() && late.1.unwrap_err().is_cancelled());
}

#[test]
fn r1_shutting_down_drops_all_that_is_left() {
    let simulation = Simulation::new(Options::seed(3));
    let rt = simulation.runtime();
    let kept = Arc::new(());
    for _ in 0..3 {
        let (in_task, in_job) = (kept.clone(), kept.clone());
        drop(rt.spawn_detached(async move {
            let _held = in_task;
            pending::<()>().await
        }));
        drop(rt.spawn_blocking(move || drop(in_job)));
    }
    assert_eq!(Arc::strong_count(&kept), 7);
    simulation.shut_down();
    assert_eq!(Arc::strong_count(&kept), 1);
}

#[test]
fn r1_shutting_down_leaves_no_waiter_behind() {
    for seed in 0..100 {
        let simulation = Simulation::new(Options::seed(seed));
        let outcome: Outcome<()> = simulation.block_on(async {
            let rt = simulation.runtime();
            rt.group(async |g| {
                let task = g.spawn(pending::<Result<(), BoxError>>());
                simulation.shut_down();
                assert!(task.await.unwrap_err().is_cancelled());
                assert!(g.spawn(async { Ok(()) }).await.unwrap_err().is_cancelled());
                Ok(())
            })
            .await
        });
        assert!(outcome.is_ok() || outcome.unwrap_err().is_cancelled());
    }
}
