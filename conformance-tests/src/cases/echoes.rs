//! What is a failure: what is raised while cancelling is, what only says "cancelled" is not (rule G4).

use std::error::Error;
use std::fmt::{self, Debug, Display};
use std::future::pending;

use anyscope_core::{
    AsDynError, BoxError, CancelCause, Cancelled, ErrorGroup, FailureKind, GroupError, PanicPolicy,
    Runtime, Supervise, TaskError, check_cancelled, gather,
};

use super::{Case, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, bomb, boom, holding, never};
use crate::thread;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(g4_failures_raised_while_cancelling_are_in_the_error::<R>),
        case(g4_panic_raised_while_cancelling_is_in_the_error::<R>),
        case(g4_cancelled_handle_is_no_failure_of_a_task::<R>),
        case(g4_cancelled_handle_is_no_failure_of_the_body::<R>),
        case(g4_cancelled_inner_group_is_no_failure::<R>),
        case(g4_checked_cancellation_is_no_failure::<R>),
        case(g4_failure_among_cancellations_is_one::<R>),
        case(g4_group_made_by_hand_of_echoes_is_no_failure::<R>),
    ]
}

/// The error types that each situation is tried with.
pub(super) trait Wrapping:
    AsDynError + Debug + Display + From<TaskError> + From<GroupError<Self>>
{
    fn leaf(text: &'static str) -> Self;
}

impl Wrapping for BoxError {
    fn leaf(text: &'static str) -> Self {
        BoxError::msg(text)
    }
}

/// As a user writes it with `#[from]`: the wrapped error is the source.
#[derive(Debug)]
pub(super) enum Sourced {
    Leaf(&'static str),
    Task(TaskError),
    Group(Box<GroupError<Self>>),
}

impl Display for Sourced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaf(text) => f.write_str(text),
            Self::Task(_) => f.write_str("a task of mine"),
            Self::Group(_) => f.write_str("a group of mine"),
        }
    }
}

impl Error for Sourced {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Leaf(_) => None,
            Self::Task(error) => Some(error),
            Self::Group(error) => Some(&**error),
        }
    }
}

impl From<TaskError> for Sourced {
    fn from(error: TaskError) -> Self {
        Self::Task(error)
    }
}

impl From<GroupError<Self>> for Sourced {
    fn from(error: GroupError<Self>) -> Self {
        Self::Group(Box::new(error))
    }
}

impl Wrapping for Sourced {
    fn leaf(text: &'static str) -> Self {
        Self::Leaf(text)
    }
}

/// As `#[error(transparent)]` makes it: text and source are those of the wrapped error, which itself
/// does not stand in the chain.
#[derive(Debug)]
pub(super) enum Transparent {
    Leaf(&'static str),
    Task(TaskError),
    Group(Box<GroupError<Self>>),
}

impl Display for Transparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaf(text) => f.write_str(text),
            Self::Task(error) => Display::fmt(error, f),
            Self::Group(error) => Display::fmt(error, f),
        }
    }
}

impl Error for Transparent {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Leaf(_) => None,
            Self::Task(error) => error.source(),
            Self::Group(error) => error.source(),
        }
    }
}

impl From<TaskError> for Transparent {
    fn from(error: TaskError) -> Self {
        Self::Task(error)
    }
}

impl From<GroupError<Self>> for Transparent {
    fn from(error: GroupError<Self>) -> Self {
        Self::Group(Box::new(error))
    }
}

impl Wrapping for Transparent {
    fn leaf(text: &'static str) -> Self {
        Self::Leaf(text)
    }
}

/// The texts of the errors among the failures.
pub(super) fn texts<E: AsDynError>(error: &GroupError<E>) -> Vec<String> {
    let failures = error.failures().into_iter().flatten();
    failures
        .filter_map(|failure| failure.error())
        .map(|error| error.as_error().to_string())
        .collect()
}

fn g4_failures_raised_while_cancelling_are_in_the_error<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let started = Gate::new();
                let begun = started.clone();
                g.try_spawn_blocking(move || {
                    begun.open();
                    while check_cancelled().is_ok() {
                        thread::yield_now();
                    }
                    Err::<(), _>(boom("job"))
                });
                started.wait().await;
                let group = g.clone();
                g.spawn(async move {
                    group.cancel();
                    Err::<(), _>(boom("task"))
                });
                never().await
            })
            .await;
        let error = outcome.unwrap_err();
        assert_eq!(error.cause(), Some(&CancelCause::requested()));
        let mut texts = texts(&error);
        texts.sort();
        assert_eq!(texts, ["job", "task"]);
    });
}

