//! Destructors that panic: of outputs, errors and payloads (rule P3).

use std::error::Error;
use std::fmt;
use std::future::pending;
use std::panic::panic_any;

use anyscope_core::{
    BoxError, FirstSuccess, GroupError, GroupHandle, PanicPolicy, Runtime, TaskError,
};

use super::bombs::destructors;
use super::lost::drop_group;
use super::{Case, case};
use crate::env::Env;
use crate::probe::{
    Gate, Outcome, assert_alive, bomb, boom, caught, eventually, never, unique, yield_now,
};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(p3_output_without_a_handle_is_contained::<R>),
        case(p3_output_whose_handle_is_dropped_later_is_contained::<R>),
        case(p3_value_of_a_body_whose_group_fails_is_contained::<R>),
        case(p3_value_of_a_body_whose_group_panics_is_contained::<R>),
        case(p3_errors_of_a_dropped_group_are_contained::<R>),
        case(p3_errors_that_a_policy_forgives_are_contained::<R>),
        case(p3_error_that_is_only_an_echo_is_contained::<R>),
        case(p3_error_of_a_detached_task_that_is_only_an_echo_is_contained::<R>),
        case(p3_error_whose_source_panics_is_a_failure::<R>),
        case(p3_payload_that_is_a_bomb_is_contained::<R>),
    ]
}

fn p3_output_without_a_handle_is_contained<R: Runtime>(env: &Env<R>) {
    let text = unique("output");
    assert_eq!(destructors(&text), 0);
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (output, from_job, from_cpu) = (bomb(&text), bomb(&text), bomb(&text));
                drop(g.spawn(async { Ok(output) }));
                drop(g.spawn_blocking(|| from_job));
                drop(g.spawn_cpu(|| from_cpu));
                Ok(())
            })
            .await;
        outcome.unwrap();
        drop(rt.spawn_detached({
            let output = bomb(&text);
            async { output }
        }));
        eventually(&rt, "all are reported", || destructors(&text) == 4).await;
        assert_alive(&rt).await;
    });
}

fn p3_output_whose_handle_is_dropped_later_is_contained<R: Runtime>(env: &Env<R>) {
    let text = unique("late output");
    assert_eq!(destructors(&text), 0);
    env.block_on(async |rt: R| {
        let outcome: Outcome<_> = rt
            .group(async |g| {
                let (output, from_job) = (bomb(&text), bomb(&text));
                let task = g.spawn(async { Ok(output) });
                Ok((task, g.spawn_blocking(|| from_job)))
            })
            .await;
        drop(outcome.unwrap());
        eventually(&rt, "both are reported", || destructors(&text) == 2).await;
    });
}

fn p3_value_of_a_body_whose_group_fails_is_contained<R: Runtime>(env: &Env<R>) {
    let text = unique("value");
    assert_eq!(destructors(&text), 0);
    env.block_on(async |rt: R| {
        let group = rt.group::<BoxError, _>(async |g| {
            g.spawn(async { Err::<(), _>(boom("the failure")) });
            Ok(bomb(&text))
        });
        let outcome = caught(group).await.expect("the failure, and no panic instead of it");
        let error = outcome.err().unwrap();
        assert_eq!(error.failures().unwrap().len(), 1);
    });
    assert_eq!(destructors(&text), 1);
}

fn p3_value_of_a_body_whose_group_panics_is_contained<R: Runtime>(env: &Env<R>) {
    let text = unique("value beside a panic");
    assert_eq!(destructors(&text), 0);
    env.block_on(async |rt: R| {
        let group = rt.group::<BoxError, _>(async |g| {
            g.spawn::<_, ()>(async { panic_any(5_u8) });
            Ok(bomb(&text))
        });
        let payload = caught(group).await.err().unwrap();
        assert_eq!(payload.downcast_ref(), Some(&5_u8), "the task's panic");
    });
    assert_eq!(destructors(&text), 1);
}

/// An error whose destructor panics, and which may have a source.
struct BadError {
    text: String,
    source: Option<TaskError>,
}

impl Drop for BadError {
    fn drop(&mut self) {
        panic!("{}", self.text)
    }
}

impl fmt::Debug for BadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BadError")
    }
}

impl fmt::Display for BadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an error with a bad destructor")
    }
}

impl Error for BadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

/// Fails so as a task; `failed` is open once it has.
fn bad<R: Runtime>(g: &GroupHandle<BoxError, R>, text: &str, failed: &Gate) {
    let (text, failed) = (text.to_owned(), failed.clone());
    let error = BoxError::from(BadError { text, source: None });
    let failing = g.task(async { Err::<(), _>(error) });
    failing.on_done(move |_| failed.open()).spawn();
}

