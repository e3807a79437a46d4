//! Error groups taken apart: splitting, handlers by type, walking (rules E2, E3, E4).

use std::io;
use std::num::ParseIntError;
use std::time::Duration;

use anyscope_core::{
    BoxError, CauseKind, ErrorGroup, Failure, GroupError, Leaf, PanicPayload, PanicPolicy, Runtime,
    Supervise, TaskHandle, cancelled, handle,
};

use super::{Case, case};
use crate::env::Env;
use crate::probe::{Gate, Outcome, boom, caught, lost, never, unique, yield_now};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(e2_parts_hold_each_failure_once_in_its_shape::<R>),
        case(e2_parts_keep_message_notes_and_cause::<R>),
        case(e2_predicate_that_panics_loses_nothing_in_silence::<R>),
        case(e3_each_failure_goes_to_the_first_handler_that_matches::<R>),
        case(e3_group_of_matching_failures_has_names_and_paths::<R>),
        case(e3_rest_keeps_its_shape_and_failed_handlers_join_it::<R>),
        case(e3_cause_is_handled_apart_or_left::<R>),
        case(e3_cause_of_an_inner_group_outlives_its_failures::<R>),
        case(e3_cause_of_an_enclosing_group_goes_with_an_inner_ones_failures::<R>),
        case(e3_cause_that_names_a_strangers_failure_is_left::<R>),
        case(e3_handler_that_panics_leaves_the_rest_to_the_hook::<R>),
        case(e4_leaves_come_in_order_with_their_path::<R>),
        case(e4_deep_and_wide_trees_do_not_overflow::<R>),
    ]
}

/// read: io; inner: (number, deepest: (io and the body's own)); last: number; and a panic.
async fn failed<R: Runtime>(rt: &R) -> GroupError<BoxError> {
    let outcome: Outcome<()> = rt
        .group(async |g| {
            ended(&g.task(missing()).name("read").spawn()).await;
            let inner = rt.group(async move |h| {
                ended(&h.task(number()).name("number").spawn()).await;
                let deepest = h.runtime().group(async |_| missing().await).name("deepest");
                ended(&h.spawn_nested(deepest)).await;
                Ok(())
            });
            ended(&g.spawn_nested(inner.name("inner").policy(Supervise))).await;
            ended(&g.task(number()).name("last").spawn()).await;
            ended(&g.task::<_, ()>(async { panic!("expected: a panic") }).name("bug").spawn())
                .await;
            Ok(())
        })
        .policy(Supervise)
        .panics(PanicPolicy::Capture)
        .await;
    outcome.unwrap_err()
}

async fn missing() -> Result<(), BoxError> {
    Err(io::Error::from(io::ErrorKind::NotFound).into())
}

async fn number() -> Result<(), BoxError> {
    "x".parse::<u8>()?;
    Ok(())
}

async fn ended<R: Runtime>(task: &TaskHandle<(), R>) {
    while !task.is_finished() {
        yield_now().await;
    }
}

const HOUR: Duration = Duration::from_secs(3600);

const ALL: [&str; 5] = ["read", "inner/number", "inner/deepest/deepest", "last", "bug"];

/// The name of a leaf after those of the groups that lead to it.
fn path(leaf: &Leaf<'_, BoxError>) -> String {
    let path = leaf.path();
    let names = path.iter().copied().chain([leaf.failure()]).map(|one| one.task().name().unwrap());
    names.collect::<Vec<_>>().join("/")
}

fn paths<'a>(error: impl Into<Option<&'a GroupError<BoxError>>>) -> Vec<String> {
    error.into().into_iter().flat_map(GroupError::leaves).map(|leaf| path(&leaf)).collect()
}

fn e2_parts_hold_each_failure_once_in_its_shape<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let error = failed(&rt).await;
        assert_eq!(paths(&error), ALL);
        let ids: Vec<_> = error.leaves().map(|leaf| leaf.task().id()).collect();
        let (io, rest) = error.split(|leaf| leaf.is::<io::Error>());
        assert_eq!(paths(io.as_ref()), ["read", "inner/deepest/deepest"]);
        assert_eq!(paths(rest.as_ref()), ["inner/number", "last", "bug"]);
        let of_parts = |part: &Option<GroupError<BoxError>>| {
            part.iter()
                .flat_map(GroupError::leaves)
                .map(|leaf| leaf.task().id())
                .collect::<Vec<_>>()
        };
        assert_eq!(of_parts(&io), [ids[0], ids[2]]);
        assert_eq!(of_parts(&rest), [ids[1], ids[3], ids[4]]);

        let (all, none) = failed(&rt).await.split(|_| true);
        assert!(none.is_none() && paths(all.as_ref()) == ALL);
        let named = |leaf: &Leaf<'_, BoxError>| path(leaf).starts_with("inner/");
        let inner = failed(&rt).await.into_failures().unwrap().subgroup(named).unwrap();
        assert_eq!((inner.len(), inner.leaves().count()), (1, 2), "one member stays wrapped");
    });
}