fn g4_panic_raised_while_cancelling_is_in_the_error<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let started = Gate::new();
                let begun = started.clone();
                g.spawn(holding(bomb("expected: destructor"), async move {
                    begun.open();
                    never::<()>().await
                }));
                started.wait().await;
                Err(boom("body"))
            })
            .panics(PanicPolicy::Capture)
            .await;
        let error = outcome.unwrap_err();
        let failures = error.failures().unwrap();
        assert_eq!(failures.len(), 2);
        assert_eq!(failures.first().error().unwrap().to_string(), "body");
        let panic = failures.iter().nth(1).unwrap().kind();
        assert!(
            matches!(panic, FailureKind::Panic(panic) if panic.message() == "expected: destructor")
        );
    });
}

fn g4_cancelled_handle_is_no_failure_of_a_task<R: Runtime>(env: &Env<R>) {
    async fn with<R: Runtime, E: Wrapping>(rt: &R) {
        let outcome: Result<i32, GroupError<E>> = rt
            .group(async |g| {
                let (finish, victim) = (Gate::new(), g.spawn(pending::<Result<(), E>>()));
                let wait = finish.clone();
                let sibling = g.spawn(async move {
                    wait.wait().await;
                    Ok(7)
                });
                victim.cancel_because("not wanted");
                let echo = g.spawn(async {
                    victim.await?;
                    Ok(())
                });
                let error = echo.await.unwrap_err();
                assert!(error.is_cancelled());
                assert_eq!(error.cause(), Some(&CancelCause::because("not wanted")));
                assert!(!g.is_cancelled(), "the others go on");
                finish.open();
                Ok(sibling.await?)
            })
            .await;
        assert_eq!(outcome.unwrap(), 7);
    }
    env.block_on(async |rt: R| {
        with::<R, BoxError>(&rt).await;
        with::<R, Sourced>(&rt).await;
        with::<R, Transparent>(&rt).await;
    });
}

fn g4_cancelled_handle_is_no_failure_of_the_body<R: Runtime>(env: &Env<R>) {
    async fn with<R: Runtime, E: Wrapping>(rt: &R) {
        let dropped = Count::new();
        let outcome: Result<(), GroupError<E>> = rt
            .group(async |g| {
                g.spawn(holding(dropped.on_drop(), pending::<Result<(), E>>()));
                let victim = g.spawn(pending::<Result<(), E>>());
                victim.cancel_because("not wanted");
                Ok(victim.await?)
            })
            .await;
        let error = outcome.unwrap_err();
        assert!(error.is_cancelled(), "{error:#}");
        assert_eq!(error.cause(), Some(&CancelCause::because("not wanted")));
        assert_eq!(dropped.get(), 1, "it is the cause of the others too");
    }
    env.block_on(async |rt: R| {
        with::<R, BoxError>(&rt).await;
        with::<R, Sourced>(&rt).await;
        with::<R, Transparent>(&rt).await;
    });
}

fn g4_cancelled_inner_group_is_no_failure<R: Runtime>(env: &Env<R>) {
    async fn cancelled<R: Runtime, E: Wrapping>(rt: &R) -> Result<(), GroupError<E>> {
        rt.group(async |g| {
            g.cancel_because("inner");
            pending().await
        })
        .await
    }
    async fn with<R: Runtime, E: Wrapping>(rt: &R) {
        let outcome: Result<i32, GroupError<E>> = rt
            .group(async |g| {
                let inner = rt.clone();
                let task = g.spawn(async move { Ok(cancelled::<R, E>(&inner).await?) });
                assert!(task.await.unwrap_err().is_cancelled());
                let inner = g.spawn_group(async |inner| {
                    inner.cancel();
                    pending::<Result<(), E>>().await
                });
                assert!(inner.await.unwrap_err().is_cancelled());
                Ok(7)
            })
            .await;
        assert_eq!(outcome.unwrap(), 7, "in a task");
        let outcome: Result<(), GroupError<E>> = rt.group(async |_| Ok(cancelled(rt).await?)).await;
        let error = outcome.unwrap_err();
        assert!(error.is_cancelled(), "in the body: {error:#}");
        assert_eq!(error.cause(), Some(&CancelCause::because("inner")));
    }
    env.block_on(async |rt: R| {
        with::<R, BoxError>(&rt).await;
        with::<R, Sourced>(&rt).await;
        with::<R, Transparent>(&rt).await;
    });
}

