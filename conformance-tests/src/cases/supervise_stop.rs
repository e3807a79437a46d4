//! How a supervisor stops: in reverse order, each child ended before the next is told (rules V7, V8).

use std::pin::pin;
use std::time::Duration;

use anyscope_core::supervise::{Backoff, Child, Restart, Strategy};
use anyscope_core::unhandled::UnhandledKind;
use anyscope_core::{BoxError, CauseKind, GroupHandle, Runtime, cancelled, defer};
use futures_util::future::{join, select};

use super::supervise::{Journal, Plan, noting};
use super::{Case, LONG, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, boom, eventually, lost, never, unique, yield_now};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(v7_cancelled_group_stops_in_reverse_order::<R>),
        case(v7_cancelled_task_stops_in_reverse_order::<R>),
        case(v7_deadline_stops_in_reverse_order::<R>),
        case(v7_dropped_future_stops_in_reverse_order_and_is_waited_for::<R>),
        case(v7_nothing_is_started_any_more::<R>),
        case(v7_cancelled_while_it_starts_starts_no_further_child::<R>),
        case(v7_cancelled_before_it_began_starts_nothing::<R>),
        case(v7_supervisor_below_stops_inside_its_turn::<R>),
        case(v7_returns_the_cancellation_to_who_still_waits::<R>),
        case(v8_failure_while_stopping_goes_to_the_hook::<R>),
        case(v8_failure_while_giving_up_is_in_the_history::<R>),
    ]
}

/// Three children, whose clean-ups take a while.
fn slow(journal: &Journal) -> Plan {
    let child = |name: &'static str| {
        let journal = journal.clone();
        Child::new(name, move || {
            let journal = journal.clone();
            async move {
                let _gone = journal.on_drop(format!("-{name}"));
                let late = journal.clone();
                defer(move |_| async move {
                    for _ in 0..20 {
                        yield_now().await;
                    }
                    late.note(format!("~{name}"));
                });
                journal.note(format!("+{name}"));
                never().await
            }
        })
    };
    Plan::new(Strategy::OneForOne).child(child("a")).child(child("b")).child(child("c"))
}

const REVERSED: &str = "+a +b +c -c ~c -b ~b -a ~a";

/// Runs `plan` as a task of a group, which is cancelled as soon as `ready`.
pub(super) async fn cancelled_when<R: Runtime>(rt: &R, plan: Plan, ready: impl FnMut() -> bool) {
    let runtime = rt.clone();
    let outcome: Outcome<()> = rt
        .group(async |g| {
            g.spawn(async move { Ok(plan.run(&runtime).await?) });
            eventually(rt, "it is as far as it should be", ready).await;
            g.cancel_because("enough");
            Ok(())
        })
        .await;
    outcome.unwrap();
}

fn v7_cancelled_group_stops_in_reverse_order<R: Runtime>(env: &Env<R>) {
    let journal = Journal::default();
    env.run(async |rt| {
        cancelled_when(&rt, slow(&journal), || journal.count("+c") == 1).await;
        assert_eq!(journal.text(), REVERSED, "before the group has returned");
    });
}

fn v7_cancelled_task_stops_in_reverse_order<R: Runtime>(env: &Env<R>) {
    let journal = Journal::default();
    env.run(async |rt| {
        let runtime = rt.clone();
        let plan = slow(&journal);
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let task = g.spawn(async move { Ok(plan.run(&runtime).await?) });
                eventually(&rt, "all run", || journal.count("+c") == 1).await;
                task.cancel();
                let error = task.await.unwrap_err();
                assert!(error.is_cancelled());
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(journal.text(), REVERSED);
}

fn v7_deadline_stops_in_reverse_order<R: Runtime>(env: &Env<R>) {
    let journal = Journal::default();
    env.run(async |rt| {
        let handle = Gate::new();
        let plan = slow(&journal);
        let outcome: Outcome<()> = rt
            .group(async |g: GroupHandle<BoxError, R>| {
                let watch = async {
                    eventually(&rt, "all run", || journal.count("+c") == 1).await;
                    g.set_deadline(rt.now());
                    handle.open();
                };
                let (outcome, ()) = join(plan.run(&rt), watch).await;
                Ok(outcome?)
            })
            .await;
        let error = outcome.unwrap_err();
        assert!(error.is_cancelled() && handle.is_open());
        assert!(matches!(error.cause().unwrap().kind(), CauseKind::Deadline(_)));
        assert_eq!(journal.text(), REVERSED);
    });
}

fn v7_dropped_future_stops_in_reverse_order_and_is_waited_for<R: Runtime>(env: &Env<R>) {
    let journal = Journal::default();
    env.run(async |rt| {
        let plan = slow(&journal);
        let outcome: Outcome<()> = rt
            .group(async |_| {
                let ready = pin!(eventually(&rt, "all run", || journal.count("+c") == 1));
                select(Box::pin(plan.run(&rt)), ready).await;
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_eq!(journal.text(), REVERSED, "before the group has returned");
    });
}

fn v7_nothing_is_started_any_more<R: Runtime>(env: &Env<R>) {
    let (journal, ended, fail) = (Journal::default(), Gate::new(), Gate::new());
    fail.open();
    let heard = ended.clone();
    let plan = Plan::new(Strategy::OneForOne)
        .backoff(Backoff::fixed(LONG))
        .child(noting("a", &journal, &[fail]))
        .child(noting("b", &journal, &[]))
        .on_end(move |_| heard.open());
    env.run(async |rt| cancelled_when(&rt, plan, || ended.is_open()).await);
    assert_eq!((journal.count("+a"), journal.count("-a")), (1, 1));
    assert_eq!(journal.count("+b"), journal.count("-b"));
}

fn v7_cancelled_while_it_starts_starts_no_further_child<R: Runtime>(env: &Env<R>) {
    let journal = Journal::default();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g: GroupHandle<BoxError, R>| {
                let cancels = Child::new("a", move || {
                    g.cancel();
                    never()
                });
                let plan = Plan::new(Strategy::OneForOne);
                plan.child(cancels).child(noting("b", &journal, &[])).run(&rt).await?;
                Ok(())
            })
            .await;
        assert!(outcome.unwrap_err().is_cancelled());
    });
    assert_eq!(journal.text(), "");
}

fn v7_cancelled_before_it_began_starts_nothing<R: Runtime>(env: &Env<R>) {
    let journal = Journal::default();
    env.run(async |rt| {
        let plan = Plan::new(Strategy::OneForOne).child(noting("a", &journal, &[]));
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.cancel();
                plan.run(&rt).await?;
                Ok(())
            })
            .await;
        assert!(outcome.unwrap_err().is_cancelled());
    });
    assert_eq!(journal.text(), "");
}

