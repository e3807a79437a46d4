//! Destructors that panic: of futures, closures and callbacks (rule P3).

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use anyscope_core::supervise::{Child, Strategy, Supervisor};
use anyscope_core::unhandled::UnhandledKind;
use anyscope_core::{
    BoxError, Failure, Group, GroupHandle, PanicPolicy, Policy, Runtime, Supervise, Verdict,
    WaitFor, in_place, race, wait,
};

use super::{Case, case};
use crate::env::Env;
use crate::probe::{
    Count, Gate, Outcome, assert_alive, bomb, boom, caught, ended_group, eventually, holding, lost,
    never, poll_once, unique,
};
use crate::queued::Queued;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(p3_destructor_of_a_task_that_completed_is_its_panic::<R>),
        case(p3_destructor_of_a_cancelled_task_is_its_panic::<R>),
        case(p3_destructor_of_a_task_that_panicked_is_reported::<R>),
        case(p3_destructors_of_the_losers_of_a_race_are_one_panic_and_reports::<R>),
        case(p3_error_of_a_task_whose_destructor_panics_is_not_lost::<R>),
        case(p3_destructor_of_the_body_is_its_panic::<R>),
        case(p3_destructor_of_a_dropped_body_is_reported::<R>),
        case(p3_future_of_a_refused_task_is_contained::<R>),
        case(p3_callback_of_a_task_that_is_given_back_is_contained::<R>),
        case(p3_closure_of_a_job_that_never_runs_is_contained::<R>),
        case(p3_outputs_in_handles_that_were_waited_for_are_contained::<R>),
        case(p3_destructor_of_a_policy_is_contained::<R>),
        case(p3_destructors_of_a_supervisor_are_contained::<R>),
    ]
}

/// How often the hook was told of a panicking destructor with this text, and of nothing else.
pub(super) fn destructors(text: &str) -> usize {
    let lost = lost(text);
    let kinds = lost.iter().filter(|lost| lost.kind == UnhandledKind::Destructor);
    assert_eq!(kinds.count(), lost.len(), "{lost:?}");
    lost.len()
}

fn texts(outcome: Outcome<()>) -> Vec<String> {
    let failures = outcome.unwrap_err().into_failures().unwrap();
    failures.iter().map(ToString::to_string).collect()
}

fn p3_destructor_of_a_task_that_completed_is_its_panic<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let task = g.spawn(holding(bomb("expected: completed"), async { Ok(7) }));
                assert!(task.await.unwrap_err().is_panic());
                Ok(())
            })
            .policy(Supervise)
            .panics(PanicPolicy::Capture)
            .await;
        let texts = texts(outcome);
        assert_eq!(texts.len(), 1);
        assert!(texts[0].ends_with("expected: completed"));
        assert_alive(&rt).await;
    });
}

fn p3_destructor_of_a_cancelled_task_is_its_panic<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        for _ in 0..3 {
            let group = rt.group::<BoxError, _>(async |g| {
                let started = Gate::new();
                let begun = started.clone();
                g.spawn(holding(bomb("expected: suspended"), async move {
                    begun.open();
                    never::<()>().await
                }));
                started.wait().await;
                g.cancel();
                never::<()>().await
            });
            let payload = caught(group).await.unwrap_err();
            assert_eq!(anyscope_core::panic_message(&*payload), "expected: suspended");
            let group = rt.group::<BoxError, _>(async |g| {
                // Cancelled before its first poll, or at it.
                g.spawn(holding(bomb("expected: fresh"), never::<()>())).cancel();
                never::<()>().await
            });
            assert!(caught(group).await.is_err());
        }
        assert_alive(&rt).await;
    });
}

/// A future that panics when it is polled and again when it is dropped: while nothing unwinds.
struct TwiceBad(String, String);

impl Future for TwiceBad {
    type Output = Result<(), BoxError>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        panic!("{}", self.0)
    }
}

impl Drop for TwiceBad {
    fn drop(&mut self) {
        panic!("{}", self.1)
    }
}

