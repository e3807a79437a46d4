//! Nested groups: shape, and depth without a limit (rules G14, G15).

use std::error::Error;
use std::fmt;

use anyscope_core::{BoxError, Failure, FailureKind, GroupError, GroupHandle, Runtime, TaskError};

use super::{Case, case};
use crate::env::Env;
use crate::probe::{Count, Gate, Outcome, boom, never};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(g14_spawned_group_is_one_nested_node::<R>),
        case(g14_nests_through_question_mark_with_a_boxed_error::<R>),
        case(g14_nests_with_any_error_type::<R>),
        case(g14_mapped_group_nests_in_one_of_another_type::<R>),
        case(g14_users_own_conversion_keeps_it_as_a_leaf::<R>),
        case(g14_inner_cancellation_alone_is_no_failure::<R>),
        case(g15_deep_tree_is_cancelled_drained_and_dropped::<R>),
        case(g15_deep_tree_is_drained_when_its_root_is_dropped::<R>),
        case(g15_failure_of_the_deepest_nests_all_the_way_up::<R>),
    ]
}

/// The failures of the group that this failure stands for.
fn inner<E>(failure: &Failure<E>) -> &GroupError<E> {
    match failure.kind() {
        FailureKind::Group(inner) => inner,
        _ => panic!("not a nested node: it is a leaf"),
    }
}

fn assert_is_two_layers(error: &GroupError<BoxError>, text: &str) {
    let outer = error.failures().unwrap();
    assert_eq!(outer.len(), 1);
    let nested = inner(outer.first()).failures().unwrap();
    assert_eq!(nested.len(), 1, "one layer for each group");
    assert_eq!(nested.first().error().unwrap().to_string(), text);
}

fn g14_spawned_group_is_one_nested_node<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.spawn_group(async |h| {
                    h.spawn(async { Err::<(), _>(boom("deep")) });
                    Ok(())
                });
                Ok(())
            })
            .await;
        assert_is_two_layers(&outcome.unwrap_err(), "deep");
    });
}

fn g14_nests_through_question_mark_with_a_boxed_error<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |_| {
                rt.group::<BoxError, _>(async |h| {
                    h.spawn(async { Err::<(), _>(boom("deep")) });
                    Ok(())
                })
                .await?;
                Ok(())
            })
            .await;
        assert_is_two_layers(&outcome.unwrap_err(), "deep");
    });
}

/// An error type that cannot hold a group.
#[derive(Debug)]
struct Flat(u32);

impl fmt::Display for Flat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "flat {}", self.0)
    }
}

impl Error for Flat {}

fn g14_nests_with_any_error_type<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Result<(), GroupError<Flat>> = rt
            .group(async |g| {
                g.spawn_group(async |h| {
                    h.spawn_group(async |_| Err::<(), _>(Flat(7)));
                    Ok(())
                });
                Ok(())
            })
            .await;
        let error = outcome.unwrap_err();
        let first = inner(error.failures().unwrap().first());
        let second = inner(first.failures().unwrap().first());
        assert_eq!(second.failures().unwrap().first().error().unwrap().0, 7);
    });
}

fn g14_mapped_group_nests_in_one_of_another_type<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |_| {
                let inner: Result<(), GroupError<Flat>> = rt
                    .group(async |g| {
                        g.spawn_group(async |_| Err::<(), _>(Flat(7)));
                        Ok(())
                    })
                    .await;
                Ok(inner.map_err(GroupError::boxed)?)
            })
            .await;
        let error = outcome.unwrap_err();
        let leaf = error.leaves().next().unwrap();
        assert_eq!((leaf.depth(), leaf.downcast_ref::<Flat>().unwrap().0), (2, 7));
    });
}

/// An error type with a variant of its own for an inner group.
#[derive(Debug)]
enum Own {
    Inner(GroupError<Flat>),
}

impl From<GroupError<Flat>> for Own {
    fn from(error: GroupError<Flat>) -> Self {
        Self::Inner(error)
    }
}

