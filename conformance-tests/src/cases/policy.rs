//! Completion policies: fail-fast, supervise, first success, and one that a user writes (rule G16).

use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyscope_core::unhandled::UnhandledKind;
use anyscope_core::{
    BoxError, CancelCause, CauseKind, EndedTask, Failure, FirstSuccess, GroupError, PanicPolicy,
    Policy, Runtime, Supervise, TaskError, TaskHandle, Verdict,
};

use super::{Case, LONG, SHORT, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, boom, eventually, never, parked};
use crate::reported::{lost, unique};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(g16_supervised_siblings_go_on_and_all_failures_are_collected::<R>),
        case(g16_supervised_body_failure_does_not_cancel_children::<R>),
        case(g16_first_success_ends_the_losers_before_it_returns::<R>),
        case(g16_first_success_forgives_earlier_failures::<R>),
        case(g16_first_success_fails_with_all_failures::<R>),
        case(g16_policy_of_the_users_own_counts_failures::<R>),
        case(g16_policy_of_the_users_own_counts_successes::<R>),
        case(g16_policy_that_panics_cancels::<R>),
        case(g16_failures_that_are_reported_are_not_the_groups::<R>),
        case(g16_discarded_failure_that_is_passed_on_is_one_of_its_own::<R>),
        case(g16_failure_of_the_body_is_not_discarded::<R>),
        case(g16_policy_of_a_group_that_is_told_to_stop_is_not_asked_about_that::<R>),
        case(e6_task_that_was_out_of_time_is_told_where_failures_are_reported::<R>),
    ]
}

fn g16_supervised_siblings_go_on_and_all_failures_are_collected<R: Runtime>(env: &Env<R>) {
    let (failed, ran) = (Gate::new(), Count::new());
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let first = g.spawn(async { Err::<(), _>(boom("first")) });
                let (gate, count) = (failed.clone(), ran.clone());
                g.spawn(async move {
                    gate.wait().await;
                    count.add();
                    Err::<(), _>(boom("second"))
                });
                assert!(first.await.unwrap_err().is_failed());
                failed.open();
                Ok(())
            })
            .policy(Supervise)
            .await;
        let error = outcome.unwrap_err();
        assert!(error.cause().is_none());
        let texts: Vec<_> = error.failures().unwrap().iter().map(|f| f.error().unwrap()).collect();
        assert_eq!(format!("{texts:?}"), r#"["first", "second"]"#);
    });
    assert_eq!(ran.get(), 1);
}

fn g16_supervised_body_failure_does_not_cancel_children<R: Runtime>(env: &Env<R>) {
    let ran = Count::new();
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let count = ran.clone();
                g.spawn(async move {
                    count.add();
                    Ok(())
                });
                Err(boom("body"))
            })
            .policy(Supervise)
            .await;
        assert_eq!(outcome.unwrap_err().failures().unwrap().len(), 1);
    });
    assert_eq!(ran.get(), 1);
}

fn g16_first_success_ends_the_losers_before_it_returns<R: Runtime>(env: &Env<R>) {
    let dropped = Count::new();
    env.block_on(async |rt| {
        let outcome: Outcome<Vec<TaskHandle<u32, R>>> = rt
            .group(async |g| {
                let mut racers: Vec<_> = (0..5)
                    .map(|_| {
                        let losing = parked(&Gate::new(), &dropped);
                        g.spawn(async { losing.await.map(|()| 0) })
                    })
                    .collect();
                racers.push(g.spawn(async { Ok(7) }));
                Ok(racers)
            })
            .policy(FirstSuccess::default())
            .await;
        let mut racers = outcome.unwrap();
        assert_eq!(dropped.get(), 5, "the losers have ended");
        assert_eq!(racers.pop().unwrap().await.unwrap(), 7);
        for loser in racers {
            let error = loser.await.unwrap_err();
            assert!(matches!(error.cause().unwrap().kind(), CauseKind::FirstSuccess(_)));
        }
    });
}

fn g16_first_success_forgives_earlier_failures<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<TaskHandle<u32, R>> = rt
            .group(async |g| {
                let failing = g.spawn(async { Err::<u32, _>(boom("lost")) });
                assert!(failing.await.unwrap_err().is_failed());
                Ok(g.spawn(async { Ok(3) }))
            })
            .policy(FirstSuccess::default())
            .await;
        assert_eq!(outcome.unwrap().await.unwrap(), 3);
    });
}

