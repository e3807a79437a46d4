//! Supervision: what is started, and started anew (rules V1 to V4, V8).

use std::sync::{Arc, Mutex};

use anyscope_core::supervise::{Child, Restart, Strategy, Supervisor};
use anyscope_core::{BoxError, Runtime, defer};

use super::{Case, LONG, case};
use crate::env::Env;
use crate::probe::{
    Count, Gate, OnDrop, Outcome, boom, eventually, lost, never, on_drop, unique, yield_now,
};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(v1_children_are_polled_in_order_before_any_goes_on::<R>),
        case(v1_panics_are_failures_of_the_instance::<R>),
        case(v1_instance_has_the_name_and_place_of_its_child::<R>),
        case(v2_returns_when_none_is_to_be_started::<R>),
        case(v2_permanent_child_comes_back_after_a_good_end::<R>),
        case(v2_child_that_ends_at_once_hides_no_other::<R>),
        case(v3_one_for_one_leaves_the_siblings::<R>),
        case(v3_one_for_all_takes_all_along::<R>),
        case(v3_rest_for_one_takes_the_later_ones_along::<R>),
        case(v3_temporary_siblings_stay_away_and_transient_ones_come_back::<R>),
        case(v4_starts_anew_after_all_clean_ups_of_the_old::<R>),
        case(v8_every_end_is_told_before_what_follows::<R>),
    ]
}

pub(super) type Plan = Supervisor<BoxError>;

/// What happened, in order.
#[derive(Clone, Default)]
pub(super) struct Journal(Arc<Mutex<Vec<String>>>);

impl Journal {
    pub(super) fn note(&self, text: impl Into<String>) {
        self.0.lock().unwrap().push(text.into());
    }

    /// A value that notes `text` when it is dropped.
    pub(super) fn on_drop(&self, text: String) -> OnDrop<impl FnMut() + Send + Sync + use<>> {
        let journal = self.clone();
        on_drop(move || journal.note(&text))
    }

    pub(super) fn text(&self) -> String {
        self.0.lock().unwrap().join(" ")
    }

    /// How often `text` was noted.
    pub(super) fn count(&self, text: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|noted| *noted == text).count()
    }
}

/// Notes `+name` when it begins and `-name` when it is gone. Instance number `n`, from 1, fails once
/// the gate of that number is open.
pub(super) fn noting(name: &'static str, journal: &Journal, fail: &[Gate]) -> Child<BoxError> {
    let (journal, fail, begun) = (journal.clone(), fail.to_vec(), Count::new());
    Child::new(name, move || {
        let gate = fail.get(begun.add() - 1).cloned();
        let journal = journal.clone();
        async move {
            journal.note(format!("+{name}"));
            let _gone = journal.on_drop(format!("-{name}"));
            match gate {
                Some(gate) => gate.wait().await,
                None => never().await?,
            }
            Err(boom(name))
        }
    })
}

/// Its instances end one after the other as `ends` says, the last of those again and again.
pub(super) fn ending(
    name: &str,
    begun: &Count,
    ends: &'static [Result<(), &str>],
) -> Child<BoxError> {
    let begun = begun.clone();
    Child::new(name, move || {
        let end = ends[begun.add().min(ends.len()) - 1];
        async move { end.map_err(boom) }
    })
}

fn v1_children_are_polled_in_order_before_any_goes_on<R: Runtime>(env: &Env<R>) {
    for _ in env.rounds(20) {
        let journal = Journal::default();
        let child = |name: &'static str| {
            let journal = journal.clone();
            Child::new(name, move || {
                let journal = journal.clone();
                async move {
                    journal.note(format!("+{name}"));
                    Ok::<_, BoxError>(())
                }
            })
            .restart(Restart::Temporary)
        };
        let names = ["a", "b", "c", "d", "e"];
        let plan = names
            .into_iter()
            .fold(Plan::new(Strategy::OneForOne), |plan, name| plan.child(child(name)));
        env.run(async |rt| plan.run(&rt).await.unwrap());
        assert_eq!(journal.text(), "+a +b +c +d +e");
    }
}

