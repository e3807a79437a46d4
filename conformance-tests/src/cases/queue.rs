//! The queue and the semaphore between tasks (rule W8).

use std::sync::{Arc, Mutex};

use anyscope_core::{Queue, Runtime, Semaphore, gather};

use super::{Case, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, counted, eventually, poll_once, yield_now};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(w8_workers_share_a_queue_and_end_with_it::<R>),
        case(w8_full_queue_holds_its_producer_back::<R>),
        case(w8_join_waits_until_every_item_is_done::<R>),
        case(w8_cancelled_worker_is_done_with_its_item::<R>),
        case(w8_closing_wakes_who_waits::<R>),
        case(w8_semaphore_lets_so_many_in_first_come_first_served::<R>),
        case(w8_several_permits_are_one_place_in_the_line::<R>),
        case(w8_cancelled_waiter_passes_its_permit_on::<R>),
    ]
}

fn w8_workers_share_a_queue_and_end_with_it<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (queue, seen) = (Queue::fifo(4), Arc::new(Mutex::new(Vec::new())));
                for _ in 0..3 {
                    let (queue, seen) = (queue.clone(), seen.clone());
                    g.spawn(async move {
                        while let Some(item) = queue.get().await {
                            yield_now().await;
                            seen.lock().unwrap().push(*item);
                        }
                        Ok(())
                    });
                }
                for number in 0..200 {
                    queue.put(number).await?;
                    assert!(queue.len() <= 4);
                }
                queue.join().await;
                let mut seen = std::mem::take(&mut *seen.lock().unwrap());
                seen.sort_unstable();
                assert!(seen.into_iter().eq(0..200), "each once, and all before `join` returned");
                queue.close();
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn w8_full_queue_holds_its_producer_back<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (queue, put) = (Queue::fifo(2), Count::new());
                let (filled, counted) = (queue.clone(), put.clone());
                let producer = g.spawn(async move {
                    for number in 0..10 {
                        filled.put(number).await?;
                        counted.add();
                    }
                    Ok(())
                });
                for number in 0..10 {
                    let item = queue.get().await.unwrap();
                    assert_eq!(*item, number);
                    assert!(put.get() <= number + 4, "one taken, two inside, one on its way");
                }
                producer.await?;
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn w8_join_waits_until_every_item_is_done<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (queue, taken, finish) = (Queue::fifo(2), Gate::new(), Gate::new());
                queue.put(()).await?;
                let (tasks, began, gate) = (queue.clone(), taken.clone(), finish.clone());
                g.spawn(async move {
                    let item = tasks.get().await;
                    began.open();
                    gate.wait().await;
                    drop(item);
                    Ok(())
                });
                taken.wait().await;
                let mut joined = std::pin::pin!(queue.join());
                assert!(poll_once(joined.as_mut()).is_pending() && queue.is_empty());
                finish.open();
                joined.await;
                assert_eq!(queue.unfinished(), 0);
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn w8_cancelled_worker_is_done_with_its_item<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (queue, taken) = (Queue::fifo(2), Gate::new());
                queue.put(()).await?;
                let (tasks, began) = (queue.clone(), taken.clone());
                let worker = g.spawn::<_, ()>(async move {
                    let _item = tasks.get().await;
                    began.open();
                    std::future::pending().await
                });
                taken.wait().await;
                worker.cancel();
                queue.join().await;
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn w8_closing_wakes_who_waits<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (full, empty) = (Queue::fifo(1), Queue::<i32>::fifo(1));
                full.put(1).await?;
                let (putting, getting) = (full.clone(), empty.clone());
                let asked = [Count::new(), Count::new()];
                let put = async move { Ok(putting.put(2).await.unwrap_err().into_inner()) };
                let put = g.spawn(counted(asked[0].clone(), put));
                let get = async move { Ok(getting.get().await.is_none()) };
                let get = g.spawn(counted(asked[1].clone(), get));
                let both = || asked.iter().all(|polls| polls.get() > 0);
                eventually(&rt, "both wait", both).await;
                assert!(!put.is_finished() && !get.is_finished());
                full.close();
                empty.close();
                assert_eq!(put.await?, 2, "the item comes back");
                assert!(get.await?);
                assert_eq!(*full.get().await.unwrap(), 1, "what lies in it does not get lost");
                assert!(full.get().await.is_none());
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn w8_semaphore_lets_so_many_in_first_come_first_served<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (semaphore, order) = (Semaphore::new(2), Arc::new(Mutex::new(Vec::new())));
                let held = [semaphore.acquire().await, semaphore.acquire().await];
                let asked = Count::new();
                let mut tasks = Vec::new();
                for number in 0..8 {
                    let (semaphore, order) = (semaphore.clone(), order.clone());
                    let before = asked.clone();
                    tasks.push(g.spawn(async move {
                        let mut permit = std::pin::pin!(semaphore.acquire());
                        let early = poll_once(permit.as_mut()).is_ready();
                        before.add();
                        assert!(!early, "two are held");
                        let _permit = permit.await;
                        order.lock().unwrap().push(number);
                        Ok(())
                    }));
                    eventually(&rt, "it waits", || asked.get() == number + 1).await;
                }
                assert!(semaphore.try_acquire().is_none());
                let [kept, first] = held;
                drop(first);
                gather(tasks).await?;
                assert!(order.lock().unwrap().iter().copied().eq(0..8), "one after the other");
                drop(kept);
                assert_eq!(semaphore.available(), 2);
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

/// Whoever asks later waits, although there would be one for it, until the one before is served or goes.
fn w8_several_permits_are_one_place_in_the_line<R: Runtime>(env: &Env<R>) {
    env.run(async |_: R| {
        let semaphore = Semaphore::new(3);
        let held = semaphore.acquire().await;
        let mut all = Box::pin(semaphore.acquire_many(3));
        let mut behind = Box::pin(semaphore.acquire());
        assert!(poll_once(all.as_mut()).is_pending());
        assert!(
            poll_once(behind.as_mut()).is_pending(),
            "nobody passes the one who waits for three"
        );
        assert!(semaphore.try_acquire().is_none());
        drop(held);
        let all = all.await;
        assert!(poll_once(behind.as_mut()).is_pending());
        drop(all);
        drop(behind.await);

        let held = semaphore.acquire_many(2).await;
        let mut gone = Box::pin(semaphore.acquire_many(2));
        let mut behind = Box::pin(semaphore.acquire());
        assert!(poll_once(gone.as_mut()).is_pending());
        assert!(poll_once(behind.as_mut()).is_pending());
        drop(gone);
        drop((behind.await, held));
        assert_eq!(semaphore.available(), 3);
    });
}

fn w8_cancelled_waiter_passes_its_permit_on<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                for _ in 0..50 {
                    let semaphore = Semaphore::new(1);
                    let held = semaphore.acquire().await;
                    let waiters = [0, 1, 2].map(|_| {
                        let semaphore = semaphore.clone();
                        g.spawn(async move {
                            let _permit = semaphore.acquire().await;
                            yield_now().await;
                            Ok(())
                        })
                    });
                    yield_now().await;
                    drop(held);
                    waiters[0].cancel();
                    waiters[1].cancel();
                    drop(gather(waiters).settled().await);
                    assert_eq!(semaphore.available(), 1);
                }
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}