fn p3_destructor_of_a_task_that_panicked_is_reported<R: Runtime>(env: &Env<R>) {
    let text = unique("expected: destructor");
    assert_eq!(destructors(&text), 0);
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.spawn(TwiceBad("expected: poll".to_owned(), text.clone()));
                never().await
            })
            .panics(PanicPolicy::Capture)
            .await;
        let texts = texts(outcome);
        assert!(texts.len() == 1 && texts[0].ends_with("expected: poll"), "{texts:?}");
        assert_alive(&rt).await;
    });
    assert_eq!(destructors(&text), 1);
}

fn p3_destructors_of_the_losers_of_a_race_are_one_panic_and_reports<R: Runtime>(env: &Env<R>) {
    let text = unique("expected: loser");
    assert_eq!(destructors(&text), 0);
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let branches: Vec<_> = (0..4)
                    .map(|n| {
                        let held = (n > 0).then(|| bomb(&text));
                        let ends = async move { if n == 0 { Ok(()) } else { never().await } };
                        in_place(Box::pin(holding(held, ends)))
                    })
                    .collect();
                g.spawn(race(branches));
                never().await
            })
            .panics(PanicPolicy::Capture)
            .await;
        let texts = texts(outcome);
        assert!(texts.len() == 1 && texts[0].ends_with(&text), "{texts:?}");
        assert_alive(&rt).await;
    });
    assert_eq!(destructors(&text), 2, "of three, the first is the task's panic");
}

fn p3_error_of_a_task_whose_destructor_panics_is_not_lost<R: Runtime>(env: &Env<R>) {
    let text = unique("the error");
    assert!(lost(&text).is_empty());
    let mut found = 0;
    env.block_on(async |rt: R| {
        let failing = || {
            let error = boom(&text);
            async { Err::<(), _>(error) }
        };
        let outcome: Outcome<()> = rt
            .group(|g: GroupHandle<BoxError, R>| {
                g.spawn(holding(bomb("expected: task"), failing()));
                holding(bomb("expected: body"), failing())
            })
            .policy(Supervise)
            .panics(PanicPolicy::Capture)
            .await;
        let texts = texts(outcome);
        assert!(texts.iter().any(|one| one.ends_with("expected: task")), "{texts:?}");
        found = texts.iter().filter(|one| one.contains(&text)).count();
    });
    assert_eq!(found + lost(&text).len(), 2, "in the group's error, or at the hook");
}

fn p3_destructor_of_the_body_is_its_panic<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let group = rt.group::<BoxError, _>(|g: GroupHandle<BoxError, R>| {
            holding(bomb("expected: cut"), async move {
                g.cancel();
                never::<()>().await
            })
        });
        let payload = caught(group).await.unwrap_err();
        assert_eq!(anyscope_core::panic_message(&*payload), "expected: cut");
        let outcome: Outcome<()> = rt
            .group(|_| holding(bomb("expected: done"), async { Ok(()) }))
            .panics(PanicPolicy::Capture)
            .await;
        assert!(texts(outcome)[0].ends_with("expected: done"));
    });
}

fn p3_destructor_of_a_dropped_body_is_reported<R: Runtime>(env: &Env<R>) {
    let text = unique("dropped body");
    assert!(lost(&text).is_empty());
    let dropped = Count::new();
    env.run(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |_| {
                let mut inner = Box::pin(rt.group(|g: GroupHandle<BoxError, R>| {
                    g.spawn(holding(dropped.on_drop(), never::<()>()));
                    holding(bomb(&text), never::<()>())
                }));
                assert!(poll_once(inner.as_mut()).is_pending());
                drop(inner);
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_alive(&rt).await;
    });
    assert_eq!((lost(&text).len(), dropped.get()), (1, 1));
}