fn e2_parts_keep_message_notes_and_cause<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                ended(&g.spawn(number())).await;
                ended(&g.spawn(missing())).await;
                g.cancel_because("closing time");
                Ok(())
            })
            .policy(Supervise)
            .await;
        let error = outcome.unwrap_err().with_note("while testing");
        let parts = error.split(|leaf| leaf.is::<io::Error>());
        for part in [parts.0.unwrap(), parts.1.unwrap()] {
            assert_eq!(part.failures().unwrap().notes(), ["while testing"]);
            assert_eq!(part.cause().unwrap().to_string(), "requested: closing time");
            let group = part.into_failures().unwrap().with_message("only a part");
            let again = group.subgroup(|_| true).unwrap();
            assert_eq!((again.message(), again.len()), ("only a part", 1));
        }
    });
}

fn e2_predicate_that_panics_loses_nothing_in_silence<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let texts = [unique("lost by a predicate"), unique("lost by a predicate")];
        assert!(lost(&texts[0]).is_empty(), "the hook is set");
        let outcome: Outcome<()> = rt
            .group(async |g| {
                for text in texts.clone() {
                    g.spawn(async move { Err::<(), _>(boom(&text)) });
                }
                Ok(())
            })
            .policy(Supervise)
            .await;
        let error = outcome.unwrap_err();
        let unwound = caught(async { error.split(|_| panic!("expected: a predicate")) }).await;
        assert!(unwound.is_err());
        assert_eq!(texts.map(|text| lost(&text).len()), [1, 1]);
    });
}

fn e3_each_failure_goes_to_the_first_handler_that_matches<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let (mut io, mut numbers, mut panics) = (0, 0, Vec::new());
        failed(&rt)
            .await
            .handle(|_: &io::Error| io += 1)
            .handle(|_: &io::Error| panic!("all of them are taken"))
            .handle(|_: &ParseIntError| numbers += 1)
            .handle(|panic: &PanicPayload| panics.push(panic.message()))
            .finish()
            .unwrap();
        assert_eq!((io, numbers, panics), (2, 2, vec!["expected: a panic".to_owned()]));

        let error = failed(&rt).await;
        let mut seen = Vec::new();
        handle!(match error {
            leaf if path(leaf) == "last" => seen.push("last"),
            _number: ParseIntError => seen.push("number"),
            io::Error | PanicPayload as others => {
                assert_eq!(others.leaves().count(), 3);
                seen.push("others");
            },
            _ as rest => panic!("{rest:#}"),
            cancelled(cause) => panic!("{cause}"),
        })
        .unwrap();
        assert_eq!(seen, ["last", "number", "others"]);
    });
}

fn e3_group_of_matching_failures_has_names_and_paths<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let mut seen = Vec::new();
        let rest = failed(&rt)
            .await
            .handling()
            .handle_group(
                |leaf| leaf.is::<ParseIntError>(),
                |group| seen.extend(group.leaves().map(|leaf| path(&leaf))),
            )
            .finish();
        assert_eq!(seen, ["inner/number", "last"]);
        assert_eq!(paths(&rest.unwrap_err()), ["read", "inner/deepest/deepest", "bug"]);
    });
}

fn e3_rest_keeps_its_shape_and_failed_handlers_join_it<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let mut first = true;
        let rest = failed(&rt)
            .await
            .handle(|_: &ParseIntError| match std::mem::take(&mut first) {
                true => Err(boom("the handler failed")),
                false => Ok(()),
            })
            .finish()
            .unwrap_err();
        let expected = ["read", "inner/deepest/deepest", "bug", "number"];
        assert_eq!(paths(&rest), expected);
        let joined = rest.failures().unwrap().iter().last().unwrap();
        assert_eq!(joined.error().unwrap().to_string(), "the handler failed");
    });
}

fn e3_cause_is_handled_apart_or_left<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let cut = || async {
            let outcome: Outcome<()> = rt
                .group(async |g| {
                    g.cancel_because("closing time");
                    Err(boom("and failed"))
                })
                .await;
            outcome.unwrap_err()
        };
        let rest = cut().await.handle(|_: &io::Error| ()).cancelled(|_| ()).finish().unwrap_err();
        assert!(rest.cause().is_none() && rest.leaves().count() == 1);
        let rest = cut().await.handling().handle_group(|_| true, drop).finish().unwrap_err();
        assert!(rest.is_cancelled());
        let mut causes = Vec::new();
        rest.handling().cancelled(|cause| causes.push(cause.to_string())).finish().unwrap();
        assert_eq!(causes, ["requested: closing time"]);

        let outcome: Outcome<()> = rt.group(async |_| missing().await).await;
        let error = outcome.unwrap_err();
        assert!(matches!(error.cause().unwrap().kind(), CauseKind::SiblingFailed(_)));
        let handling = error.handling().cancelled(|_| panic!("its cause is its own failure"));
        handling.handle(|_: &io::Error| ()).finish().unwrap();
    });
}

