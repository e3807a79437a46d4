//! How a supervisor stops: in reverse order, each child ended before the next is told (rules V7, V8).

use std::pin::pin;
use std::time::Duration;

use anyscope_core::supervise::{Backoff, Child, Restart, Strategy};
use anyscope_core::unhandled::UnhandledKind;
use anyscope_core::{
    BoxError, CauseKind, GroupHandle, Runtime, TaskContext, TaskInfo, defer, shield,
};
use futures_util::future::{join, select};

use super::supervise::{Journal, LONG, Plan, noting};
use super::{Case, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, boom, eventually, lost, never, unique, yield_now};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(v7_cancelled_group_stops_in_reverse_order::<R>),
        case(v7_cancelled_task_stops_in_reverse_order::<R>),
        case(v7_deadline_stops_in_reverse_order::<R>),
        case(v7_dropped_future_stops_in_reverse_order_and_is_waited_for::<R>),
        case(v7_grace_is_over_before_the_next_is_told::<R>),
        case(v7_child_without_a_period_has_the_one_around::<R>),
        case(v7_grace_around_it_ends_that_of_its_children::<R>),
        case(v7_second_request_during_a_shield_reaches_its_children::<R>),
        case(v7_nothing_is_started_any_more::<R>),
        case(v7_cancelled_while_it_starts_starts_no_further_child::<R>),
        case(v7_cancelled_before_it_began_starts_nothing::<R>),
        case(v7_supervisor_below_stops_inside_its_turn::<R>),
        case(v7_returns_the_cancellation_to_who_still_waits::<R>),
        case(v8_who_does_not_stop_in_time_is_named::<R>),
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
async fn cancelled_when<R: Runtime>(rt: &R, plan: Plan, ready: impl FnMut() -> bool) {
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

/// Notes that it was told to stop, and stops when `may_stop` is open.
fn told(name: &'static str, journal: &Journal, may_stop: &Gate) -> Child<BoxError> {
    let (journal, may_stop) = (journal.clone(), may_stop.clone());
    Child::new(name, move || {
        let (journal, may_stop) = (journal.clone(), may_stop.clone());
        async move {
            journal.note(format!("+{name}"));
            let cause = TaskContext::current().expect("in a task").cancelled().await;
            journal.note(format!("told:{name}"));
            may_stop.wait().await;
            journal.note(match cause.root().kind() {
                CauseKind::Requested(Some(reason)) => format!("{name}:{reason}"),
                other => format!("{name}:{other:?}"),
            });
            Ok(())
        }
    })
}

fn v7_grace_is_over_before_the_next_is_told<R: Runtime>(env: &Env<R>) {
    let (journal, may_stop, now) = (Journal::default(), Gate::new(), Gate::new());
    now.open();
    env.run(async |rt| {
        let plan = Plan::new(Strategy::OneForOne)
            .child(told("a", &journal, &now).grace(LONG))
            .child(told("b", &journal, &may_stop).grace(LONG));
        let meanwhile = async {
            eventually(&rt, "b was told", || journal.count("told:b") == 1).await;
            for _ in 0..20 {
                yield_now().await;
            }
            assert_eq!(journal.count("told:a"), 0);
            may_stop.open();
        };
        join(cancelled_when(&rt, plan, || journal.count("+b") == 1), meanwhile).await;
    });
    assert_eq!(journal.text(), "+a +b told:b b:enough told:a a:enough");
}

fn v7_child_without_a_period_has_the_one_around<R: Runtime>(env: &Env<R>) {
    let (journal, now) = (Journal::default(), Gate::new());
    now.open();
    env.run(async |rt| {
        let (plan, runtime) = (Plan::new(Strategy::OneForOne), rt.clone());
        let plan = plan.child(told("a", &journal, &now)).child(told("b", &journal, &now));
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.spawn(async move { Ok(plan.run(&runtime).await?) });
                eventually(&rt, "both run", || journal.count("+b") == 1).await;
                g.shut_down();
                g.cancelled().await;
                Ok(())
            })
            .grace(LONG)
            .await;
        assert!(outcome.unwrap_err().overdue().is_empty());
    });
    assert_eq!(journal.text(), "+a +b told:b b:Shutdown told:a a:Shutdown");
}

