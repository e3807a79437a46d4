//! Spawning: from whom, until when, refused how, and what it keeps (rules G9 to G13).

use std::sync::Arc;

use anyscope_core::{BoxError, Group, GroupHandle, Runtime, TaskHandle};

use super::{Case, case};
use crate::env::Env;
use crate::held::Held;
use crate::probe::{Count, Gate, Outcome, eventually};
use crate::thread;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(g9_body_child_and_thread_can_spawn::<R>),
        case(g9_spawn_while_the_group_drains_is_waited_for::<R>),
        case(g10_spawn_into_a_cancelled_group_drops_the_future_unpolled::<R>),
        case(g10_spawn_into_a_finished_group_drops_the_future_unpolled::<R>),
        case(g10_try_spawn_gives_the_future_back::<R>),
        case(g10_spawn_races_with_the_end::<R>),
        case(g10_spawn_races_with_cancel::<R>),
        case(g11_cancelled_before_the_first_poll_is_never_polled::<R>),
        case(g11_task_cancelled_alone_before_the_first_poll_is_never_polled::<R>),
        case(g13_finished_tasks_are_forgotten::<R>),
        case(g13_finished_task_without_a_handle_drops_its_output::<R>),
    ]
}

fn counted(
    polled: &Count,
    dropped: &Count,
) -> impl Future<Output = Result<(), BoxError>> + Send + use<> {
    let (polled, probe) = (polled.clone(), dropped.on_drop());
    async move {
        let _probe = probe;
        polled.add();
        Ok(())
    }
}

fn g9_body_child_and_thread_can_spawn<R: Runtime>(env: &Env<R>) {
    let ran = Count::new();
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.spawn(counted(&ran, &Count::new()));
                let (in_child, count) = (g.clone(), ran.clone());
                g.spawn(async move {
                    in_child.spawn(counted(&count, &Count::new()));
                    Ok(())
                });
                let (in_thread, count) = (g.clone(), ran.clone());
                let thread = thread::spawn(move || in_thread.spawn(counted(&count, &Count::new())));
                thread.join().unwrap().await?;
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_eq!(ran.get(), 3);
    });
}

fn g9_spawn_while_the_group_drains_is_waited_for<R: Runtime>(env: &Env<R>) {
    let ran = Count::new();
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (group, count) = (g.clone(), ran.clone());
                // A chain: each link is spawned by the one before, the body being long done.
                fn link<R: Runtime>(g: GroupHandle<BoxError, R>, left: usize, count: Count) {
                    let group = g.clone();
                    g.spawn(async move {
                        count.add();
                        if left > 0 {
                            link(group, left - 1, count);
                        }
                        Ok(())
                    });
                }
                link(group, 99, count);
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_eq!(ran.get(), 100);
    });
}

fn g10_spawn_into_a_cancelled_group_drops_the_future_unpolled<R: Runtime>(env: &Env<R>) {
    let (polled, dropped) = (Count::new(), Count::new());
    env.block_on(async |rt| {
        let outcome: Outcome<TaskHandle<(), R>> = rt
            .group(async |g| {
                g.cancel_because("enough");
                let handle = g.spawn(counted(&polled, &dropped));
                assert_eq!(dropped.get(), 1);
                Ok(handle)
            })
            .await;
        let error = outcome.unwrap().await.unwrap_err();
        assert!(error.is_refused());
        assert_eq!(error.cause().unwrap().to_string(), "requested: enough");
    });
    assert_eq!((polled.get(), dropped.get()), (0, 1));
}

fn g10_spawn_into_a_finished_group_drops_the_future_unpolled<R: Runtime>(env: &Env<R>) {
    let (polled, dropped) = (Count::new(), Count::new());
    env.block_on(async |rt| {
        let group: Outcome<GroupHandle<BoxError, R>> = rt.group(async |g| Ok(g)).await;
        let error = group.unwrap().spawn(counted(&polled, &dropped)).await.unwrap_err();
        assert!(error.is_refused() && error.cause().is_none());
    });
    assert_eq!((polled.get(), dropped.get()), (0, 1));
}

fn g10_try_spawn_gives_the_future_back<R: Runtime>(env: &Env<R>) {
    let (polled, dropped) = (Count::new(), Count::new());
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.try_spawn(counted(&polled, &dropped)).unwrap().await?;
                g.cancel();
                let refused = g.try_spawn(counted(&polled, &dropped)).unwrap_err();
                assert!(refused.cause().is_some());
                assert_eq!((polled.get(), dropped.get()), (1, 1));
                refused.into_future().await
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!((polled.get(), dropped.get()), (2, 2));
}