fn p3_future_of_a_refused_task_is_contained<R: Runtime>(env: &Env<R>) {
    let text = unique("refused");
    assert_eq!(destructors(&text), 0);
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g: GroupHandle<BoxError, R>| {
                g.cancel();
                let (closure, other) = (bomb(&text), bomb(&text));
                let refused = g.spawn(holding(bomb(&text), never::<()>()));
                let job = g.spawn_blocking(move || drop(closure));
                let cpu = g.spawn_cpu(move || drop(other));
                assert!(refused.is_finished() && job.is_finished() && cpu.is_finished());
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(destructors(&text), 3);
}

fn p3_callback_of_a_task_that_is_given_back_is_contained<R: Runtime>(env: &Env<R>) {
    let text = unique("given back");
    assert_eq!(destructors(&text), 0);
    env.block_on(async |rt| {
        let held = bomb(&text);
        let task = ended_group(&rt).await.task(async { Ok(7) });
        let refused = task.on_done(move |_| drop(held)).try_spawn().unwrap_err();
        assert_eq!(refused.into_future().await.unwrap(), 7);
    });
    assert_eq!(destructors(&text), 1);
}

fn p3_closure_of_a_job_that_never_runs_is_contained<R: Runtime>(env: &Env<R>) {
    let text = unique("queued");
    assert_eq!(destructors(&text), 0);
    env.block_on(async |rt| {
        let rt = Queued::new(rt);
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let [one, two, three] = [bomb(&text), bomb(&text), bomb(&text)];
                let alone = g.spawn_cpu(move || drop(one));
                alone.cancel();
                assert!(alone.await.unwrap_err().is_cancelled());
                assert_eq!(destructors(&text), 1, "a job was cancelled alone");
                g.spawn_blocking(move || drop(two));
                rt.drop_jobs();
                assert_eq!(destructors(&text), 2, "a job was dropped by its pool");
                g.spawn_blocking(move || drop(three));
                g.cancel();
                assert_eq!(destructors(&text), 3, "a job was cancelled with its group");
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

/// Two in one list: the panic of the first would be met by that of the second.
fn p3_outputs_in_handles_that_were_waited_for_are_contained<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let text = unique("expected: output");
        assert_eq!(destructors(&text), 0);
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let spawn = |output| g.spawn(async { Ok(output) });
                let (done, _) = wait([(); 2].map(|()| spawn(bomb(&text))), WaitFor::All).await;
                drop(done);
                assert_eq!(destructors(&text), 2);
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_alive(&rt).await;
    });
}

/// Fail-fast, with something that is dropped with it.
struct Holding<P>(P);

impl<P: Send + Sync + 'static> Policy<BoxError> for Holding<P> {
    fn on_failure(&self, _: &Failure<BoxError>) -> Verdict {
        Verdict::Cancel
    }
}

fn p3_destructor_of_a_policy_is_contained<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let text = unique("expected: policy");
        assert!(lost(&text).is_empty());
        let group =
            rt.group(async |g: GroupHandle<BoxError, R>| Ok(g.spawn(async { Ok(7) }).await?));
        let outcome: Outcome<i32> = group.policy(Holding(bomb(&text))).await;
        assert_eq!(outcome.unwrap(), 7);
        // It goes with the last reference to the group, which may be the task's.
        eventually(&rt, "the panic is reported", || !lost(&text).is_empty()).await;
        assert!(lost(&text).iter().all(|lost| lost.kind == UnhandledKind::Policy));
        assert_alive(&rt).await;
    });
}

/// Each by itself: the second would abort while the first unwinds.
fn p3_destructors_of_a_supervisor_are_contained<R: Runtime>(env: &Env<R>) {
    let text = unique("expected: factory");
    assert!(lost(&text).is_empty());
    env.block_on(async |rt: R| {
        let child = |name| {
            let bomb = bomb(&text);
            Child::new(name, move || {
                let _ = &bomb;
                async { Err(boom("no")) }
            })
        };
        let on_end = bomb(&text);
        let plan = Supervisor::new(Strategy::OneForOne)
            .intensity(0, Duration::from_secs(1))
            .child(child("a"))
            .child(child("b"))
            .on_end(move |_| {
                let _ = &on_end;
            });
        assert!(plan.run(&rt).await.unwrap_err().gave_up());
        assert_alive(&rt).await;
    });
    assert_eq!(destructors(&text), 3);
}