fn g16_first_success_fails_with_all_failures<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                for _ in 0..3 {
                    g.spawn(async { Err::<(), _>(boom("lost")) });
                }
                Ok(())
            })
            .policy(FirstSuccess::default())
            .await;
        // The body's value is of no use: no racer has won.
        assert_eq!(outcome.unwrap_err().failures().unwrap().len(), 3);
    });
}

struct MaxFailures(AtomicUsize, usize);

impl<E> Policy<E> for MaxFailures {
    fn on_failure(&self, _: &Failure<E>) -> Verdict {
        match self.0.fetch_add(1, Ordering::Relaxed) + 1 < self.1 {
            true => Verdict::Continue,
            false => Verdict::Cancel,
        }
    }
}

fn g16_policy_of_the_users_own_counts_failures<R: Runtime>(env: &Env<R>) {
    let dropped = Count::new();
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.spawn(parked(&Gate::new(), &dropped));
                for left in [2, 1] {
                    let failed = g.spawn(async { Err::<(), _>(boom("one")) });
                    assert!(failed.await.is_err());
                    assert_eq!((dropped.get(), g.is_cancelled()), (0, false), "{left} to go");
                }
                g.spawn(async { Err::<(), _>(boom("one too many")) });
                never().await
            })
            .policy(MaxFailures(AtomicUsize::new(0), 3))
            .await;
        assert_eq!(outcome.unwrap_err().failures().unwrap().len(), 3);
        assert_eq!(dropped.get(), 1);
    });
}

/// Cancels when so many tasks have succeeded.
struct Quorum(AtomicUsize, usize);

impl<E> Policy<E> for Quorum {
    fn on_failure(&self, _: &Failure<E>) -> Verdict {
        Verdict::Continue
    }

    fn on_success(&self, _: &EndedTask<'_>) -> Verdict {
        match self.0.fetch_add(1, Ordering::Relaxed) + 1 < self.1 {
            true => Verdict::Continue,
            false => Verdict::Cancel,
        }
    }
}

fn g16_policy_of_the_users_own_counts_successes<R: Runtime>(env: &Env<R>) {
    let dropped = Count::new();
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.spawn(parked(&Gate::new(), &dropped));
                g.spawn(async { Ok(()) }).await?;
                assert!(!g.is_cancelled());
                g.spawn(async { Ok(()) });
                eventually(&rt, "two are enough", || g.is_cancelled()).await;
                Ok(())
            })
            .policy(Quorum(AtomicUsize::new(0), 2))
            .await;
        // The body may be cut where it waits; what counts is that the loser has ended.
        drop(outcome);
        assert_eq!(dropped.get(), 1);
    });
}

struct Panicking;

impl<E> Policy<E> for Panicking {
    fn on_failure(&self, _: &Failure<E>) -> Verdict {
        panic!("a policy that panics")
    }
}

fn g16_policy_that_panics_cancels<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.spawn(async { Err::<(), _>(boom("failed")) });
                never().await
            })
            .policy(Panicking)
            .await;
        assert_eq!(outcome.unwrap_err().failures().unwrap().len(), 1);
    });
}

/// A task fails, another panics: both are told to the policy and to those who await them, and to nobody else.
fn g16_failures_that_are_reported_are_not_the_groups<R: Runtime>(env: &Env<R>) {
    let (reported, ran) = (Arc::new(Mutex::new(Vec::new())), Count::new());
    env.block_on(async |rt| {
        let texts = reported.clone();
        let report = move |failure: &Failure<_>| {
            texts.lock().unwrap().push(failure.as_error().to_string());
        };
        let outcome: Outcome<&str> = rt
            .group(async |g| {
                let failed = g.spawn(async { Err::<(), _>(boom("failed")) }).await.unwrap_err();
                assert!(failed.is_failed() && failed.source().is_none(), "{failed:?}");
                let panicked = g.spawn(async { panicking() }).await.unwrap_err();
                assert_eq!(panicked.panic_message(), Some("panicked"));
                let count = ran.clone();
                g.spawn(async move {
                    count.add();
                    Ok(())
                });
                Ok("all is well")
            })
            .policy(Supervise::reporting(report))
            .panics(PanicPolicy::Capture)
            .await;
        assert_eq!(outcome.unwrap(), "all is well");
    });
    let reported = reported.lock().unwrap();
    let [failed, panicked] = &reported[..] else { panic!("two are reported: {reported:?}") };
    // With the place where it happened, if another case has asked for that.
    assert!(failed == "failed" && panicked.ends_with(": panicked"), "{reported:?}");
    assert_eq!(ran.get(), 1);
}

