//! What a run says that cannot go on: the tree of what is alive, and what each part of it waits for.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use anyscope_core::{
    BoxError, Group, GroupHandle, Semaphore, TaskHandle, Timer, panic_message, shield,
};
use anyscope_sim::{Options, Schedule, Sim, Simulation, block_until, give_way, spawn_thread};

/// The report of a run, without the places in this file, which any edit moves.
fn report<F: Future<Output = ()>>(main: impl FnOnce(Sim) -> F) -> String {
    let simulation = Simulation::new(Options::seed(1).schedule(Schedule::Fifo));
    let panic = catch_unwind(AssertUnwindSafe(|| simulation.run(main))).unwrap_err();
    let text = panic_message(&*panic);
    let parts = text.split("(backend-sim/tests/deadlock.rs:");
    let parts = parts.enumerate().map(|(at, part)| match part.split_once(')') {
        Some((_, rest)) if at > 0 => format!("(here){rest}"),
        _ => part.to_owned(),
    });
    parts.collect::<String>().trim_end().to_owned()
}

#[test]
fn g18_slot_holders_that_await_queued_children_are_seen() {
    let seen = report(async |rt| {
        let outcome = rt.group::<BoxError, _>(async |g| {
            let inner = g.clone();
            g.task(async move { Ok(inner.task(async { Ok(()) }).name("queued").spawn().await?) })
                .name("holder")
                .spawn();
            Ok(())
        });
        let _ = outcome.limit(1).name("full").await;
    });
    assert_eq!(
        seen,
        "\
deadlock: nothing can run, and no timer is set (after 3 steps, 0ns after the start)
group (here)
  body: waits for the group below to end
    group whose body has ended
      task 1 'holder' (here): waits for task 2 'queued' (here)
      task 2 'queued' (here): waits for a place in its group, which is full
"
        .trim_end()
    );
}

#[test]
fn each_kind_of_wait_is_named() {
    let seen = report(async |rt| {
        let outcome = rt.group::<BoxError, _>(async |g| {
            let rt = g.runtime();
            let sleeper = g.task(async move {
                rt.sleep(Duration::from_secs(2)).await;
                shield(pending::<()>()).await;
                Ok(())
            });
            let sleeper = sleeper.name("sleeper").spawn();
            g.spawn_blocking(|| block_until(|| false));
            let inner = g.spawn_group(async |g| {
                g.task(async move { Ok(sleeper.await?) }).name("waiter").spawn();
                pending::<Result<(), BoxError>>().await
            });
            inner.await?;
            Ok(())
        });
        let _ = outcome.name("outer").await;
    });
    assert_eq!(
        seen,
        "\
deadlock: nothing can run, and no timer is set (after 6 steps, 2s after the start)
group (here)
  body: runs what is below
    group 'outer' (here)
      body: waits for task 3 (here)
      task 1 'sleeper' (here), shielded: waits for something that only code of the program knows (a channel, a lock, a gate)
      task (here): is a job, or has not been polled yet
      task 3 (here): runs what is below
        group (here)
          body: waits for something that only code of the program knows (a channel, a lock, a gate)
          task 4 'waiter' (here): waits for task 1 'sleeper' (here)
blocking job 2: blocks until something holds"
    );
}

#[test]
fn two_tasks_that_await_each_other_are_seen() {
    type Slot = Arc<Mutex<Option<TaskHandle<(), Sim>>>>;
    let seen = report(async |rt| {
        let slots: [Slot; 2] = Default::default();
        let outcome = rt.group::<BoxError, _>(async |g| {
            for at in 0..2 {
                let others = slots[1 - at].clone();
                let task = g.task(async move {
                    let other = others.lock().unwrap().take();
                    if let Some(other) = other {
                        other.await?;
                    }
                    Ok(())
                });
                let handle = task.name(["ying", "yang"][at]).spawn();
                *slots[at].lock().unwrap() = Some(handle);
            }
            Ok(())
        });
        outcome.await.unwrap();
    });
    assert!(seen.contains("task 1 'ying' (here): waits for task 2 'yang' (here)"), "{seen}");
    assert!(seen.contains("task 2 'yang' (here): waits for task 1 'ying' (here)"), "{seen}");
}

#[test]
fn what_is_cancelled_and_left_to_the_runtime_says_so() {
    let simulation = Simulation::new(Options::seed(1).schedule(Schedule::Fifo));
    let rt = simulation.runtime();
    drop(rt.spawn_detached(pending::<()>()));
    let mut group = Box::pin(rt.group::<BoxError, _>(async |g| {
        g.task(shield(pending::<Result<(), BoxError>>())).name("kept").spawn();
        pending::<Result<(), _>>().await
    }));
    simulation.block_on(async {
        assert!(
            std::future::poll_fn(|cx| std::task::Poll::Ready(group.as_mut().poll(cx)))
                .await
                .is_pending()
        );
        rt.settle().await;
        drop(group);
        rt.settle().await;
    });
    let seen = simulation.report();
    assert!(seen.contains("left to the runtime\n"), "{seen}");
    assert!(seen.contains(", cancelled: it was dropped\n"), "{seen}");
    assert!(seen.contains("'kept'"), "{seen}");
}

#[test]
fn a_loop_without_end_is_stopped() {
    let simulation = Simulation::new(Options::seed(1).max_steps(1000));
    let panic = catch_unwind(AssertUnwindSafe(|| {
        simulation.run(async |rt| {
            let begin = rt.now();
            while rt.now() - begin < Duration::from_secs(1) {
                rt.yield_now().await;
            }
        })
    }));
    let panic = panic.unwrap_err();
    let text = panic_message(&*panic);
    assert!(text.starts_with("no end in sight"), "{text}");
    assert!(text.contains("(after 1000 steps"), "{text}");
}

