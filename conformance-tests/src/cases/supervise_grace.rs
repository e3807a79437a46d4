//! Grace periods of supervised children, and those around their supervisor (rules V7, V8, C3).

use std::pin::pin;
use std::time::Duration;

use anyscope_core::supervise::{Child, Strategy};
use anyscope_core::{BoxError, CauseKind, Runtime, TaskInfo, cancelled, shield};
use futures_util::future::{join, select};

use super::supervise::{Journal, Plan, noting};
use super::supervise_stop::cancelled_when;
use super::{Case, LONG, case};
use crate::env::Env;
use crate::probe::{Gate, Outcome, eventually, never, yield_now};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(v7_grace_is_over_before_the_next_is_told::<R>),
        case(v7_child_without_a_period_has_the_one_around::<R>),
        case(v7_grace_around_it_ends_that_of_its_children::<R>),
        case(v7_second_request_during_a_shield_reaches_its_children::<R>),
        case(v8_who_does_not_stop_in_time_is_named::<R>),
    ]
}

/// Notes that it was told to stop, and stops when `may_stop` is open.
fn told(name: &'static str, journal: &Journal, may_stop: &Gate) -> Child<BoxError> {
    let (journal, may_stop) = (journal.clone(), may_stop.clone());
    Child::new(name, move || {
        let (journal, may_stop) = (journal.clone(), may_stop.clone());
        async move {
            journal.note(format!("+{name}"));
            let cause = cancelled().await;
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
