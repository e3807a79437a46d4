//! Completion policies: fail-fast, supervise, first success, and one that a user writes (rule G16).

use std::sync::atomic::{AtomicUsize, Ordering};

use anyscope_core::{
    CauseKind, EndedTask, Failure, FirstSuccess, Policy, Runtime, Supervise, TaskHandle, Verdict,
};

use super::{Case, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, boom, eventually, never, parked};

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
