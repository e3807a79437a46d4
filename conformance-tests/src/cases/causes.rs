//! The cause that travels with a cancellation, and who can read it (rule C2).

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyscope_core::{
    BoxError, CancelCause, CauseKind, FirstSuccess, GroupHandle, Runtime, TaskContext,
    check_cancelled, shield,
};

use super::{Case, case};
use crate::env::Env;
use crate::probe::{
    Count, Gate, Outcome, block_on_here, boom, deadline_of, eventually, holding, never, on_drop,
    parked, poll_once,
};
use crate::thread;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(c2_request_and_its_reason_reach_all::<R>),
        case(c2_sibling_that_failed_is_named::<R>),
        case(c2_deadline_names_whose_it_was::<R>),
        case(c2_parent_is_named_with_the_cause_that_began_it::<R>),
        case(c2_first_success_is_named::<R>),
        case(c2_dropped_future_is_a_cause::<R>),
        case(c2_shutdown_is_a_cause::<R>).needs_shutdown(),
        case(c2_first_cause_stays::<R>),
        case(c2_first_cause_of_a_task_cancelled_alone_stays::<R>),
        case(c2_who_is_cancelled_alone_can_wait_for_it::<R>),
        case(c2_deadline_is_its_owners_at_every_depth::<R>),
        case(c2_group_opened_in_a_cancelled_one_has_its_cause_at_once::<R>),
        case(c2_own_cause_of_an_inner_group_stays::<R>),
        case(c2_asking_outside_of_a_cancellation_finds_none::<R>),
    ]
}

/// Reads the cause in every way that there is: a task in its destructor; a job by waiting, by
/// checking, by its context and by the group's handle.
#[derive(Clone, Default)]
struct Readers {
    begun: Count,
    causes: Arc<Mutex<Vec<CancelCause>>>,
}

impl Readers {
    fn saw(&self, cause: Option<CancelCause>) {
        let cause = cause.expect("a cause");
        self.causes.lock().unwrap().push(cause);
    }

    /// One that sees the cause once.
    fn spawn_task<R: Runtime>(&self, g: &GroupHandle<BoxError, R>) {
        let (mine, begun) = (self.clone(), self.begun.clone());
        let probe = on_drop(move || mine.saw(TaskContext::current().unwrap().cause()));
        g.spawn(holding(probe, async move {
            begun.add();
            never::<()>().await
        }));
    }

    /// One that sees the cause five times.
    fn spawn_job<R: Runtime>(&self, g: &GroupHandle<BoxError, R>) {
        let (mine, group) = (self.clone(), g.clone());
        g.spawn_blocking(move || {
            let me = TaskContext::current().unwrap();
            assert!(check_cancelled().is_ok() || group.is_cancelled());
            mine.begun.add();
            mine.saw(Some(block_on_here(me.cancelled())));
            mine.saw(Some(block_on_here(group.cancelled())));
            mine.saw(me.cause());
            mine.saw(group.cause());
            mine.saw(check_cancelled().err().map(|cancelled| cancelled.cause().clone()));
        });
    }

    /// Both kinds, once they have begun.
    async fn spawn<R: Runtime>(&self, g: &GroupHandle<BoxError, R>) {
        self.spawn_task(g);
        self.spawn_job(g);
        eventually(&g.runtime(), "both have begun", || self.begun.get() == 2).await;
    }

    fn all_saw(&self, times: usize, cause: &CancelCause) {
        let causes = self.causes.lock().unwrap();
        assert_eq!(*causes, vec![cause.clone(); times]);
    }
}

fn c2_request_and_its_reason_reach_all<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let readers = Readers::default();
        let outcome: Outcome<()> = rt
            .group(async |g| {
                readers.spawn(&g).await;
                g.cancel_because("a reason");
                never().await
            })
            .await;
        let cause = CancelCause::because("a reason");
        readers.all_saw(6, &cause);
        assert_eq!(outcome.unwrap_err().cause(), Some(&cause));
        assert_eq!(cause.kind(), &CauseKind::Requested(Some("a reason".to_owned())));
        assert!(cause.to_string().contains("a reason"));
    });
}

