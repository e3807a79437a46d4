//! Spawning before and after a cancellation, all combinations, with exact accounts; and every
//! primitive cut at each of its polls (rules G1, G10, G11, C1, C5).

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use anyscope_core::{
    BoxError, FailFast, FirstSuccess, GroupHandle, Queue, Runtime, Semaphore, Supervise,
    TaskHandle, WaitFor, acquire, as_completed, defer, first_ok, gather, in_place, map_concurrent,
    race, scope, shield, wait,
};
use futures_util::StreamExt;

use super::{Case, LONG, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, eventually_blocking, never, poll_once, yield_now};
use crate::thread;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(g10_grid_of_spawns_around_a_cancellation_from_the_body::<R>),
        case(g10_grid_of_spawns_around_a_cancellation_from_a_child::<R>),
        case(g10_grid_of_spawns_around_a_cancellation_from_a_thread::<R>),
        case(c1_every_primitive_can_be_cancelled_at_each_poll::<R>),
        case(c1_every_primitive_can_be_dropped_at_each_poll::<R>),
        case(s2_local_scope_can_be_dropped_at_each_poll::<R>),
    ]
}

/// What became of the tasks of one combination.
#[derive(Clone, Default)]
struct Account {
    polled: Count,
    dropped: Count,
    refused: Count,
}

impl Account {
    /// Spawns so many that never end.
    fn spawn<R: Runtime>(&self, g: &GroupHandle<BoxError, R>, number: usize) {
        for _ in 0..number {
            let (polled, probe) = (self.polled.clone(), self.dropped.on_drop());
            let task = async move {
                let _probe = probe;
                polled.add();
                never::<()>().await
            };
            if let Err(refused) = g.try_spawn(task) {
                self.refused.add();
                drop(refused);
            }
        }
    }
}

/// Up to this many before, and as many after; under each policy.
const UP_TO: usize = 15;

/// Runs all combinations. `act` spawns, waits, cancels and spawns, in whatever place it is about.
fn grid<R: Runtime>(
    env: &Env<R>,
    act: impl AsyncFn(&GroupHandle<BoxError, R>, &Account, usize, usize),
) {
    env.run(async |rt| {
        const EACH: usize = UP_TO + 1;
        for round in env.rounds(3 * EACH * EACH) {
            let (policy, before, after) = (round % 3, round / 3 % EACH, round / 3 / EACH);
            let account = Account::default();
            let group = rt.group(async |g: GroupHandle<BoxError, R>| {
                act(&g, &account, before, after).await;
                never::<()>().await
            });
            let outcome: Outcome<()> = match policy {
                0 => group.policy(FailFast).await,
                1 => group.policy(Supervise).await,
                _ => group.policy(FirstSuccess::default()).await,
            };
            assert!(outcome.unwrap_err().is_cancelled());
            let Account { polled, dropped, refused } = &account;
            let counts = (polled.get(), dropped.get(), refused.get());
            assert_eq!(counts, (before, before + after, after), "policy {policy}");
        }
    });
}

fn g10_grid_of_spawns_around_a_cancellation_from_the_body<R: Runtime>(env: &Env<R>) {
    grid(env, async |g, account, before, after| {
        account.spawn(g, before);
        while account.polled.get() < before {
            yield_now().await;
        }
        g.cancel();
        account.spawn(g, after);
    });
}

fn g10_grid_of_spawns_around_a_cancellation_from_a_child<R: Runtime>(env: &Env<R>) {
    grid(env, async |g, account, before, after| {
        let (h, account) = (g.clone(), account.clone());
        g.spawn(async move {
            account.spawn(&h, before);
            while account.polled.get() < before {
                yield_now().await;
            }
            h.cancel();
            account.spawn(&h, after);
            Ok(())
        });
    });
}

fn g10_grid_of_spawns_around_a_cancellation_from_a_thread<R: Runtime>(env: &Env<R>) {
    grid(env, async |g, account, before, after| {
        let (h, account, done) = (g.clone(), account.clone(), Gate::new());
        let opened = done.clone();
        let thread = thread::spawn(move || {
            account.spawn(&h, before);
            eventually_blocking("all are polled", || account.polled.get() == before);
            h.cancel();
            account.spawn(&h, after);
            opened.open();
        });
        shield(done.wait()).await;
        thread.join().unwrap();
    });
}

/// What a primitive may not leave behind.
#[derive(Clone, Default)]
struct Trace {
    made: Count,
    dropped: Count,
    deferred: Count,
    cleaned: Count,
}