/// Threads spawn some, and one each after the group has returned; whatever is accepted has ended
/// when it returns, and nothing is accepted afterwards.
fn spawn_from_threads<R: Runtime>(
    group: &GroupHandle<BoxError, R>,
    returned: &Gate,
    counts: &Arc<[Count; 4]>,
) -> Vec<thread::JoinHandle<()>> {
    let spawner = |_| {
        let (group, returned, counts) = (group.clone(), returned.clone(), counts.clone());
        thread::spawn(move || {
            let [accepted, refused, polled, dropped] = &*counts;
            for _ in 0..SPAWNS {
                match group.try_spawn(counted(polled, dropped)) {
                    Ok(_) => accepted.add(),
                    Err(_) => refused.add(),
                };
            }
            returned.wait_blocking();
            let late = group.try_spawn(counted(polled, dropped));
            assert!(late.is_err(), "accepted after the group had returned");
            refused.add();
        })
    };
    (0..2).map(spawner).collect()
}

fn race_with_end<R: Runtime>(env: &Env<R>, cancel: bool) {
    for _ in env.rounds(RACES) {
        let counts: Arc<[Count; 4]> = Arc::default();
        let returned = Gate::new();
        let (threads, live) = env.block_on(async |rt| {
            let outcome: Outcome<_> = rt
                .group(async |g| {
                    let threads = spawn_from_threads(&g, &returned, &counts);
                    if cancel {
                        eventually(&rt, "one was spawned", || counts[0].get() > 0).await;
                        g.cancel();
                    }
                    Ok((threads, g))
                })
                .await;
            let (threads, group) = outcome.unwrap();
            returned.open();
            (threads, group.live())
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let [accepted, refused, polled, dropped] = &*counts;
        assert_eq!(live, 0);
        assert_eq!(dropped.get(), accepted.get() + refused.get(), "each was dropped once");
        if !cancel {
            assert_eq!(polled.get(), accepted.get(), "each that was accepted ran");
        }
    }
}

fn g10_spawn_races_with_the_end<R: Runtime>(env: &Env<R>) {
    race_with_end(env, false);
}

fn g10_spawn_races_with_cancel<R: Runtime>(env: &Env<R>) {
    race_with_end(env, true);
}

const RACES: usize = 50;
const SPAWNS: usize = 20;

fn g11_cancelled_before_the_first_poll_is_never_polled<R: Runtime>(env: &Env<R>) {
    let (gate, polled, dropped) = (Gate::new(), Count::new(), Count::new());
    env.block_on(async |rt| {
        let outcome: Outcome<()> = Held::new(rt, &gate)
            .group(async |g| {
                let tasks: Vec<_> = (0..10).map(|_| g.spawn(counted(&polled, &dropped))).collect();
                g.cancel();
                gate.open();
                drop(tasks);
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!((polled.get(), dropped.get()), (0, 10));
}

fn g11_task_cancelled_alone_before_the_first_poll_is_never_polled<R: Runtime>(env: &Env<R>) {
    let (gate, polled, dropped) = (Gate::new(), Count::new(), Count::new());
    env.block_on(async |rt| {
        let outcome: Outcome<()> = Held::new(rt, &gate)
            .group(async |g| {
                g.spawn(counted(&polled, &dropped)).cancel();
                g.spawn(counted(&polled, &dropped));
                gate.open();
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!((polled.get(), dropped.get()), (1, 2));
}

fn g13_finished_tasks_are_forgotten<R: Runtime>(env: &Env<R>) {
    let tasks = env.size(200) * 100;
    let (alive, most) = (Count::new(), Count::new());
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                for spawned in 1..=tasks {
                    let ended = alive.on_drop();
                    g.spawn(async move {
                        drop(ended);
                        Ok(())
                    });
                    if spawned % 100 == 0 {
                        eventually(&rt, "all have ended", || alive.get() == spawned).await;
                        eventually(&rt, "only the body is left", || g.live() == 1).await;
                        most.add();
                    }
                }
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(most.get(), tasks / 100);
}

fn g13_finished_task_without_a_handle_drops_its_output<R: Runtime>(env: &Env<R>) {
    let dropped = Count::new();
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let output = dropped.clone();
                drop(g.spawn(async move { Ok(output.on_drop()) }));
                eventually(&rt, "the output is dropped", || dropped.get() == 1).await;
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}