fn c2_sibling_that_failed_is_named<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let (readers, failed) = (Readers::default(), Mutex::new(None));
        let outcome: Outcome<()> = rt
            .group(async |g| {
                readers.spawn(&g).await;
                *failed.lock().unwrap() = Some(g.spawn::<_, ()>(async { Err(boom("one")) }).id());
                never().await
            })
            .await;
        let failed = failed.into_inner().unwrap().unwrap();
        let cause = CauseKind::SiblingFailed(failed).into();
        readers.all_saw(6, &cause);
        assert_eq!(outcome.unwrap_err().cause(), Some(&cause));
    });
}

fn c2_deadline_names_whose_it_was<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let readers = Readers::default();
        let mut owner = None;
        let outcome: Outcome<()> = rt
            .group(async |g| {
                owner = Some(g.id());
                readers.spawn_job(&g);
                // A deadline cuts a body only where it suspends: here it does not, for a moment.
                while readers.begun.get() == 0 {
                    thread::yield_now();
                }
                never().await
            })
            .deadline(Duration::ZERO)
            .await;
        let error = outcome.unwrap_err();
        let cause = error.cause().unwrap();
        readers.all_saw(5, cause);
        assert_eq!(deadline_of(cause), owner);
    });
}

fn c2_parent_is_named_with_the_cause_that_began_it<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let (readers, begun) = (Readers::default(), Gate::new());
        let middle = Arc::new(Mutex::new(None));
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (inside, ready, middle) = (readers.clone(), begun.clone(), middle.clone());
                g.spawn_group(async move |m| {
                    *middle.lock().unwrap() = Some(m.id());
                    m.spawn_group(async move |inner| {
                        inside.spawn(&inner).await;
                        ready.open();
                        never::<()>().await
                    });
                    never::<()>().await
                });
                begun.wait().await;
                g.cancel_because("from the top");
                never().await
            })
            .await;
        assert!(outcome.unwrap_err().is_cancelled());
        let root = CancelCause::because("from the top");
        let middle = middle.lock().unwrap().unwrap();
        let cause: CancelCause = CauseKind::Parent(middle, root.clone()).into();
        readers.all_saw(6, &cause);
        assert_eq!(cause.root(), &root);
    });
}

fn c2_first_success_is_named<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let (readers, winner) = (Readers::default(), Mutex::new(None));
        let outcome: Outcome<()> = rt
            .group(async |g| {
                readers.spawn(&g).await;
                *winner.lock().unwrap() = Some(g.spawn(async { Ok(()) }).id());
                never().await
            })
            .policy(FirstSuccess::default())
            .await;
        let winner = winner.into_inner().unwrap().unwrap();
        let cause = CauseKind::FirstSuccess(winner).into();
        readers.all_saw(6, &cause);
        assert_eq!(outcome.unwrap_err().cause(), Some(&cause));
    });
}

fn c2_dropped_future_is_a_cause<R: Runtime>(env: &Env<R>) {
    let readers = Readers::default();
    env.run(async |rt: R| {
        let begun = Gate::new();
        let group = rt.group(async |g: GroupHandle<BoxError, R>| {
            readers.spawn(&g).await;
            begun.open();
            never::<()>().await
        });
        futures_util::future::select(pin!(group), pin!(begun.wait())).await;
    });
    readers.all_saw(6, &CauseKind::Dropped.into());
}

fn c2_shutdown_is_a_cause<R: Runtime>(env: &Env<R>) {
    let (readers, begun) = (Readers::default(), Gate::new());
    let (rt, inside, ready) = (env.runtime(), readers.clone(), begun.clone());
    let owner = thread::spawn(move || {
        let outcome: Outcome<()> = block_on_here(rt.group(async |g| {
            inside.spawn_task(&g);
            inside.spawn_job(&g);
            while inside.begun.get() < 2 {
                thread::yield_now();
            }
            ready.open();
            never().await
        }));
        outcome.unwrap_err()
    });
    env.block_on(async |_| begun.wait().await);
    env.shut_down();
    let error = owner.join().unwrap();
    let cause = CauseKind::Shutdown.into();
    assert_eq!(error.cause(), Some(&cause));
    readers.all_saw(6, &cause);
}

fn c2_first_cause_stays<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let readers = Readers::default();
        let outcome: Outcome<()> = rt
            .group(async |g| {
                readers.spawn(&g).await;
                g.cancel_because("first");
                g.cancel_because("second");
                g.cancel();
                assert_eq!(g.cause(), Some(CancelCause::because("first")));
                Err(boom("third"))
            })
            .await;
        let cause = CancelCause::because("first");
        readers.all_saw(6, &cause);
        assert_eq!(outcome.unwrap_err().cause(), Some(&cause));
    });
}

