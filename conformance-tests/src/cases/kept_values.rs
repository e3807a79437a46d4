//! Values that a concurrent map has kept, and whose destructors panic: of two in one list, the second would
//! abort the process (rules P3, W6).

use std::pin::pin;

use anyscope_core::{
    BoxError, ErrorGroup, ItemError, PanicPolicy, Runtime, in_place, map_concurrent,
};
use futures_util::stream::TryStreamExt;

use super::bombs::destructors;
use super::{Case, case};
use crate::env::Env;
use crate::probe::{Gate, Outcome, assert_alive, bomb, boom, caught, never, unique};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(p3_values_that_a_dropped_map_has_kept_are_contained::<R>),
        case(p3_values_that_a_failed_map_has_kept_are_contained::<R>),
    ]
}

/// The first item never ends, two give values whose destructors panic, and a fourth fails. The gate is opened
/// in the poll in which the second value is kept.
async fn map(items: usize, ordered: bool, text: String, kept: Gate) -> Result<(), Failed> {
    let map = map_concurrent(0..items, items, |number| {
        let (text, kept) = (&text, &kept);
        in_place(async move {
            match number {
                0 => return never().await,
                1 => {}
                2 => kept.open(),
                _ => return Err(boom("the failure")),
            }
            Ok(bomb(text))
        })
    });
    match ordered {
        true => pin!(map.ordered()).try_next().await.map(drop),
        false => map.await.map(drop),
    }
}

type Failed = ItemError<BoxError>;

fn p3_values_that_a_dropped_map_has_kept_are_contained<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        for ordered in [false, true] {
            let text = unique("expected: kept");
            assert_eq!(destructors(&text), 0);
            let outcome: Outcome<()> = rt
                .group(async |g| {
                    let (text, kept) = (text.clone(), Gate::new());
                    let has_kept = kept.clone();
                    g.spawn(async move { Ok(map(3, ordered, text, kept).await?) });
                    has_kept.wait().await;
                    g.cancel();
                    never().await
                })
                .panics(PanicPolicy::Capture)
                .await;
            let panics = outcome.unwrap_err().failures().map_or(0, ErrorGroup::len);
            assert!(panics <= 1);
            assert_eq!(panics + destructors(&text), 2);
        }
        assert_alive(&rt).await;
    });
}

fn p3_values_that_a_failed_map_has_kept_are_contained<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        for ordered in [false, true] {
            let text = unique("expected: kept");
            assert_eq!(destructors(&text), 0);
            let outcome = caught(map(4, ordered, text.clone(), Gate::new())).await;
            let panics = usize::from(outcome.is_err());
            if let Ok(failed) = outcome {
                assert_eq!(failed.unwrap_err().index(), 3);
            }
            assert_eq!(panics + destructors(&text), 2);
        }
        assert_alive(&rt).await;
    });
}
