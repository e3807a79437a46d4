//! Wakers of strangers that panic, where something of the library is polled by hand (rule P3).

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use anyscope_core::unhandled::UnhandledKind;
use anyscope_core::{BoxError, GroupHandle, Queue, Runtime, Semaphore, TaskHandle, shield};

use super::{Case, case};
use crate::env::Env;
use crate::probe::{Gate, Outcome, assert_alive, boom, eventually, lost, never, poll_once, unique};
use crate::waits::with_enough_time;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(p3_waker_of_a_task_handle::<R>),
        case(p3_waker_of_a_job_handle::<R>),
        case(p3_waker_of_a_group_whose_body_waits::<R>),
        case(p3_waker_of_a_group_that_drains::<R>),
        case(p3_waker_of_a_group_whose_deadline_passes::<R>),
        case(p3_waker_of_a_timeout::<R>),
        case(p3_waker_of_a_limited_shield::<R>),
        case(p3_waker_of_whoever_waits_for_a_cancellation::<R>),
        case(p3_waker_of_whoever_waits_for_the_root::<R>),
        case(p3_waker_of_whoever_waits_for_a_permit::<R>),
        case(p3_waker_of_whoever_waits_for_a_queue::<R>),
        case(p3_waker_of_whoever_waits_for_a_slot::<R>),
        case(p3_waker_that_is_replaced::<R>),
    ]
}

/// Which part of a waker panics. Not both: that would be a panic while unwinding.
#[derive(Clone, Copy)]
enum Bad {
    Wake,
    Drop,
}

const BOTH: [Bad; 2] = [Bad::Wake, Bad::Drop];

const SHORT: Duration = Duration::from_millis(20);

struct BadWaker {
    bad: Bad,
    text: String,
    /// A waker that is never called must not panic in the hands of the case itself.
    armed: Arc<AtomicBool>,
}

impl Wake for BadWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if matches!(self.bad, Bad::Wake) {
            panic!("{}", self.text);
        }
    }
}

impl Drop for BadWaker {
    fn drop(&mut self) {
        if matches!(self.bad, Bad::Drop) && self.armed.load(Ordering::SeqCst) {
            panic!("{}", self.text);
        }
    }
}

/// A case's bad waker: polled with once, and then left to the library.
struct Trap {
    bad: Bad,
    text: String,
}

impl Trap {
    fn new(bad: Bad) -> Self {
        let text = unique("expected: waker");
        assert!(lost(&text).is_empty());
        Self { bad, text }
    }

    /// Polls a future that is not ready, and leaves the library the last reference to the waker.
    fn poll<F: Future + Unpin>(&self, future: &mut F) {
        assert!(self.is_pending(future));
    }

    /// The same, for a future that is not ready if there is time enough.
    fn is_pending<F: Future + Unpin>(&self, future: &mut F) -> bool {
        let armed = Arc::new(AtomicBool::new(false));
        let (bad, text) = (self.bad, self.text.clone());
        let state = armed.clone();
        let waker = Waker::from(Arc::new(BadWaker { bad, text, armed }));
        let polled = Pin::new(future).poll(&mut Context::from_waker(&waker));
        drop(waker);
        state.store(true, Ordering::SeqCst);
        polled.is_pending()
    }

    /// Waits for the wake-up, where it is that which panics. Where it is the drop, the last reference may
    /// be held until what was polled is polled again or gone.
    async fn may_go_off<R: Runtime>(&self, rt: &R) {
        if matches!(self.bad, Bad::Wake) {
            self.went_off(rt).await;
        }
    }

    /// The library has met the panic and said so.
    async fn went_off<R: Runtime>(&self, rt: &R) {
        eventually(rt, "the waker's panic is reported", || !lost(&self.text).is_empty()).await;
        let lost = lost(&self.text);
        assert!(lost.iter().all(|lost| lost.kind == UnhandledKind::Waker), "{lost:?}");
        assert_alive(rt).await;
    }
}