fn v1_panics_are_failures_of_the_instance<R: Runtime>(env: &Env<R>) {
    let (begun, messages) = (Count::new(), Journal::default());
    let (count, heard) = (begun.clone(), messages.clone());
    let child = Child::new("child", move || {
        let number = count.add();
        assert!(number != 1, "in the factory");
        async move {
            assert!(number != 2, "in the first poll");
            yield_now().await;
            assert!(number != 3, "later");
            Ok::<_, BoxError>(())
        }
    });
    let plan = Plan::new(Strategy::OneForOne)
        .child(child.restart(Restart::Transient))
        .on_end(move |end| heard.note(end.error().map_or("well".into(), ToString::to_string)));
    env.run(async |rt| plan.run(&rt).await.unwrap());
    assert_eq!(begun.get(), 4);
    let messages = messages.text();
    let at = ["in the factory", "in the first poll", "later", "well"]
        .map(|text| messages.find(text).unwrap_or_else(|| panic!("{text} is not in {messages}")));
    assert!(at.is_sorted(), "{messages}");
}

fn v1_instance_has_the_name_and_place_of_its_child<R: Runtime>(env: &Env<R>) {
    let begun = Count::new();
    let plan = Plan::new(Strategy::OneForOne).intensity(0, LONG).child(ending(
        "child",
        &begun,
        &[Err("no")],
    ));
    let error = env.run(async |rt| plan.run(&rt).await.unwrap_err());
    let failure = error.history()[0].error().and_then(|error| error.failures()).unwrap().first();
    assert_eq!(failure.task().name(), Some("child"));
    assert!(failure.task().location().file().ends_with("supervise.rs"));
}

fn v2_returns_when_none_is_to_be_started<R: Runtime>(env: &Env<R>) {
    let (transient, temporary) = (Count::new(), Count::new());
    let plan = Plan::new(Strategy::OneForOne)
        .child(ending("a", &transient, &[Err("no"), Ok(())]).restart(Restart::Transient))
        .child(ending("b", &temporary, &[Err("no")]).restart(Restart::Temporary));
    env.run(async |rt| plan.run(&rt).await.unwrap());
    assert_eq!((transient.get(), temporary.get()), (2, 1));
    env.run(async |rt| Plan::new(Strategy::OneForAll).run(&rt).await.unwrap());
}

fn v2_permanent_child_comes_back_after_a_good_end<R: Runtime>(env: &Env<R>) {
    let begun = Count::new();
    let plan = Plan::new(Strategy::OneForOne).child(ending("a", &begun, &[Ok(()), Err("no")]));
    let error = env.run(async |rt| plan.run(&rt).await.unwrap_err());
    assert!(error.gave_up());
    assert_eq!(begun.get(), 4, "three restarts are allowed, whatever the ends");
}