/// Text and source are those of what it holds, which itself does not stand in the chain: as `transparent`
/// makes it, and the boxes that `anyhow` and `eyre` convert their errors into.
#[derive(Debug)]
struct Hidden(Cancelled);

impl Display for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

impl Error for Hidden {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl From<Cancelled> for Hidden {
    fn from(cancelled: Cancelled) -> Self {
        Self(cancelled)
    }
}

fn g4_checked_cancellation_is_no_failure<R: Runtime>(env: &Env<R>) {
    async fn with<R: Runtime, X: Error + From<Cancelled> + Send + Sync + 'static>(rt: &R) {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let started = Gate::new();
                let begun = started.clone();
                g.try_spawn_blocking(move || {
                    begun.open();
                    loop {
                        check_cancelled()?;
                        thread::yield_now();
                    }
                    #[expect(unreachable_code, reason = "gives the closure its type")]
                    Ok::<(), X>(())
                });
                started.wait().await;
                g.cancel();
                Ok(())
            })
            .await;
        outcome.unwrap();
    }
    env.block_on(async |rt: R| {
        with::<R, Cancelled>(&rt).await;
        with::<R, Hidden>(&rt).await;
    });
}

fn g4_failure_among_cancellations_is_one<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let cancelled = g.task(never::<()>()).name("cancelled").spawn();
                cancelled.cancel();
                let failed = g.task(async { Err(boom("the group has it")) }).spawn();
                let panicked = g.spawn_blocking(|| panic!("expected: a job's own"));
                let outcomes = gather([cancelled, failed, panicked]).settled().await;
                let errors = outcomes.into_iter().filter_map(Result::err);
                Err(ErrorGroup::from_errors(errors).expect("all have ended badly").into())
            })
            .policy(Supervise)
            .await;
        let error = outcome.unwrap_err();
        assert_eq!(error.failures().map(ErrorGroup::len), Some(2), "{error:#}");
        assert!(error.to_string().contains("the group has it"));
        let by_hand = error.failures().unwrap().iter().nth(1).unwrap();
        let group = by_hand.downcast_ref::<ErrorGroup<TaskError>>().expect("as it was returned");
        assert!(group.source().unwrap().to_string().contains("expected: a job's own"));
    });
}

/// The error of a group that the caller has made of these.
fn by_hand(errors: impl IntoIterator<Item = TaskError>) -> BoxError {
    let group = ErrorGroup::from_errors(errors.into_iter().map(BoxError::from));
    GroupError::from(group.expect("there are some")).into()
}

fn g4_group_made_by_hand_of_echoes_is_no_failure<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let failed = g.spawn(async { Err::<(), _>(boom("the group has it")) });
                Err(by_hand(failed.await.err()))
            })
            .policy(Supervise)
            .await;
        let error = outcome.unwrap_err();
        assert_eq!(error.leaves().count(), 1, "{error:#}");

        let outcome: Outcome<i32> = rt
            .group(async |g| {
                let victim = g.spawn(never::<()>());
                victim.cancel_because("not wanted");
                let echo = g.spawn(async { Err::<(), _>(by_hand(victim.await.err())) });
                let error = echo.await.unwrap_err();
                assert_eq!(error.cause(), Some(&CancelCause::because("not wanted")));
                Ok(7)
            })
            .await;
        assert_eq!(outcome.unwrap(), 7);

        let outcome: Outcome<()> = rt
            .group(async |g| {
                let victim = g.spawn(never::<()>());
                victim.cancel();
                let panicked = g.spawn_blocking(|| panic!("expected: a job's own"));
                Err(by_hand(
                    gather([victim, panicked]).settled().await.into_iter().filter_map(Result::err),
                ))
            })
            .await;
        let error = outcome.unwrap_err();
        let depths: Vec<_> = error.leaves().map(|leaf| leaf.depth()).collect();
        assert_eq!(depths, [1, 1], "it holds a failure and nests: {error:#}");
    });
}