fn panicking() -> Result<(), BoxError> {
    panic!("panicked")
}

/// Under a policy that keeps failures it would be an echo of what the group has (G4).
fn g16_discarded_failure_that_is_passed_on_is_one_of_its_own<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Result<(), GroupError> = rt
            .group(async |g| {
                let failed = g.task(async { Err::<(), _>(BoxError::msg("reset")) });
                failed.name("connection").spawn().await?;
                Ok(())
            })
            .policy(Supervise::reporting(|_| ()))
            .await;
        let error = outcome.unwrap_err();
        assert_eq!(error.leaves().count(), 1);
        assert!(error.leaves().all(|leaf| leaf.is::<TaskError>()), "{error}");
    });
}

fn g16_failure_of_the_body_is_not_discarded<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let group = rt.group(async |_| Err::<(), _>(boom("of the body")));
        let outcome: Outcome<()> = group.policy(Supervise::reporting(|_| ())).await;
        assert_eq!(outcome.unwrap_err().failures().unwrap().len(), 1);
    });
}

fn e6_task_that_was_out_of_time_is_told_where_failures_are_reported<R: Runtime>(env: &Env<R>) {
    let name = unique("late-request");
    assert!(lost(&name).is_empty());
    let (failed, expired) = (Count::new(), Count::new());
    env.run(async |rt: R| {
        serve_late(&rt, &name, Supervise::reporting(counting(&failed))).await;
        let at_hook = lost(&name);
        assert!(at_hook.len() == 1 && at_hook[0].kind == UnhandledKind::Expired, "{at_hook:?}");

        let told = expired.clone();
        let by_deadline = |cause: &CancelCause| matches!(cause.kind(), CauseKind::Deadline(_));
        let policy = Supervise::reporting(counting(&failed)).expired(move |task| {
            if task.cause().is_some_and(by_deadline) {
                told.add();
            }
        });
        serve_late(&rt, &name, policy).await;
        assert_eq!(lost(&name).len(), 1, "in place of the hook");
    });
    assert_eq!((failed.get(), expired.get()), (0, 1));
}

fn counting<E>(failed: &Count) -> impl Fn(&Failure<E>) + Send + Sync + 'static {
    let failed = failed.clone();
    move |_| {
        failed.add();
    }
}

/// A server with one request of this name, which has a deadline and nobody who awaits it.
async fn serve_late<R: Runtime>(rt: &R, name: &str, policy: impl Policy<BoxError>) {
    let request = rt.group(async |_| never::<Result<(), BoxError>>().await).deadline(SHORT);
    let served: Outcome<()> = rt
        .group(async |g| {
            g.task(async move { Ok(request.await?) }).name(name).spawn();
            Ok(())
        })
        .policy(policy)
        .await;
    served.unwrap();
}

/// Counts those that came back by a deadline or a shutdown.
struct CountsExpired(Count);

impl<E> Policy<E> for CountsExpired {
    fn on_failure(&self, _: &Failure<E>) -> Verdict {
        Verdict::Continue
    }

    fn on_expired(&self, _: &EndedTask<'_>) -> Verdict {
        self.0.add();
        Verdict::Continue
    }
}

/// The group inside says by what it was cancelled, and that came from here.
fn g16_policy_of_a_group_that_is_told_to_stop_is_not_asked_about_that<R: Runtime>(env: &Env<R>) {
    let (opened, expired) = (Gate::new(), Count::new());
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let is_open = opened.clone();
                g.spawn_nested(rt.group(async move |inner| {
                    is_open.open();
                    inner.cancelled().await;
                    Ok(())
                }));
                opened.wait().await;
                g.shut_down();
                Ok(())
            })
            .policy(CountsExpired(expired.clone()))
            .grace(LONG)
            .await;
        assert!(outcome.unwrap_err().cause().is_some());
    });
    assert_eq!(expired.get(), 0);
}