#[test]
fn task_that_blocks_those_who_could_help_it_is_named() {
    let seen = report(async |rt| {
        let outcome = rt.group::<BoxError, _>(async |g| {
            let (flag, seen) = (Arc::new(AtomicBool::new(false)), g.runtime());
            let (set, rt) = (flag.clone(), seen.clone());
            let blocks = async move {
                seen.yield_now().await;
                block_until(|| flag.load(Ordering::SeqCst));
                Ok(())
            };
            let helps = async move {
                rt.yield_now().await;
                set.store(true, Ordering::SeqCst);
                Ok(())
            };
            g.task(blocks).name("blocks").spawn();
            g.task(helps).name("helps").spawn();
            Ok(())
        });
        let _ = outcome.await;
    });
    assert_eq!(
        seen,
        "\
deadlock: a task blocks all others, and no job or thread can go on (after 4 steps, 0ns after the start)
group (here)
  body: waits for the group below to end
    group whose body has ended
      task 1 'blocks' (here): has the turn, and all other tasks wait for it
      task 2 'helps' (here): can run"
    );
}

#[test]
fn those_who_can_run_say_so() {
    let simulation = Simulation::new(Options::seed(1).max_steps(100));
    let panic = catch_unwind(AssertUnwindSafe(|| {
        simulation.run(async |rt| {
            drop(spawn_thread(|| {
                loop {
                    give_way();
                }
            }));
            loop {
                rt.yield_now().await;
            }
        })
    }));
    let panic = panic.unwrap_err();
    let text = panic_message(&*panic);
    assert!(text.contains("\nthread 1: can run\n"), "{text}");
    assert!(text.contains("body: can run\n"), "{text}");
}

/// The units that have labels, with what stands between the quotes.
fn labelled(main: impl AsyncFnOnce(GroupHandle<BoxError, Sim>), limit: usize) -> Vec<String> {
    let options = Options::seed(1).schedule(Schedule::Fifo).labels();
    let simulation = Simulation::new(options);
    simulation.run(async |rt| {
        let outcome = rt.group::<BoxError, _>(async |g| {
            main(g).await;
            Ok(())
        });
        outcome.limit(limit).await.unwrap();
    });
    let trace = simulation.trace().to_string();
    let units = trace.lines().filter_map(|line| Some(line.split_once("' (")?.0.to_owned()));
    let mut units: Vec<_> = units.collect();
    units.sort();
    units.dedup();
    units
}

/// A task has the place, and gives it away on the thread that drives the simulation.
#[test]
fn jobs_that_wait_for_a_place_have_no_names_of_others() {
    let main = async |g: GroupHandle<BoxError, Sim>| {
        g.task(async { Ok(()) }).name("a").spawn();
        for name in ["b", "c"] {
            g.job(|| ()).name(name).spawn_blocking();
        }
        g.task(async { Ok(()) }).name("d").spawn();
    };
    let seen = labelled(main, 1);
    assert_eq!(seen, ["blocking job 3 'b", "task 1 'a", "task 2 'd"]);
}

/// Each in line has a task, by which it learns of a shutdown: that bears its name.
#[test]
fn jobs_that_wait_for_a_permit_have_no_names_of_others() {
    let main = async |g: GroupHandle<BoxError, Sim>| {
        let semaphore = Semaphore::new(1);
        let permit = semaphore.acquire().await;
        for name in ["a", "b", "c"] {
            g.job(|| ()).name(name).permit_of(&semaphore).spawn_blocking();
        }
        drop(permit);
        g.job(|| ()).name("d").spawn_blocking();
        g.task(async { Ok(()) }).name("e").spawn();
    };
    let seen = labelled(main, 10);
    assert_eq!(seen, ["blocking job 5 'd", "task 1 'a", "task 2 'b", "task 3 'c", "task 6 'e"]);
}

/// Its opener's place in the table is another's then.
#[test]
fn a_group_that_its_opener_has_left_is_nobody_elses() {
    let seen = report(async |rt| {
        let kept = Arc::new(Mutex::new(None));
        let outcome = rt.group::<BoxError, _>(async |g| {
            let (rt, keeps) = (g.runtime(), kept.clone());
            let opener = g.spawn(async move {
                let inner = rt.group(async |g: GroupHandle<BoxError, Sim>| {
                    g.task(shield(pending::<Result<(), BoxError>>())).name("left").spawn();
                    pending::<Result<(), BoxError>>().await
                });
                let mut inner = Box::pin(inner);
                assert!(inner.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
                rt.yield_now().await;
                *keeps.lock().unwrap() = Some(inner);
                Ok(())
            });
            opener.await?;
            g.task(pending::<Result<(), BoxError>>()).name("other").spawn();
            Ok(())
        });
        let _ = outcome.await;
    });
    assert_eq!(
        seen,
        "\
deadlock: nothing can run, and no timer is set (after 7 steps, 0ns after the start)
group (here)
  body: waits for the group below to end
    group whose body has ended
      task 3 'other' (here): waits for something that only code of the program knows (a channel, a lock, a gate)
      group whose body has ended, cancelled: it was dropped
        task 2 'left' (here), shielded: waits for something that only code of the program knows (a channel, a lock, a gate)
"
        .trim_end()
    );
}
