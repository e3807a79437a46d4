//! Deferred clean-ups (rule C5).

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};

use anyscope_core::unhandled::UnhandledKind;
use anyscope_core::{
    BoxError, ExitKind, GroupHandle, PanicPolicy, Runtime, TaskContext, check_cancelled, defer,
    scope, try_defer,
};
use futures_util::future::select;

use super::kept::abandoned;
use super::{Case, case};
use crate::env::Env;
use crate::probe::{
    Count, Gate, Outcome, boom, eventually_blocking, lost, never, on_drop, poll_once, unique,
    yield_now,
};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(c5_runs_last_in_first_out_when_the_future_is_gone::<R>),
        case(c5_is_told_of_a_value::<R>),
        case(c5_is_told_of_a_failure::<R>),
        case(c5_is_told_of_a_panic::<R>),
        case(c5_is_told_of_a_cancellation::<R>),
        case(c5_task_ends_after_its_clean_ups::<R>),
        case(c5_is_shielded_and_in_the_context_of_its_task::<R>),
        case(c5_may_open_groups_and_defer_more::<R>),
        case(c5_destructor_defers_where_somebody_would_run_it::<R>),
        case(c5_body_has_them_too::<R>),
        case(c5_body_dropped_from_outside_is_cleaned_up_by_the_outer_group::<R>),
        case(c5_body_dropped_in_its_clean_up_goes_on::<R>),
        case(c5_body_dropped_where_nothing_encloses_it_is_left_to_the_root::<R>),
        case(c5_body_whose_opener_has_ended_is_cleaned_up::<R>),
        case(c5_failing_and_panicking_clean_ups_go_to_the_hook_and_the_others_run::<R>),
        case(c5_runtime_shut_down_drops_them_unpolled_and_reports::<R>).needs_shutdown(),
        case(c5_child_of_a_local_scope_has_them_in_place::<R>),
        case(c5_dropped_local_scope_reports_them::<R>),
    ]
}

/// What happened, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, line: impl ToString) {
        self.0.lock().unwrap().push(line.to_string());
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// Registers a clean-up that writes a line, after it was suspended once.
    fn defer(&self, line: &'static str) {
        let log = self.clone();
        defer(async move |exit| {
            yield_now().await;
            let exit = match exit {
                ExitKind::Value => "value",
                ExitKind::Failed => "failed",
                ExitKind::Panicked => "panicked",
                ExitKind::Cancelled(_) => "cancelled",
                _ => "?",
            };
            log.add(format!("{line} {exit}"));
        });
    }

    fn on_drop(&self, line: &'static str) -> impl Send + use<> {
        let log = self.clone();
        on_drop(move || log.add(line))
    }
}

/// One task that registers two clean-ups and goes on as `rest` says.
fn log_of<R: Runtime, F>(env: &Env<R>, cancel: bool, rest: F) -> Vec<String>
where
    F: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    let (log, begun) = (Log::default(), Gate::new());
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (log, started) = (log.clone(), begun.clone());
                g.spawn(async move {
                    let _future = log.on_drop("gone");
                    log.defer("first");
                    log.defer("second");
                    started.open();
                    rest.await
                });
                begun.wait().await;
                if cancel {
                    g.cancel();
                }
                Ok(())
            })
            .panics(PanicPolicy::Capture)
            .await;
        log.add(if outcome.is_ok() { "ok" } else { "error" });
    });
    log.lines()
}

fn c5_runs_last_in_first_out_when_the_future_is_gone<R: Runtime>(env: &Env<R>) {
    let lines = log_of(env, false, async { Ok(()) });
    assert_eq!(lines, ["gone", "second value", "first value", "ok"]);
}

fn c5_is_told_of_a_value<R: Runtime>(env: &Env<R>) {
    let lines = log_of(env, false, async {
        yield_now().await;
        Ok(())
    });
    assert_eq!(lines, ["gone", "second value", "first value", "ok"]);
}

fn c5_is_told_of_a_failure<R: Runtime>(env: &Env<R>) {
    let lines = log_of(env, false, async { Err(boom("no")) });
    assert_eq!(lines, ["gone", "second failed", "first failed", "error"]);
}

fn c5_is_told_of_a_panic<R: Runtime>(env: &Env<R>) {
    let lines = log_of(env, false, async { panic!("expected") });
    assert_eq!(lines, ["gone", "second panicked", "first panicked", "error"]);
}

fn c5_is_told_of_a_cancellation<R: Runtime>(env: &Env<R>) {
    let lines = log_of(env, true, never());
    assert_eq!(lines, ["gone", "second cancelled", "first cancelled", "ok"]);
}

/// A clean-up that waits.
#[derive(Clone, Default)]
struct Slow {
    begun: Gate,
    finish: Gate,
    ended: Count,
}

impl Slow {
    fn defer(&self) {
        let Self { begun, finish, ended } = self.clone();
        defer(async move |_| {
            begun.open();
            finish.wait().await;
            ended.add();
        });
    }

