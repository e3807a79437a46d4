//! Combinators that stop nothing until they fail: wait, as completed, concurrent map (rules W3, W4,
//! W6).

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyscope_core::{
    BoxError, GroupHandle, Runtime, Supervise, TaskHandle, WaitFor, as_completed,
    for_each_concurrent, gather, in_place, map_concurrent, map_concurrent_stream, wait,
};
use futures_util::stream::{StreamExt, TryStreamExt, iter, repeat};

use super::{Case, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, boom, parked, poll_once, yield_now};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(w3_first_completed_keeps_every_value::<R>),
        case(w3_first_failed_is_no_value_and_no_cancellation::<R>),
        case(w3_all_or_the_end_of_the_time::<R>),
        case(w3_dropped_wait_loses_nothing::<R>),
        case(w4_outcomes_come_in_order_of_completion::<R>),
        case(w4_failure_stops_nothing::<R>),
        case(w6_at_most_so_many_at_once::<R>),
        case(w6_input_without_end_is_pulled_lazily::<R>),
        case(w6_first_failure_names_its_item_and_ends_the_rest::<R>),
        case(w6_ordered_and_as_completed_streams::<R>),
    ]
}

/// Tasks that wait each for its gate and give their number.
fn gated<R: Runtime>(g: &GroupHandle<BoxError, R>, gates: &[Gate]) -> Vec<TaskHandle<usize, R>> {
    let spawn = |(number, gate): (usize, &Gate)| {
        let gate = gate.clone();
        g.spawn(async move {
            gate.wait().await;
            Ok(number)
        })
    };
    gates.iter().enumerate().map(spawn).collect()
}

fn gates(count: usize) -> Vec<Gate> {
    (0..count).map(|_| Gate::new()).collect()
}

fn w3_first_completed_keeps_every_value<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let gates = gates(8);
                let (mut pending, mut values) = (gated(&g, &gates), Vec::new());
                for gate in gates.iter().rev() {
                    gate.open();
                    let done;
                    (done, pending) = wait(pending, WaitFor::FirstCompleted).await;
                    assert!(done.iter().all(TaskHandle::is_finished));
                    values.extend(gather(done).await?);
                }
                assert!(pending.is_empty());
                assert_eq!(values, [7, 6, 5, 4, 3, 2, 1, 0]);
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn w3_first_failed_is_no_value_and_no_cancellation<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let dropped = Count::new();
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (started, fail) = (Gate::new(), Gate::new());
                let cancelled = g.spawn(parked(&started, &dropped));
                started.wait().await;
                cancelled.cancel();
                let opened = fail.clone();
                let failing = g.spawn(async move {
                    opened.wait().await;
                    Err(boom("the failure"))
                });
                let endless = g.spawn(parked(&started, &dropped));
                let mut tasks = [g.spawn(async { Ok(()) }), cancelled, failing, endless];
                let (done, pending) = wait(&mut tasks[..2], WaitFor::FirstFailed).await;
                assert_eq!((done.len(), pending.len()), (2, 0), "all have ended, none has failed");
                assert!(poll_once(wait(&mut tasks, WaitFor::FirstFailed)).is_pending());

                fail.open();
                let (done, pending) = wait(tasks, WaitFor::FirstFailed).await;
                assert_eq!((done.len(), pending.len()), (3, 1));
                assert_eq!(dropped.get(), 1, "nothing is cancelled");
                pending[0].cancel();
                Ok(())
            })
            .policy(Supervise)
            .await;
        assert_eq!(outcome.unwrap_err().failures().unwrap().len(), 1);
    });
}

fn w3_all_or_the_end_of_the_time<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let gates = gates(3);
                let tasks = gated(&g, &gates);
                gates[1].open();
                let (done, pending) = wait(tasks, WaitFor::FirstCompleted).await;
                assert_eq!((done.len(), pending.len()), (1, 2));
                let tasks = done.into_iter().chain(pending);

                let soon = rt.sleep(Duration::from_millis(5));
                let (done, pending) = wait(tasks, WaitFor::All).until(soon).await;
                assert_eq!((done.len(), pending.len()), (1, 2), "the time is up");
                assert_eq!(gather(done).await?, [1]);

                gates.iter().for_each(Gate::open);
                let late = rt.sleep(Duration::from_secs(3600));
                let (done, pending) = wait(pending, WaitFor::All).until(late).await;
                assert_eq!((done.len(), pending.len()), (2, 0));
                assert_eq!(gather(done).await?, [0, 2], "in the order of the input");
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn w3_dropped_wait_loses_nothing<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let gates = gates(3);
                let mut tasks = gated(&g, &gates);
                gates[0].open();
                for _ in 0..3 {
                    let waited = wait(tasks.iter_mut(), WaitFor::All);
                    assert!(rt.timeout(Duration::from_millis(1), waited).await.is_err());
                }
                gates.iter().for_each(Gate::open);
                assert_eq!(gather(tasks).await?, [0, 1, 2]);
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn w4_outcomes_come_in_order_of_completion<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let gates = gates(5);
                let mut completed = as_completed(gated(&g, &gates));
                for number in [3, 0, 4, 1, 2] {
                    assert!(poll_once(completed.next()).is_pending());
                    gates[number].open();
                    assert_eq!(completed.next().await.unwrap()?, number);
                }
                assert!(completed.next().await.is_none());
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn w4_failure_stops_nothing<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let gates = gates(3);
                let mut tasks = gated(&g, &gates);
                tasks.insert(1, g.spawn(async { Err(boom("the failure")) }));
                let failing = tasks[1].id();
                let mut completed = as_completed(tasks);
                let error = completed.next().await.unwrap().unwrap_err();
                assert!(error.is_failed() && error.task() == failing);
                gates.iter().for_each(Gate::open);
                let mut values: Vec<_> = completed.try_collect().await?;
                values.sort_unstable();
                assert_eq!(values, [0, 1, 2]);
                Ok(())
            })
            .policy(Supervise)
            .await;
        assert_eq!(outcome.unwrap_err().failures().unwrap().len(), 1);
    });
}