fn c2_own_cause_of_an_inner_group_stays<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let readers = Readers::default();
        let outcome: Outcome<()> = rt
            .group(async |outer| {
                let inner = rt.group(async |g| {
                    readers.spawn(&g).await;
                    g.cancel_because("inner");
                    outer.cancel_because("outer");
                    never::<()>().await
                });
                Ok(inner.await?)
            })
            .await;
        let outer = CancelCause::because("outer");
        assert_eq!(outcome.unwrap_err().cause(), Some(&outer));
        readers.all_saw(6, &CancelCause::because("inner"));
    });
}

fn c2_asking_outside_of_a_cancellation_finds_none<R: Runtime>(env: &Env<R>) {
    assert!(check_cancelled().is_ok());
    env.block_on(async |rt: R| {
        assert!(check_cancelled().is_ok());
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let job = g.spawn_blocking(|| check_cancelled().is_ok());
                let task = g.spawn(async { Ok(check_cancelled().is_ok()) });
                assert!(job.await? && task.await?);
                let other: Outcome<()> = rt
                    .group(async |g| {
                        g.cancel();
                        assert!(check_cancelled().is_err());
                        Ok(())
                    })
                    .await;
                other.unwrap();
                assert!(check_cancelled().is_ok() && g.cause().is_none());
                assert!(TaskContext::current().unwrap().cause().is_none());
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn c2_first_cause_of_a_task_cancelled_alone_stays<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (begun, gone) = (Gate::new(), Count::new());
                let task = g.spawn(parked(&begun, &gone));
                begun.wait().await;
                // On the simulated runtime it cannot end between the two.
                task.cancel_because("first");
                task.cancel_because("second");
                let error = task.await.unwrap_err();
                assert_eq!(error.cause().unwrap().to_string(), "requested: first");
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn c2_who_is_cancelled_alone_can_wait_for_it<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let (readers, others) = (Readers::default(), Readers::default());
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let mine = readers.clone();
                let task = g.spawn(shield(async move {
                    mine.begun.add();
                    mine.saw(Some(TaskContext::current().unwrap().cancelled().await));
                    Ok(())
                }));
                let mine = readers.clone();
                let job = g.spawn_blocking(move || {
                    mine.begun.add();
                    mine.saw(Some(block_on_here(TaskContext::current().unwrap().cancelled())));
                });
                eventually(&rt, "both wait", || readers.begun.get() == 2).await;
                others.spawn_task(&g);
                let of_the_group = g.cancelled();
                task.cancel_because("alone");
                job.cancel_because("alone");
                job.await?;
                task.await?;
                assert!(poll_once(of_the_group).is_pending() && !g.is_cancelled());
                g.cancel();
                Ok(())
            })
            .await;
        outcome.unwrap();
        readers.all_saw(2, &CancelCause::because("alone"));
        others.all_saw(1, &CancelCause::requested());
    });
}

fn c2_deadline_is_its_owners_at_every_depth<R: Runtime>(env: &Env<R>) {
    let innermost = Mutex::new(None);
    env.block_on(async |rt| {
        let outer = rt.group::<BoxError, _>(async |outer| {
            rt.group::<BoxError, _>(async |_| {
                let inner = rt.group::<BoxError, _>(async |inner| {
                    *innermost.lock().unwrap() = Some((outer.id(), inner));
                    never::<()>().await
                });
                inner.await.map_err(BoxError::from)
            })
            .await
            .map_err(BoxError::from)
        });
        outer.deadline(Duration::from_millis(1)).await.unwrap_err();
    });
    let (owner, inner) = innermost.into_inner().unwrap().expect("it was opened");
    let cause = inner.cause().expect("it was cancelled");
    assert!(matches!(cause.kind(), CauseKind::Parent(..)), "{cause:?}, owner {owner}");
    assert_eq!(deadline_of(cause.root()), Some(owner));
}

/// Before its body begins (G11).
fn c2_group_opened_in_a_cancelled_one_has_its_cause_at_once<R: Runtime>(env: &Env<R>) {
    let begun = Count::new();
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.cancel();
                let inner = rt.group::<BoxError, _>(async |_| {
                    begun.note();
                    Ok(())
                });
                let _ = poll_once(pin!(inner));
                never().await
            })
            .await;
        assert!(outcome.is_err());
    });
    assert_eq!(begun.get(), 0);
}