    /// Drives a group until the clean-up has begun, and sees that it waits for it.
    async fn is_waited_for_by<F: Future>(&self, group: F) -> F::Output {
        let (mut group, mut begun) = (pin!(group), pin!(self.begun.wait()));
        select(group.as_mut(), begun.as_mut()).await;
        assert!(self.begun.is_open(), "returned before the clean-up began");
        for _ in 0..10 {
            assert!(poll_once(group.as_mut()).is_pending(), "has not waited for the clean-up");
            yield_now().await;
        }
        assert_eq!(self.ended.get(), 0, "nobody has let it end");
        self.finish.open();
        let outcome = group.await;
        assert_eq!(self.ended.get(), 1);
        outcome
    }
}

fn c5_task_ends_after_its_clean_ups<R: Runtime>(env: &Env<R>) {
    let slow = Slow::default();
    env.run(async |rt| {
        let done = Count::new();
        let group = rt.group(async |g| {
            let (inner, called) = (slow.clone(), done.clone());
            let task = g
                .task(async move {
                    inner.defer();
                    Ok(5)
                })
                .on_done(move |_| called.note())
                .spawn();
            slow.begun.wait().await;
            assert!(!task.is_finished());
            assert_eq!(done.get(), 0, "the callback comes after the clean-ups");
            Ok(task.await?)
        });
        let outcome: Outcome<i32> = slow.is_waited_for_by(group).await;
        assert_eq!((outcome.unwrap(), done.get()), (5, 1));
    });
}

fn c5_is_shielded_and_in_the_context_of_its_task<R: Runtime>(env: &Env<R>) {
    let (slow, checked) = (Slow::default(), Count::new());
    env.run(async |rt| {
        let group = rt.group(async |g| {
            let (inner, seen, begun) = (slow.clone(), checked.clone(), Gate::new());
            let started = begun.clone();
            let task = g.spawn(async move {
                let id = TaskContext::current().unwrap().id();
                defer(async move |_| {
                    assert_eq!(TaskContext::current().unwrap().id(), id);
                    assert!(check_cancelled().is_ok());
                    seen.add();
                });
                inner.defer();
                started.open();
                never::<()>().await
            });
            begun.wait().await;
            while !slow.begun.is_open() {
                task.cancel();
                g.cancel();
                yield_now().await;
            }
            Ok(())
        });
        let outcome: Outcome<()> = slow.is_waited_for_by(group).await;
        drop(outcome);
    });
    assert_eq!(checked.get(), 1);
}

fn c5_may_open_groups_and_defer_more<R: Runtime>(env: &Env<R>) {
    let log = Log::default();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (log, begun) = (log.clone(), Gate::new());
                let (rt, started) = (g.runtime(), begun.clone());
                g.spawn(async move {
                    log.defer("registered first");
                    let more = log.clone();
                    defer(async move |_| {
                        let sum: Outcome<i32> =
                            rt.group(async |h| Ok(h.spawn(async { Ok(3) }).await?)).await;
                        more.add(format!("group {}", sum.unwrap()));
                        more.defer("deferred in a clean-up");
                    });
                    started.open();
                    never::<()>().await
                });
                begun.wait().await;
                g.cancel();
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    let expected = ["group 3", "deferred in a clean-up cancelled", "registered first cancelled"];
    assert_eq!(log.lines(), expected);
}

fn c5_destructor_defers_where_somebody_would_run_it<R: Runtime>(env: &Env<R>) {
    let (ran, given_back, begun) = (Count::new(), Count::new(), Gate::new());
    let destructor = || {
        let (ran, given_back) = (ran.clone(), given_back.clone());
        on_drop(move || {
            let ran = ran.clone();
            let cleanup = async move |_| {
                ran.add();
            };
            if try_defer(cleanup).is_err() {
                given_back.add();
            }
        })
    };
    drop(destructor());
    assert_eq!(given_back.get(), 1, "there is no task here");
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (in_task, in_job, started) = (destructor(), destructor(), begun.clone());
                g.spawn(async move {
                    let _in_task = in_task;
                    started.open();
                    never::<()>().await
                });
                begun.wait().await;
                g.spawn_blocking(move || drop(in_job)).await?;
                g.cancel();
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!((ran.get(), given_back.get()), (1, 2), "a job has no clean-ups");
}

fn c5_body_has_them_too<R: Runtime>(env: &Env<R>) {
    let log = Log::default();
    env.run(async |rt| {
        let body = |end: Result<(), BoxError>, wait: bool| {
            let log = log.clone();
            async move |g: GroupHandle<BoxError, R>| {
                let _future = log.on_drop("gone");
                log.defer("body");
                if wait {
                    g.cancel();
                    never::<()>().await?;
                }
                end
            }
        };
        rt.group(body(Ok(()), false)).await.unwrap();
        rt.group(body(Err(boom("no")), false)).await.unwrap_err();
        rt.group(body(Ok(()), true)).await.unwrap_err();
    });
    let lines = ["gone", "body value", "gone", "body failed", "gone", "body cancelled"];
    assert_eq!(log.lines(), lines);
}