fn p3_errors_of_a_dropped_group_are_contained<R: Runtime>(env: &Env<R>) {
    let text = unique("error of a dropped group");
    assert_eq!(destructors(&text), 0);
    env.run(async |rt: R| {
        let ready = Gate::new();
        drop_group(&rt, &ready, PanicPolicy::Resume, async |g| {
            // Several, so that one that panics does not take another along while it unwinds.
            for _ in 0..2 {
                bad(&g, &text, &Gate::new());
            }
            while g.live() > 2 {
                yield_now().await;
            }
            bad(&g, &text, &ready);
            never().await
        })
        .await;
        assert_alive(&rt).await;
    });
    assert_eq!(destructors(&text), 3);
}

fn p3_errors_that_a_policy_forgives_are_contained<R: Runtime>(env: &Env<R>) {
    let text = unique("forgiven error");
    assert_eq!(destructors(&text), 0);
    env.block_on(async |rt: R| {
        let outcome: Outcome<i32> = rt
            .group(async |g| {
                (0..3).for_each(|_| bad(&g, &text, &Gate::new()));
                while g.live() > 1 {
                    yield_now().await;
                }
                g.spawn(async { Ok(()) });
                Ok(7)
            })
            .policy(FirstSuccess::default())
            .await;
        assert_eq!(outcome.unwrap(), 7);
    });
    assert_eq!(destructors(&text), 3);
}

fn p3_error_that_is_only_an_echo_is_contained<R: Runtime>(env: &Env<R>) {
    let text = unique("echo");
    assert_eq!(destructors(&text), 0);
    env.block_on(async |rt: R| {
        let outcome: Result<i32, GroupError<BadError>> = rt
            .group(async |g| {
                let victim = g.spawn(pending::<Result<(), BadError>>());
                victim.cancel();
                let text = text.clone();
                let echo = g.spawn(async move {
                    let source = victim.await.err();
                    Err::<(), _>(BadError { text, source })
                });
                assert!(echo.await.unwrap_err().is_cancelled());
                Ok(7)
            })
            .await;
        assert_eq!(outcome.ok(), Some(7));
    });
    assert_eq!(destructors(&text), 1);
}

fn p3_error_of_a_detached_task_that_is_only_an_echo_is_contained<R: Runtime>(env: &Env<R>) {
    let text = unique("detached echo");
    assert_eq!(destructors(&text), 0);
    env.block_on(async |rt: R| {
        let victim = rt.spawn_detached(pending::<()>());
        victim.cancel();
        let source = victim.await.err();
        let error = BadError { text: text.clone(), source };
        let echo = rt.try_spawn_detached(async { Err::<(), _>(error) });
        assert!(echo.await.unwrap_err().is_cancelled());
        rt.drained().await;
        assert_alive(&rt).await;
    });
    assert_eq!(destructors(&text), 1);
}

/// An error that panics when it is asked for its source.
#[derive(Debug)]
struct BadSource;

impl fmt::Display for BadSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an error with a bad source")
    }
}

impl Error for BadSource {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        panic!("expected: source")
    }
}

fn p3_error_whose_source_panics_is_a_failure<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.spawn(async { Err::<(), _>(BadSource.into()) });
                Ok(())
            })
            .await;
        let error = outcome.unwrap_err();
        assert!(error.failures().unwrap().iter().all(|failure| failure.is::<BadSource>()));
        let outcome: Outcome<()> = rt.group(async |_| Err(BadSource.into())).await;
        assert_eq!(outcome.unwrap_err().failures().unwrap().len(), 1);
        assert_alive(&rt).await;
    });
}

fn p3_payload_that_is_a_bomb_is_contained<R: Runtime>(env: &Env<R>) {
    env.run(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                // Of a job that nobody looks at, and of one that somebody does.
                drop(g.spawn_blocking::<_, ()>(|| panic_any(bomb("expected: payload"))));
                let job = g.spawn_blocking::<_, ()>(|| panic_any(bomb("expected: payload")));
                drop(job.await.unwrap_err());
                Ok(())
            })
            .await;
        outcome.unwrap();
        let ready = Gate::new();
        drop_group(&rt, &ready, PanicPolicy::Resume, async |g| {
            let open = ready.clone();
            let task = g.task::<_, ()>(async { panic_any(bomb("expected: payload")) });
            task.on_done(move |_| open.open()).spawn();
            never().await
        })
        .await;
        assert_alive(&rt).await;
    });
}