/// Children a, b and c: the first instance of b fails when all run; all are cancelled when `again`
/// have begun a second time.
fn trace<R: Runtime>(env: &Env<R>, strategy: Strategy, again: &[&str]) -> String {
    let (journal, fail) = (Journal::default(), Gate::new());
    let plan = Plan::new(strategy)
        .child(noting("a", &journal, &[]))
        .child(noting("b", &journal, std::slice::from_ref(&fail)))
        .child(noting("c", &journal, &[]));
    env.run(async |rt| {
        let runtime = rt.clone();
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.spawn(async move { Ok(plan.run(&runtime).await?) });
                eventually(&rt, "all run", || journal.count("+c") == 1).await;
                fail.open();
                let all = || again.iter().all(|name| journal.count(name) == 2);
                eventually(&rt, "those have begun again", all).await;
                g.cancel();
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    journal.text()
}

fn v2_child_that_ends_at_once_hides_no_other<R: Runtime>(env: &Env<R>) {
    const MANY: usize = 1000;
    let (flapped, begun, again) = (Count::new(), Count::new(), Gate::new());
    let (flaps, fails, opened) = (flapped.clone(), begun.clone(), again.clone());
    let plan = Plan::new(Strategy::OneForOne)
        .intensity(usize::MAX, LONG)
        .child(Child::new("flaps", move || {
            let rests = opened.is_open() || flaps.add() > MANY;
            async move { if rests { never().await } else { Ok(()) } }
        }))
        .child(Child::new("fails", move || {
            let (number, again) = (fails.add(), again.clone());
            async move {
                if number == 1 {
                    return Err(boom("once"));
                }
                again.open();
                never().await
            }
        }))
        .on_end(|_| ());
    env.run(async |rt| {
        let runtime = rt.clone();
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.spawn(async move { Ok(plan.run(&runtime).await?) });
                eventually(&rt, "the other is started anew", || begun.get() == 2).await;
                g.cancel();
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert!(flapped.get() < MANY, "it was started anew {} times before", flapped.get());
}

fn v3_one_for_one_leaves_the_siblings<R: Runtime>(env: &Env<R>) {
    assert_eq!(trace(env, Strategy::OneForOne, &["+b"]), "+a +b +c -b +b -c -b -a");
}

fn v3_one_for_all_takes_all_along<R: Runtime>(env: &Env<R>) {
    let seen = trace(env, Strategy::OneForAll, &["+a", "+b", "+c"]);
    assert_eq!(seen, "+a +b +c -b -c -a +a +b +c -c -b -a");
}

fn v3_rest_for_one_takes_the_later_ones_along<R: Runtime>(env: &Env<R>) {
    let seen = trace(env, Strategy::RestForOne, &["+b", "+c"]);
    assert_eq!(seen, "+a +b +c -b -c +b +c -c -b -a");
}

fn v3_temporary_siblings_stay_away_and_transient_ones_come_back<R: Runtime>(env: &Env<R>) {
    let (journal, ended, fail) = (Journal::default(), Count::new(), Gate::new());
    let (count, heard) = (Count::new(), ended.clone());
    let again = journal.clone();
    let plan = Plan::new(Strategy::OneForAll)
        .child(ending("a", &count, &[Ok(())]).restart(Restart::Transient))
        .child(noting("b", &journal, &[]).restart(Restart::Temporary))
        .child(noting("c", &journal, &[fail.clone(), fail.clone()]).restart(Restart::Transient))
        .intensity(1, LONG)
        .on_end(move |end| {
            again.note(end.child());
            heard.add();
        });
    env.run(async |rt| {
        let running = async { plan.run(&rt).await.unwrap_err() };
        let opening = async {
            eventually(&rt, "a has ended, c runs", || ended.get() == 1 && journal.count("+c") == 1)
                .await;
            fail.open();
        };
        let (error, ()) = futures_util::future::join(running, opening).await;
        assert!(error.gave_up());
    });
    assert_eq!(count.get(), 2, "it had ended with a value, and came back with the others");
    assert_eq!((journal.count("+b"), journal.count("+c")), (1, 2));
}

fn v4_starts_anew_after_all_clean_ups_of_the_old<R: Runtime>(env: &Env<R>) {
    let (journal, fail) = (Journal::default(), Gate::new());
    let child = |name: &'static str, fails: bool| {
        let (journal, fail, begun) = (journal.clone(), fail.clone(), Count::new());
        Child::new(name, move || {
            let (journal, fail, first) = (journal.clone(), fail.clone(), begun.add() == 1);
            async move {
                journal.note(format!("+{name}"));
                if first {
                    let journal = journal.clone();
                    defer(move |_| async move {
                        for _ in 0..20 {
                            yield_now().await;
                        }
                        journal.note(format!("-{name}"));
                    });
                }
                fail.wait().await;
                match first {
                    true if fails => Err(boom("no")),
                    true => never().await,
                    false => Ok(()),
                }
            }
        })
        .restart(Restart::Transient)
    };
    let plan = Plan::new(Strategy::OneForAll).child(child("a", false)).child(child("b", true));
    env.run(async |rt| {
        let running = async { plan.run(&rt).await.unwrap() };
        let opening = async {
            eventually(&rt, "both run", || journal.count("+b") == 1).await;
            fail.open();
        };
        futures_util::future::join(running, opening).await;
    });
    assert_eq!(journal.text(), "+a +b -b -a +a +b");
}

fn v8_every_end_is_told_before_what_follows<R: Runtime>(env: &Env<R>) {
    let (journal, text) = (Journal::default(), unique("on_end"));
    lost(&text);
    let (heard, bad) = (journal.clone(), text.clone());
    let fail = Gate::new();
    fail.open();
    let plan = Plan::new(Strategy::RestForOne)
        .intensity(1, LONG)
        .child(noting("a", &journal, &[fail.clone(), fail]))
        .child(noting("b", &journal, &[]))
        .on_end(move |end| {
            let how = if end.was_stopped() { "stopped" } else { "ended" };
            heard.note(format!("{how}:{}", end.child()));
            panic!("{bad}");
        });
    let error = env.run(async |rt| plan.run(&rt).await.unwrap_err());
    assert!(error.gave_up());
    let once = "+a -a +b ended:a -b stopped:b";
    assert_eq!(journal.text(), format!("{once} {once}"));
    assert_eq!(lost(&text).len(), 4, "a panic is contained and reported");
}