impl fmt::Display for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("own")
    }
}

impl Error for Own {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let Self::Inner(inner) = self;
        Some(inner)
    }
}

fn g14_users_own_conversion_keeps_it_as_a_leaf<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Result<(), GroupError<Own>> = rt
            .group(async |_| {
                rt.group::<Flat, _>(async |_| Err::<(), _>(Flat(1))).await?;
                Ok(())
            })
            .await;
        let error = outcome.unwrap_err();
        let Own::Inner(inner) = error.failures().unwrap().first().error().unwrap();
        assert_eq!(inner.failures().unwrap().first().error().unwrap().0, 1);
    });
}

fn g14_inner_cancellation_alone_is_no_failure<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<TaskError> = rt
            .group(async |g| {
                let inner = g.spawn_group(async |h| {
                    h.cancel_because("inner only");
                    never::<()>().await
                });
                Ok(inner.await.unwrap_err())
            })
            .await;
        let error = outcome.unwrap();
        assert!(error.is_cancelled());
        assert_eq!(error.cause().unwrap().to_string(), "requested: inner only");
    });
}

/// Each level is a task that opens the next; the deepest calls `bottom`.
fn level<R, F>(
    g: &GroupHandle<BoxError, R>,
    depth: usize,
    ended: &Count,
    bottom: impl FnOnce() -> F + Send + 'static,
) where
    R: Runtime,
    F: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    let (probe, ended) = (ended.on_drop(), ended.clone());
    g.spawn_group(async move |h| {
        let _probe = probe;
        if depth == 0 {
            return bottom().await;
        }
        level(&h, depth - 1, &ended, bottom);
        Ok(())
    });
}

fn g15_deep_tree_is_cancelled_drained_and_dropped<R: Runtime>(env: &Env<R>) {
    let depth = depth(env);
    let (reached, ended) = (Gate::new(), Count::new());
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let bottom = reached.clone();
                level(&g, depth, &ended, move || async move {
                    bottom.open();
                    never().await
                });
                reached.wait().await;
                g.cancel();
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(ended.get(), depth + 1);
}

fn g15_deep_tree_is_drained_when_its_root_is_dropped<R: Runtime>(env: &Env<R>) {
    let depth = depth(env);
    let (reached, ended) = (Gate::new(), Count::new());
    env.run(async |rt| {
        let group = rt.group::<BoxError, _>(async |g| {
            let bottom = reached.clone();
            level(&g, depth, &ended, move || async move {
                bottom.open();
                never().await
            });
            never::<()>().await
        });
        let group = std::pin::pin!(group);
        futures_util::future::select(group, std::pin::pin!(reached.wait())).await;
    });
    assert_eq!(ended.get(), depth + 1);
}

fn g15_failure_of_the_deepest_nests_all_the_way_up<R: Runtime>(env: &Env<R>) {
    let depth = depth(env);
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                level(&g, depth, &Count::new(), || async { Err(boom("deepest")) });
                Ok(())
            })
            .await;
        let error = outcome.unwrap_err();
        let mut layer = error.failures().unwrap().first();
        for _ in 0..=depth {
            layer = inner(layer).failures().unwrap().first();
        }
        assert_eq!(layer.error().unwrap().to_string(), "deepest");
        let (line, tree) = (error.to_string(), format!("{error:#}"));
        assert!(line.ends_with("deepest") && line.len() < 2_000, "{} bytes", line.len());
        let cut = tree.ends_with("… 1 failure further down");
        assert!((cut || depth < 100) && tree.lines().count() < 80, "{tree}");
        let deepest = error.leaves().next().unwrap();
        assert_eq!((deepest.depth(), deepest.path().len()), (depth + 1, depth + 1));
        drop(error);
    });
}

/// Levels, where there is one run and not a thousand.
fn depth<R: Runtime>(env: &Env<R>) -> usize {
    env.size(10_000)
}