fn e3_cause_of_an_inner_group_outlives_its_failures<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let slow = rt.group(async move |h| {
                    ended(&h.spawn(missing())).await;
                    h.set_deadline(h.runtime().now());
                    never::<()>().await
                });
                g.spawn_nested(slow.name("slow").policy(Supervise));
                Ok(())
            })
            .await;
        let rest = outcome.unwrap_err().handle(|_: &io::Error| ()).finish().unwrap_err();
        assert!(rest.is_cancelled());
        let cause = rest.cause().unwrap().kind();
        assert!(matches!(cause, CauseKind::Deadline(of) if of.name() == Some("slow")), "{rest}");
    });
}

fn e3_cause_of_an_enclosing_group_goes_with_an_inner_ones_failures<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let started = Gate::new();
                let begun = started.clone();
                g.spawn_group(async move |_| {
                    begun.open();
                    cancelled().await;
                    Err::<(), _>(boom("when it was told"))
                });
                started.wait().await;
                missing().await
            })
            .grace(HOUR)
            .await;
        let error = outcome.unwrap_err();
        assert_eq!(error.leaves().count(), 2);
        error.handling().handle_group(|_| true, drop).finish().unwrap();
    });
}

fn e3_cause_that_names_a_strangers_failure_is_left<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let cut = || async {
            let mut task = None;
            let other: Outcome<()> = rt
                .group(async |g| {
                    task = Some(g.spawn(never()));
                    Err(boom("the other's"))
                })
                .await;
            assert_eq!(other.unwrap_err().leaves().count(), 1);
            let outcome: Outcome<()> =
                rt.group(async |_| Ok(task.take().expect("spawned above").await?)).await;
            outcome.unwrap_err()
        };
        let error = cut().await;
        assert!(error.is_cancelled(), "{error}");
        assert!(matches!(error.cause().unwrap().kind(), CauseKind::SiblingFailed(_)));
        let rest = error.handle(|_: &io::Error| ()).finish();
        assert!(rest.is_err_and(|rest| rest.is_cancelled()), "it did not end well");
        let mut causes = 0;
        cut().await.handling().cancelled(|_| causes += 1).finish().unwrap();
        assert_eq!(causes, 1);
    });
}

fn e3_handler_that_panics_leaves_the_rest_to_the_hook<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let text = unique("left by a handler");
        assert!(lost(&text).is_empty(), "the hook is set");
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.spawn(number());
                let text = text.clone();
                g.spawn_group(async move |_| Err::<(), _>(boom(&text)));
                Ok(())
            })
            .policy(Supervise)
            .await;
        let handling = outcome.unwrap_err().handling();
        let unwound = caught(async {
            handling.handle(|_: &ParseIntError| panic!("expected: a handler")).finish()
        });
        assert!(unwound.await.is_err());
        assert_eq!(lost(&text).len(), 1);
    });
}

fn e4_leaves_come_in_order_with_their_path<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let error = failed(&rt).await;
        assert_eq!(paths(&error), ALL);
        let depths: Vec<_> = error.leaves().map(|leaf| leaf.depth()).collect();
        assert_eq!(depths, [0, 1, 2, 0, 0]);
        let flat = error.into_failures().unwrap().flatten();
        let names: Vec<_> = flat.iter().map(|one| one.task().name().unwrap()).collect();
        assert_eq!(names, ["read", "number", "deepest", "last", "bug"]);
    });
}

fn e4_deep_and_wide_trees_do_not_overflow<R: Runtime>(env: &Env<R>) {
    let size = env.size(100_000);
    env.block_on(async |_: R| {
        let leaf = || Failure::from_error(boom("deepest"));
        let mut group = ErrorGroup::from_failures((0..size).map(|_| leaf())).unwrap();
        for _ in 0..size {
            let below = Failure::from_group(group);
            group = ErrorGroup::from_failures([below, leaf()]).unwrap();
        }
        assert!(group.to_string().len() < 2_000 && format!("{group:#}").len() < 20_000);
        assert_eq!(group.leaves().next().unwrap().path().len(), size);
        let (deep, rest) = group.split(|leaf| leaf.depth() % 2 == 0);
        assert_eq!(
            [deep, rest].map(|part| part.unwrap().leaves().count()),
            [size / 2 * 3, size / 2]
        );
    });
}