impl Trace {
    fn probe(&self) -> impl Send + Sync + use<> {
        self.made.add();
        self.dropped.on_drop()
    }

    fn defer(&self) {
        self.deferred.add();
        let (cleaned, probe) = (self.cleaned.clone(), self.probe());
        defer(async move |_| {
            let _probe = probe;
            yield_now().await;
            cleaned.add();
        });
    }

    fn check(&self, what: &str, at: usize) {
        assert_eq!(self.made.get(), self.dropped.get(), "{what}, cut at poll {at}: alive");
        assert_eq!(self.deferred.get(), self.cleaned.get(), "{what}, cut at poll {at}: clean-ups");
    }
}

type Used = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;
type Primitive<R> = (&'static str, fn(GroupHandle<BoxError, R>, Trace) -> Used);

/// Each uses one primitive, in some polls, and ends well.
fn primitives<R: Runtime>() -> Vec<Primitive<R>> {
    vec![
        ("group", |g, trace| {
            Box::pin(async move {
                let outcome: Outcome<()> = g
                    .runtime()
                    .group(async |h| {
                        let _probe = trace.probe();
                        trace.defer();
                        tasks(&h, &trace).into_iter().for_each(drop);
                        yield_now().await;
                        Ok(())
                    })
                    .await;
                Ok(outcome?)
            })
        }),
        ("timeout", |g, trace| {
            Box::pin(async move {
                let work = used(trace, 3);
                g.runtime().timeout(LONG, work).await.map_err(BoxError::from)
            })
        }),
        ("shield", |_, trace| {
            Box::pin(async move {
                shield(used(trace, 3)).await;
                Ok(())
            })
        }),
        ("acquire", |_, trace| {
            Box::pin(async move {
                let (made, released) = (trace.clone(), trace.clone());
                let open = async move {
                    yield_now().await;
                    made.deferred.add();
                    Ok::<_, BoxError>(made.probe())
                };
                let resource = acquire(open, move |probe, _| async move {
                    yield_now().await;
                    released.cleaned.add();
                    drop(probe);
                })
                .await?;
                yield_now().await;
                resource.release().await
            })
        }),
        ("start", |g, trace| {
            Box::pin(async move {
                let inner = trace.clone();
                let ((), task) = g
                    .start(async move |started| {
                        let _probe = inner.probe();
                        yield_now().await;
                        started.ready(());
                        Ok(())
                    })
                    .await?;
                Ok(task.await?)
            })
        }),
        ("spawn when free", |g, trace| {
            Box::pin(async move {
                let work = used(trace, 2);
                let task = g.spawn_when_free(async move {
                    work.await;
                    Ok(())
                });
                Ok(task.await.await?)
            })
        }),
        ("gather", |g, trace| {
            Box::pin(async move { Ok(gather(tasks(&g, &trace)).await.map(drop)?) })
        }),
        ("wait", |g, trace| {
            Box::pin(async move {
                let _ = wait(tasks(&g, &trace), WaitFor::All).await;
                Ok(())
            })
        }),
        ("as completed", |g, trace| {
            Box::pin(async move {
                let mut done = pin!(as_completed(tasks(&g, &trace)));
                while done.next().await.is_some() {}
                Ok(())
            })
        }),
        ("race", |g, trace| Box::pin(async move { Ok(race(tasks(&g, &trace)).await?) })),
        ("first ok", |g, trace| {
            Box::pin(async move { first_ok(tasks(&g, &trace)).await.map_err(|_| lost()) })
        }),
        ("map", |_, trace| {
            Box::pin(async move {
                let work = |n| {
                    let work = used(trace.clone(), n);
                    in_place(async move {
                        work.await;
                        Ok::<_, BoxError>(())
                    })
                };
                map_concurrent(0..5, 2, work).await.map(drop).map_err(|_| lost())
            })
        }),
        ("queue", |g, trace| {
            Box::pin(async move {
                let queue = Arc::new(Queue::fifo(1));
                let filled = queue.clone();
                let probes: Vec<_> = (0..3).map(|_| trace.probe()).collect();
                // Nobody takes what it puts once this here is dropped.
                let filling = g.spawn(async move {
                    for probe in probes {
                        let _ = filled.put(probe).await;
                    }
                    Ok(())
                });
                let _filling = filling.cancel_on_drop();
                for _ in 0..3 {
                    let _item = queue.get().await;
                }
                queue.join().await;
                Ok(())
            })
        }),
        ("semaphore", |g, trace| {
            Box::pin(async move {
                let semaphore = Arc::new(Semaphore::new(1));
                let (work, shared) = (used(trace, 2), semaphore.clone());
                let task = g.spawn(async move {
                    let _permit = shared.acquire().await;
                    work.await;
                    Ok(())
                });
                let permit = semaphore.acquire().await;
                yield_now().await;
                drop(permit);
                Ok(task.await?)
            })
        }),
        ("job", |g, trace| {
            Box::pin(async move {
                let probe = trace.probe();
                Ok(g.runtime().spawn_blocking(move || drop(probe)).await?)
            })
        }),
        ("sleep", |g, trace| {
            Box::pin(async move {
                let _probe = trace.probe();
                g.runtime().sleep(Duration::from_micros(50)).await;
                Ok(())
            })
        }),
    ]
}

fn lost() -> BoxError {
    BoxError::msg("a task was cancelled")
}

async fn used(trace: Trace, polls: usize) {
    let _probe = trace.probe();
    for _ in 0..polls {
        yield_now().await;
    }
}

fn tasks<R: Runtime>(g: &GroupHandle<BoxError, R>, trace: &Trace) -> Vec<TaskHandle<(), R>> {
    let task = |polls| {
        let work = used(trace.clone(), polls);
        g.spawn(async move {
            work.await;
            Ok(())
        })
    };
    (0..3).map(task).collect()
}

/// Polls `future` until the `at`th poll, and then does `cut` before that one. Whether it came so far.
async fn cut_at(at: usize, cut: impl FnOnce(), future: Used) -> (bool, Option<Used>) {
    let (mut polls, mut cut, mut future) = (0, Some(cut), Some(future));
    poll_fn(|cx| {
        polls += 1;
        if polls > at {
            if let Some(cut) = cut.take() {
                cut();
                return Poll::Ready((true, future.take()));
            }
        }
        let polled = future.as_mut().map(|future| future.as_mut().poll(cx));
        match polled {
            Some(Poll::Pending) => Poll::Pending,
            _ => Poll::Ready((false, None)),
        }
    })
    .await
}

/// Cuts each primitive at each of its polls, from the first on, until it ends before that.
fn at_each_poll<R: Runtime>(env: &Env<R>, goes_on: bool) {
    env.run(async |rt| {
        for (what, primitive) in primitives::<R>() {
            let mut reached = true;
            for at in 0.. {
                if !reached {
                    break;
                }
                let (trace, cut) = (Trace::default(), Count::new());
                let outcome: Outcome<()> = rt
                    .group(async |g| {
                        let (h, trace, cut) = (g.clone(), trace.clone(), cut.clone());
                        g.spawn(async move {
                            let used = primitive(h.clone(), trace.clone());
                            let cancel = || {
                                if goes_on {
                                    h.cancel()
                                }
                            };
                            let (was_cut, rest) = cut_at(at, cancel, used).await;
                            if was_cut {
                                cut.add();
                            }
                            match rest {
                                // Cancelled in this very poll: it is polled once more, and dropped.
                                Some(rest) if goes_on => rest.await,
                                rest => {
                                    drop(rest);
                                    Ok(())
                                }
                            }
                        });
                        Ok(())
                    })
                    .await;
                drop(outcome);
                trace.check(what, at);
                reached = cut.get() == 1;
                assert!(at < 1000, "{what} has no end");
            }
        }
    });
}

fn c1_every_primitive_can_be_cancelled_at_each_poll<R: Runtime>(env: &Env<R>) {
    at_each_poll(env, true);
}

fn c1_every_primitive_can_be_dropped_at_each_poll<R: Runtime>(env: &Env<R>) {
    at_each_poll(env, false);
}

fn s2_local_scope_can_be_dropped_at_each_poll<R: Runtime>(env: &Env<R>) {
    env.run(async |_| {
        let mut ended = false;
        for at in 0.. {
            if ended {
                break;
            }
            let trace = Trace::default();
            let mut scope = Box::pin(scope(async |s| {
                let _probe = trace.probe();
                for polls in 0..3 {
                    s.spawn(async move {
                        used(Trace::default(), polls).await;
                        Ok(())
                    });
                    s.spawn(async {
                        shield(used(trace.clone(), 2)).await;
                        Ok(())
                    });
                }
                yield_now().await;
                Ok::<_, BoxError>(())
            }));
            for _ in 0..at {
                ended = ended || poll_once(scope.as_mut()).is_ready();
            }
            drop(scope);
            trace.check("local scope", at);
            assert!(at < 1000, "it has no end");
        }
    });
}