fn c5_body_dropped_from_outside_is_cleaned_up_by_the_outer_group<R: Runtime>(env: &Env<R>) {
    let slow = Slow::default();
    env.run(async |rt| {
        let outer = rt.group(async |_| {
            let inner = rt.group(async |_: GroupHandle<BoxError, R>| {
                slow.defer();
                never::<()>().await
            });
            select(Box::pin(inner), Box::pin(yield_now())).await;
            Ok(())
        });
        let outcome: Outcome<()> = slow.is_waited_for_by(outer).await;
        outcome.unwrap();
    });
}

fn c5_body_dropped_in_its_clean_up_goes_on<R: Runtime>(env: &Env<R>) {
    let slow = Slow::default();
    env.run(async |rt| {
        let outer = rt.group(async |_| {
            let inner = rt.group(async |_: GroupHandle<BoxError, R>| {
                slow.defer();
                Ok(())
            });
            select(Box::pin(inner), Box::pin(slow.begun.wait())).await;
            Ok(())
        });
        let outcome: Outcome<()> = slow.is_waited_for_by(outer).await;
        outcome.unwrap();
    });
}

fn c5_body_dropped_where_nothing_encloses_it_is_left_to_the_root<R: Runtime>(env: &Env<R>) {
    let slow = Slow::default();
    env.block_on(async |rt| {
        let group = rt.group(async |_: GroupHandle<BoxError, R>| {
            slow.defer();
            never::<()>().await
        });
        select(Box::pin(group), Box::pin(yield_now())).await;
        slow.is_waited_for_by(rt.drained()).await;
    });
}

fn c5_body_whose_opener_has_ended_is_cleaned_up<R: Runtime>(env: &Env<R>) {
    let slow = Slow::default();
    env.run(async |rt: R| {
        let deferred = slow.clone();
        abandoned(&rt, async move |_| {
            deferred.defer();
            never().await
        })
        .await;
        slow.is_waited_for_by(rt.drained()).await;
    });
}

fn c5_failing_and_panicking_clean_ups_go_to_the_hook_and_the_others_run<R: Runtime>(env: &Env<R>) {
    let (fails, panics, ran) = (unique("fails"), unique("panics"), Count::new());
    lost(&fails);
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (fails, panics, ran) = (fails.clone(), panics.clone(), ran.clone());
                g.spawn(async move {
                    defer(async move |_| ran.note());
                    defer(async move |_| Err::<(), _>(boom(&fails)));
                    defer(async move |_| -> () { panic!("{panics}") });
                    Ok(())
                });
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(ran.get(), 1);
    for text in [fails, panics] {
        let seen = lost(&text);
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert_eq!(seen[0].kind, UnhandledKind::Cleanup);
    }
}

fn c5_runtime_shut_down_drops_them_unpolled_and_reports<R: Runtime>(env: &Env<R>) {
    let (name, polled, dropped) = (unique("shut down"), Count::new(), Count::new());
    lost(&name);
    env.block_on(async |rt| {
        let started = Gate::new();
        let group = rt.group(async |g| {
            let (begun, ran, probe) = (started.clone(), polled.clone(), dropped.on_drop());
            let task = async move {
                defer(async move |_| {
                    let _probe = probe;
                    ran.add();
                });
                begun.open();
                never::<()>().await
            };
            g.task(task).name(name.clone()).spawn();
            never::<()>().await
        });
        let mut group = Box::pin(group);
        let _ = poll_once(group.as_mut());
        started.wait().await;
        std::mem::forget(group);
    });
    env.shut_down();
    eventually_blocking("it is reported", || lost(&name).len() == 1);
    assert_eq!(lost(&name)[0].kind, UnhandledKind::Cleanup);
    assert_eq!((polled.get(), dropped.get()), (0, 1));
}

fn c5_child_of_a_local_scope_has_them_in_place<R: Runtime>(env: &Env<R>) {
    let log = Log::default();
    env.run(async |_| {
        let outcome: Outcome<()> = scope(async |s| {
            let _body = log.on_drop("body gone");
            log.defer("body");
            let fail = Gate::new();
            s.spawn(async {
                let _future = log.on_drop("child gone");
                log.defer("child");
                never::<()>().await
            });
            let failing = fail.clone();
            s.spawn(async move {
                failing.wait().await;
                Err::<(), _>(boom("no"))
            });
            fail.open();
            never().await
        })
        .await;
        outcome.unwrap_err();
    });
    let mut lines = log.lines();
    lines.sort();
    assert_eq!(lines, ["body cancelled", "body gone", "child cancelled", "child gone"]);
}

fn c5_dropped_local_scope_reports_them<R: Runtime>(env: &Env<R>) {
    let (name, ran) = (unique("local"), Count::new());
    lost(&name);
    env.run(async |_| {
        let mut scope = Box::pin(scope::<BoxError, _>(async |s| {
            let task = async {
                let ran = ran.clone();
                defer(async move |_| ran.note());
                never::<()>().await
            };
            s.task(task).name(name.clone()).spawn();
            never::<()>().await
        }));
        assert!(poll_once(scope.as_mut()).is_pending());
    });
    assert_eq!((lost(&name).len(), ran.get()), (1, 0));
}