fn v7_supervisor_below_stops_inside_its_turn<R: Runtime>(env: &Env<R>) {
    let journal = Journal::default();
    env.run(async |rt| {
        let (runtime, inner) = (rt.clone(), journal.clone());
        let below = Child::new("below", move || {
            let plan = Plan::new(Strategy::OneForOne)
                .child(noting("x", &inner, &[]))
                .child(noting("y", &inner, &[]));
            let runtime = runtime.clone();
            async move { Ok::<_, BoxError>(plan.run(&runtime).await?) }
        });
        let plan = Plan::new(Strategy::OneForOne)
            .child(noting("a", &journal, &[]))
            .child(below)
            .child(noting("b", &journal, &[]));
        let all = || journal.count("+y") + journal.count("+b") == 2;
        cancelled_when(&rt, plan, all).await;
    });
    let seen = journal.text();
    assert!(seen.ends_with("-b -y -x -a"), "{seen}");
}

fn v7_returns_the_cancellation_to_who_still_waits<R: Runtime>(env: &Env<R>) {
    let (journal, seen, fail) = (Journal::default(), Count::new(), Gate::new());
    fail.open();
    env.run(async |rt| {
        let (runtime, count) = (rt.clone(), seen.clone());
        let child = noting("a", &journal, &[fail]).grace(Duration::ZERO);
        let plan = Plan::new(Strategy::OneForOne).child(child);
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.spawn(async move {
                    let error = plan.run(&runtime).await.unwrap_err();
                    assert!(!error.gave_up() && error.history().is_empty());
                    let cause = error.cause().expect("it was cancelled").root().clone();
                    assert_eq!(*cause.kind(), CauseKind::Requested(None));
                    count.add();
                    Err::<(), _>(error.into())
                });
                eventually(&rt, "it runs again", || journal.count("+a") == 2).await;
                g.cancel();
                Ok(())
            })
            .grace(LONG)
            .await;
        outcome.expect("the one that was answered by a restart is none");
    });
    assert_eq!((seen.get(), journal.text().as_str()), (1, "+a -a +a -a"));
}

/// Fails when it is told to stop.
fn sulking(text: &str, begun: &Gate) -> Child<BoxError> {
    let (text, begun) = (text.to_owned(), begun.clone());
    Child::new("sulking", move || {
        let (text, begun) = (text.clone(), begun.clone());
        async move {
            begun.open();
            cancelled().await;
            Err(boom(&text))
        }
    })
    .grace(LONG)
}

fn v8_failure_while_stopping_goes_to_the_hook<R: Runtime>(env: &Env<R>) {
    let (text, begun) = (unique("sulks"), Gate::new());
    lost(&text);
    let plan = Plan::new(Strategy::OneForOne).child(sulking(&text, &begun));
    env.run(async |rt| cancelled_when(&rt, plan, || begun.is_open()).await);
    let seen = lost(&text);
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0].kind, UnhandledKind::Failure);
}

fn v8_failure_while_giving_up_is_in_the_history<R: Runtime>(env: &Env<R>) {
    let begun = Gate::new();
    let wait = begun.clone();
    let failing = Child::new("failing", move || {
        let wait = wait.clone();
        async move {
            wait.wait().await;
            Err(boom("no"))
        }
    });
    let plan = Plan::new(Strategy::OneForOne)
        .intensity(0, LONG)
        .child(sulking("sulks", &begun))
        .child(failing.restart(Restart::Transient));
    let error = env.run(async |rt| plan.run(&rt).await.unwrap_err());
    let ends: Vec<_> = error.history().iter().map(|end| (end.child(), end.was_stopped())).collect();
    assert_eq!(ends, [("failing", false), ("sulking", true)]);
}