/// Counts how many are in it at once, and the most that there ever were.
#[derive(Clone, Default)]
struct Crowd(Arc<(AtomicUsize, AtomicUsize)>);

impl Crowd {
    async fn pass(&self) {
        let (now, most) = &*self.0;
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        yield_now().await;
        now.fetch_sub(1, Ordering::SeqCst);
    }

    fn most(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

fn w6_at_most_so_many_at_once<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let crowd = Crowd::default();
                let square = |number: usize| {
                    let crowd = crowd.clone();
                    g.spawn(async move {
                        crowd.pass().await;
                        Ok(number * number)
                    })
                };
                let squares = map_concurrent(0..100, 4, square).await?;
                assert!(squares.into_iter().eq((0..100).map(|number| number * number)));
                assert!(crowd.most() <= 4, "{} at once", crowd.most());

                let here = Crowd::default();
                let pass = |_| {
                    in_place(async {
                        here.pass().await;
                        Ok::<_, BoxError>(())
                    })
                };
                for_each_concurrent(0..100, 4, pass).await?;
                assert_eq!(here.most(), 4);
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn w6_input_without_end_is_pulled_lazily<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let pulled = Count::new();
                let items = repeat(()).inspect(|()| {
                    pulled.add();
                });
                let started = Count::new();
                let spawn = |()| {
                    let number = started.add();
                    g.spawn(async move { Ok(number) })
                };
                let numbers = map_concurrent_stream(items, 3, spawn).ordered();
                let numbers: Vec<_> = numbers.take(10).try_collect().await?;
                assert!(numbers.into_iter().eq(1..=10));
                assert!(pulled.get() <= 13, "{} pulled for 10 values", pulled.get());
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn w6_first_failure_names_its_item_and_ends_the_rest<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let dropped = Count::new();
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (started, pulled) = (Gate::new(), Count::new());
                let spawn = |number: usize| {
                    pulled.add();
                    match number {
                        2 => {
                            let started = started.clone();
                            g.spawn(async move {
                                started.wait().await;
                                Err(boom("the failure"))
                            })
                        }
                        3 => g.spawn(parked(&started, &dropped)),
                        _ => g.spawn(async { Ok(()) }),
                    }
                };
                let error = map_concurrent(0..100, 2, spawn).await.unwrap_err();
                assert_eq!(error.index(), 2);
                assert!(error.error().is_failed());
                assert_eq!(dropped.get(), 1, "the other has ended");
                assert_eq!(pulled.get(), 4, "nothing more is pulled");
                Err(BoxError::from(error))
            })
            .policy(Supervise)
            .await;
        let failures = outcome.unwrap_err().into_failures().unwrap();
        assert_eq!(failures.len(), 1, "what the body gives back is an echo: {failures:#}");
    });
}

fn w6_ordered_and_as_completed_streams<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let gates = gates(4);
                let mut tasks = gated(&g, &gates).into_iter();
                let map = map_concurrent(0..4, 4, |_| tasks.next().unwrap());
                let mut map = std::pin::pin!(map.as_completed());
                for number in [2, 0, 3, 1] {
                    assert!(poll_once(map.next()).is_pending());
                    gates[number].open();
                    assert_eq!(map.next().await.unwrap()?, number);
                }
                assert!(map.next().await.is_none());

                let numbers = map_concurrent_stream(iter(0..50), 4, |number| {
                    g.spawn(async move {
                        for _ in 0..number % 3 {
                            yield_now().await;
                        }
                        Ok(number)
                    })
                });
                let numbers: Vec<_> = numbers.ordered().try_collect().await?;
                assert!(numbers.into_iter().eq(0..50));
                let one =
                    map_concurrent([7], 1, |number| in_place(ready(Ok::<_, BoxError>(number))));
                assert_eq!(one.await?, [7]);
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}