/// Polls the handle of what `spawn` starts, which ends when the gate is opened.
fn poll_handle<R: Runtime>(
    env: &Env<R>,
    spawn: fn(&GroupHandle<BoxError, R>, Gate) -> TaskHandle<i32, R>,
) {
    env.block_on(async |rt: R| {
        for bad in BOTH {
            let trap = Trap::new(bad);
            let outcome: Outcome<i32> = rt
                .group(async |g| {
                    let gate = Gate::new();
                    let mut handle = spawn(&g, gate.clone());
                    trap.poll(&mut handle);
                    gate.open();
                    trap.may_go_off(&rt).await;
                    let value = handle.await?;
                    trap.went_off(&rt).await;
                    Ok(value)
                })
                .await;
            assert_eq!(outcome.unwrap(), 7);
        }
    });
}

fn p3_waker_of_a_task_handle<R: Runtime>(env: &Env<R>) {
    poll_handle(env, |g, gate| {
        g.spawn(async move {
            gate.wait().await;
            Ok(7)
        })
    });
}

fn p3_waker_of_a_job_handle<R: Runtime>(env: &Env<R>) {
    poll_handle(env, |g, gate| {
        g.spawn_blocking(move || {
            gate.wait_blocking();
            7
        })
    });
}

fn p3_waker_of_a_group_whose_body_waits<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        for bad in BOTH {
            let trap = Trap::new(bad);
            let gate = Gate::new();
            let mut group = Box::pin(rt.group(async |_| {
                gate.wait().await;
                Ok::<_, BoxError>(7)
            }));
            trap.poll(&mut group);
            gate.open();
            trap.may_go_off(&rt).await;
            assert_eq!(group.await.unwrap(), 7);
            trap.went_off(&rt).await;
        }
    });
}

fn p3_waker_of_a_group_that_drains<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        for bad in BOTH {
            let trap = Trap::new(bad);
            let gate = Gate::new();
            let mut group = Box::pin(rt.group(async |g: GroupHandle<BoxError, R>| {
                let waiting = gate.clone();
                g.spawn(async move {
                    waiting.wait().await;
                    Ok(())
                });
                Ok(7)
            }));
            trap.poll(&mut group);
            gate.open();
            // Woken on the thread on which the last child ends.
            trap.may_go_off(&rt).await;
            assert_eq!(group.await.unwrap(), 7);
            trap.went_off(&rt).await;
        }
    });
}

fn p3_waker_of_a_group_whose_deadline_passes<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        for bad in BOTH {
            with_enough_time(async |time| {
                let trap = Trap::new(bad);
                let group = rt.group::<BoxError, _>(async |_| never::<()>().await);
                let mut group = Box::pin(group.deadline(time));
                if !trap.is_pending(&mut group) {
                    return false;
                }
                trap.may_go_off(&rt).await;
                assert!(group.await.unwrap_err().is_cancelled());
                trap.went_off(&rt).await;
                true
            })
            .await;
        }
    });
}

fn p3_waker_of_a_timeout<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        for bad in BOTH {
            with_enough_time(async |time| {
                let trap = Trap::new(bad);
                let mut timeout = Box::pin(rt.timeout(time, never::<()>()));
                if !trap.is_pending(&mut timeout) {
                    return false;
                }
                trap.may_go_off(&rt).await;
                timeout.await.unwrap_err();
                trap.went_off(&rt).await;
                true
            })
            .await;
        }
    });
}

fn p3_waker_of_a_limited_shield<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        for bad in BOTH {
            let trap = Trap::new(bad);
            // A shield outside any task would have no limit.
            let outcome: Outcome<()> = rt
                .group(async |_| {
                    let mut limited = Box::pin(shield(never::<()>()).limit(SHORT));
                    trap.poll(&mut limited);
                    trap.may_go_off(&rt).await;
                    drop(limited);
                    trap.went_off(&rt).await;
                    Ok(())
                })
                .await;
            outcome.unwrap();
        }
    });
}

fn p3_waker_of_whoever_waits_for_a_cancellation<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        for bad in BOTH {
            let trap = Trap::new(bad);
            let outcome: Outcome<()> = rt
                .group(async |g| {
                    let mut watcher = pin!(g.cancelled());
                    trap.poll(&mut watcher);
                    g.cancel();
                    assert!(poll_once(watcher).is_ready());
                    Err(boom("still here"))
                })
                .await;
            assert_eq!(outcome.unwrap_err().failures().unwrap().len(), 1);
            trap.went_off(&rt).await;
        }
    });
}