fn v7_grace_around_it_ends_that_of_its_children<R: Runtime>(env: &Env<R>) {
    async fn stopped<R: Runtime>(rt: &R, grace: Duration, own: Option<Duration>, at_once: bool) {
        let (journal, closed, runtime) = (Journal::default(), Gate::new(), rt.clone());
        let ends = journal.clone();
        let child = |name| match (told(name, &journal, &closed), own) {
            (child, Some(grace)) => child.grace(grace),
            (child, None) => child,
        };
        let plan =
            Plan::new(Strategy::OneForOne).child(child("a")).child(child("b")).on_end(move |end| {
                let overdue = end.error().map_or(0, |error| error.overdue().len());
                ends.note(format!("-{}:{overdue}", end.child()));
            });
        let begin = rt.now();
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.spawn(async move { Ok(plan.run(&runtime).await?) });
                eventually(rt, "both run", || journal.count("+b") == 1).await;
                g.shut_down();
                if at_once {
                    eventually(rt, "b was told", || journal.count("told:b") == 1).await;
                    g.cancel_now();
                }
                never().await
            })
            .grace(grace)
            .await;
        let error = outcome.unwrap_err();
        assert!(matches!(error.cause().unwrap().kind(), CauseKind::Shutdown));
        let names: Vec<_> = error.overdue().iter().filter_map(TaskInfo::name).collect();
        assert_eq!(names, ["supervisor", "b", "a"]);
        assert!(error.overdue().iter().all(|task| task.location().file() == file!()));
        // Whether one learns that it was told before it is dropped, is a race.
        let text = journal.text().replace(" told:a", "").replace(" told:b", "");
        assert_eq!(text, "+a +b -b:1 -a:1");
        assert!(rt.now().duration_since(begin) < LONG);
    }
    env.run(async |rt| {
        for own in [Some(LONG), None] {
            stopped(&rt, LONG, own, true).await;
            stopped(&rt, Duration::from_millis(50), own, false).await;
        }
    });
}

/// A supervisor that is run beside a shield, in which the request comes.
fn v7_second_request_during_a_shield_reaches_its_children<R: Runtime>(env: &Env<R>) {
    let (journal, closed, finish) = (Journal::default(), Gate::new(), Gate::new());
    env.run(async |rt| {
        let plan = Plan::new(Strategy::OneForOne);
        let plan = plan.child(told("a", &journal, &closed).grace(LONG));
        let (runtime, finished) = (rt.clone(), finish.clone());
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.spawn(async move {
                    let mut all = Box::pin(plan.run(&runtime));
                    shield(async {
                        select(all.as_mut(), pin!(finished.wait())).await;
                    })
                    .await;
                    Ok(all.await?)
                });
                eventually(&rt, "it runs", || journal.count("+a") == 1).await;
                g.cancel_now();
                finish.open();
                never().await
            })
            .await;
        assert!(outcome.unwrap_err().is_cancelled());
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

fn v8_who_does_not_stop_in_time_is_named<R: Runtime>(env: &Env<R>) {
    let (journal, late) = (Journal::default(), Journal::default());
    let heard = late.clone();
    let plan = Plan::new(Strategy::OneForOne)
        .child(noting("a", &journal, &[]).grace(Duration::from_millis(5)))
        .on_end(move |end| {
            for task in end.error().expect("it was cut").overdue() {
                heard.note(task.name().unwrap_or_default());
            }
        });
    env.run(async |rt| cancelled_when(&rt, plan, || journal.count("+a") == 1).await);
    assert_eq!(late.text(), "a");
}

/// Fails when it is told to stop.
fn sulking(text: &str, begun: &Gate) -> Child<BoxError> {
    let (text, begun) = (text.to_owned(), begun.clone());
    Child::new("sulking", move || {
        let (text, begun) = (text.clone(), begun.clone());
        async move {
            begun.open();
            TaskContext::current().expect("in a task").cancelled().await;
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
