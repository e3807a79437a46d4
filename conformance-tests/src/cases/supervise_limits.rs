//! When a supervisor gives up, and how long it waits before a restart (rules V5, V6).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyscope_core::supervise::{Backoff, Child, InstanceEnd, Restart, Strategy, SupervisorError};
use anyscope_core::{BoxError, Runtime};

use super::supervise::{Journal, Plan, ending, noting};
use super::{Case, LONG, SHORT, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, boom, never};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(v5_gives_up_with_the_history::<R>),
        case(v5_forgets_what_is_older_than_its_period::<R>),
        case(v5_what_is_older_has_not_led_to_giving_up::<R>),
        case(v5_good_ends_of_a_permanent_child_count::<R>),
        case(v5_giving_up_is_never_taken_for_a_cancellation::<R>),
        case(v5_fails_upward_through_a_supervisor_above::<R>),
        case(v6_waits_before_each_restart::<R>),
    ]
}

fn v5_gives_up_with_the_history<R: Runtime>(env: &Env<R>) {
    let (begun, journal) = (Count::new(), Journal::default());
    let plan = Plan::new(Strategy::OneForOne)
        .intensity(3, LONG)
        .child(noting("sibling", &journal, &[]))
        .child(ending("child", &begun, &[Err("1"), Err("2"), Err("3"), Err("4")]));
    let error = env.run(async |rt| {
        let error = plan.run(&rt).await.unwrap_err();
        assert_eq!(journal.text(), "+sibling -sibling", "it has been stopped");
        error
    });
    assert!(error.gave_up() && error.cause().is_none());
    let history: Vec<_> = error.history().iter().map(|end| (end.child(), text_of(end))).collect();
    let expected = ["1", "2", "3", "4"].map(|text| ("child", text.to_owned()));
    assert_eq!(history, expected);
    assert!(error.history().is_sorted_by_key(InstanceEnd::at));
    assert!(error.to_string().contains("more than 3 restarts"), "{error}");
    assert_eq!(format!("{error:#}").lines().count(), 5);
    assert_eq!(begun.get(), 4);
}

/// Of its first failure.
fn text_of(end: &InstanceEnd<BoxError>) -> String {
    let failures = end.error().and_then(|error| error.failures());
    failures.and_then(|group| group.first().error()).map(ToString::to_string).unwrap_or_default()
}

fn v5_forgets_what_is_older_than_its_period<R: Runtime>(env: &Env<R>) {
    let begun = Count::new();
    env.run(async |rt| {
        let (runtime, count) = (rt.clone(), begun.clone());
        let child = Child::new("child", move || {
            let (runtime, number) = (runtime.clone(), count.add());
            async move {
                // Longer than the period, so that a slow machine changes nothing.
                runtime.sleep(SHORT * 2).await;
                if number < 6 { Err(boom("no")) } else { Ok(()) }
            }
        });
        let plan = Plan::new(Strategy::OneForOne)
            .intensity(1, SHORT)
            .child(child.restart(Restart::Transient));
        plan.run(&rt).await.unwrap();
    });
    assert_eq!(begun.get(), 6);
}

fn v5_what_is_older_has_not_led_to_giving_up<R: Runtime>(env: &Env<R>) {
    let error = env.run(async |rt| {
        let (runtime, told) = (rt.clone(), Gate::new());
        let heard = told.clone();
        let late = Child::new("late", move || {
            let (runtime, heard) = (runtime.clone(), heard.clone());
            async move {
                heard.wait().await;
                // Longer than the period, from the other's end on.
                runtime.sleep(SHORT * 2).await;
                Err(boom("too late"))
            }
        });
        let early = Child::new("early", async || Err(boom("at once"))).restart(Restart::Temporary);
        let plan = Plan::new(Strategy::OneForOne).intensity(0, SHORT).child(early).child(late);
        plan.on_end(move |_| told.open()).run(&rt).await.unwrap_err()
    });
    assert!(error.gave_up());
    let history: Vec<_> = error.history().iter().map(InstanceEnd::child).collect();
    assert_eq!(history, ["late"], "{error:#}");
}

fn v5_good_ends_of_a_permanent_child_count<R: Runtime>(env: &Env<R>) {
    let begun = Count::new();
    let plan =
        Plan::new(Strategy::OneForOne).intensity(0, LONG).child(ending("a", &begun, &[Ok(())]));
    let outcome: Outcome<()> =
        env.run(async |rt| rt.group(async |_| Ok(plan.run(&rt).await?)).await);
    let error = outcome.unwrap_err();
    assert!(!error.is_cancelled());
    let leaf = error.failures().unwrap().first().error().unwrap();
    let gave_up = leaf.downcast_ref::<SupervisorError<BoxError>>().unwrap();
    assert_eq!(gave_up.history().len(), 1);
    assert!(gave_up.history()[0].error().is_none());
}

fn v5_giving_up_is_never_taken_for_a_cancellation<R: Runtime>(env: &Env<R>) {
    let outcome: Outcome<()> = env.run(async |rt| {
        let runtime = rt.clone();
        let child = Child::new("child", move || {
            let runtime = runtime.clone();
            async move {
                let expired: Outcome<()> =
                    runtime.group(async |_| never().await).deadline(Duration::ZERO).await;
                Ok::<_, BoxError>(expired?)
            }
        });
        let plan = Plan::new(Strategy::OneForOne).intensity(0, LONG).child(child);
        rt.group(async |_| Ok(plan.run(&rt).await?)).await
    });
    let error = outcome.unwrap_err();
    assert!(!error.is_cancelled(), "{error}");
}

fn v5_fails_upward_through_a_supervisor_above<R: Runtime>(env: &Env<R>) {
    let begun = Count::new();
    let error = env.run(async |rt| {
        let (runtime, count) = (rt.clone(), begun.clone());
        let above = Child::new("above", move || {
            let plan = Plan::new(Strategy::OneForOne).intensity(1, LONG).child(ending(
                "below",
                &count,
                &[Err("no")],
            ));
            let runtime = runtime.clone();
            async move { Ok::<_, BoxError>(plan.run(&runtime).await?) }
        });
        let plan = Plan::new(Strategy::OneForOne).intensity(2, LONG).child(above);
        plan.run(&rt).await.unwrap_err()
    });
    assert_eq!(begun.get(), 6, "three instances above, each of which starts two");
    let below = error.into_history().pop().and_then(InstanceEnd::into_error).unwrap();
    let leaf = below.failures().unwrap().first().error().unwrap();
    assert!(leaf.downcast_ref::<SupervisorError<BoxError>>().unwrap().gave_up());
}

fn v6_waits_before_each_restart<R: Runtime>(env: &Env<R>) {
    let times = Arc::new(Mutex::new(Vec::new()));
    env.run(async |rt| {
        let (runtime, seen) = (rt.clone(), times.clone());
        let child = Child::new("child", move || {
            let (now, mut seen) = (runtime.now(), seen.lock().unwrap());
            seen.push(now);
            let ends_well = seen.len() == 4;
            async move { if ends_well { Ok(()) } else { Err(boom("no")) } }
        });
        let plan = Plan::new(Strategy::OneForOne)
            .intensity(3, LONG)
            .backoff(Backoff::exponential(SHORT).up_to(SHORT * 3))
            .child(child.restart(Restart::Transient));
        plan.run(&rt).await.unwrap();
    });
    let times = times.lock().unwrap();
    let waits: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let least = [SHORT, SHORT * 2, SHORT * 3];
    assert!(waits.iter().zip(least).all(|(wait, least)| *wait >= least), "{waits:?}");
    assert_eq!(waits.len(), 3);
}