fn p3_waker_of_whoever_waits_for_the_root<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        for bad in BOTH {
            let trap = Trap::new(bad);
            let gate = Gate::new();
            let waiting = gate.clone();
            let task = rt.spawn_detached(async move { waiting.wait().await });
            let mut drained = rt.drained();
            trap.poll(&mut drained);
            gate.open();
            task.await.unwrap();
            if matches!(bad, Bad::Drop) {
                // Woken before, or taken along by the watcher where other cases keep the root busy.
                drop(drained);
            }
            trap.went_off(&rt).await;
        }
    });
}

/// Leaves the waker with `wait`, which then becomes ready by what a task does.
async fn woken_by_a_task<R: Runtime, F: Future>(
    rt: &R,
    bad: Bad,
    wait: F,
    free: impl FnOnce() + Send + 'static,
) -> F::Output {
    let (trap, mut wait) = (Trap::new(bad), Box::pin(wait));
    trap.poll(&mut wait);
    rt.spawn_detached(async { free() }).await.unwrap();
    trap.may_go_off(rt).await;
    let output = wait.await;
    trap.went_off(rt).await;
    output
}

fn p3_waker_of_whoever_waits_for_a_permit<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        for bad in BOTH {
            let semaphore = Semaphore::new(1);
            let permit = semaphore.try_acquire().unwrap();
            drop(woken_by_a_task(&rt, bad, semaphore.acquire(), || drop(permit)).await);
            assert_eq!((semaphore.available(), semaphore.waiting()), (1, 0));
        }
    });
}

fn p3_waker_of_whoever_waits_for_a_queue<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        for bad in BOTH {
            let queue = Queue::fifo(1);
            let full = queue.clone();
            let put = move || full.try_put(1).unwrap();
            let item = woken_by_a_task(&rt, bad, queue.get(), put).await.unwrap();
            queue.try_put(2).unwrap();
            let second = queue.clone();
            let get = move || drop(second.try_get().unwrap());
            woken_by_a_task(&rt, bad, queue.put(3), get).await.unwrap();
            drop(queue.try_get().unwrap());
            woken_by_a_task(&rt, bad, queue.join(), || drop(item)).await;
        }
    });
}

fn p3_waker_of_whoever_waits_for_a_slot<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        for bad in BOTH {
            let outcome: Outcome<i32> = rt
                .group(async |g| {
                    let gate = Gate::new();
                    let holds = gate.clone();
                    g.spawn(async move {
                        holds.wait().await;
                        Ok(())
                    });
                    let second = g.spawn_when_free(async { Ok(7) });
                    let task = woken_by_a_task(&rt, bad, second, move || gate.open()).await;
                    Ok(task.await?)
                })
                .limit(1)
                .await;
            assert_eq!(outcome.unwrap(), 7);
        }
    });
}

fn p3_waker_that_is_replaced<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let traps: Vec<_> = (0..4).map(|_| Trap::new(Bad::Drop)).collect();
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let gate = Gate::new();
                let (one, two) = (gate.clone(), gate.clone());
                let mut task = g.spawn(async move {
                    one.wait().await;
                    Ok(())
                });
                let mut job = g.spawn_blocking(move || two.wait_blocking());
                let mut watcher = pin!(g.cancelled());
                let mut inner = Box::pin(rt.group(async |_| {
                    gate.wait().await;
                    Ok::<_, BoxError>(())
                }));
                traps[0].poll(&mut task);
                traps[1].poll(&mut job);
                traps[2].poll(&mut watcher);
                traps[3].poll(&mut inner);
                let noop = &mut Context::from_waker(Waker::noop());
                assert!(Pin::new(&mut task).poll(noop).is_pending());
                assert!(Pin::new(&mut job).poll(noop).is_pending());
                assert!(watcher.as_mut().poll(noop).is_pending());
                assert!(matches!(inner.as_mut().poll(noop), Poll::Pending));
                gate.open();
                task.await?;
                job.await?;
                inner.await?;
                Ok(())
            })
            .await;
        outcome.unwrap();
        for trap in &traps {
            trap.went_off(&rt).await;
        }
    });
}
