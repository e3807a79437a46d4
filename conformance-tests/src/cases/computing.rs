//! Computations: checks for cancellation, and many items on the CPU pool (rules U1, U3 and W6).

use anyscope_core::{
    BoxError, Cancelled, CheckCancelled, Runtime, TaskContext, check_cancelled, map_concurrent,
    shield,
};
use futures_util::StreamExt;

use super::{Case, case};
use crate::env::Env;
use crate::probe::{Count, Outcome};
use crate::thread;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(u1_many_items_come_back_in_order::<R>),
        case(u1_many_items_come_back_as_completed::<R>),
        case(u1_no_more_items_are_computed_at_once_than_asked::<R>),
        case(u1_panic_of_one_item_is_a_value_with_its_position::<R>),
        case(u3_iterator_ends_with_the_cancellation::<R>),
        case(u3_iterator_gives_all_items_if_nobody_cancels::<R>),
        case(u3_helpers_on_other_threads_ask_the_jobs_context::<R>),
        case(u3_check_in_a_shield_succeeds_and_the_contexts_does_not::<R>),
    ]
}

fn u1_many_items_come_back_in_order<R: Runtime>(env: &Env<R>) {
    let size = env.size(100) as u64;
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let square = |n: u64| g.spawn_cpu(move || n * n);
                let squares = map_concurrent(0..size, 8, square).await?;
                assert!(squares.into_iter().eq((0..size).map(|n| n * n)));
                let squares = map_concurrent(0..size, 8, square).ordered();
                let squares: Vec<_> = squares.map(Result::unwrap).collect().await;
                assert!(squares.into_iter().eq((0..size).map(|n| n * n)));
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

/// Each once, in whatever order.
fn u1_many_items_come_back_as_completed<R: Runtime>(env: &Env<R>) {
    let size = env.size(100);
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let compute = |n: usize| g.spawn_cpu(move || n);
                let values = map_concurrent(0..size, 8, compute).as_completed();
                let mut values: Vec<_> = values.map(Result::unwrap).collect().await;
                values.sort_unstable();
                assert!(values.into_iter().eq(0..size));
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn u1_no_more_items_are_computed_at_once_than_asked<R: Runtime>(env: &Env<R>) {
    let (begun, ended, size) = (Count::new(), Count::new(), env.size(100));
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let compute = |_| {
                    let (begun, ended) = (begun.clone(), ended.clone());
                    g.spawn_cpu(move || {
                        let at_once = begun.add().saturating_sub(ended.get());
                        thread::yield_now();
                        ended.add();
                        at_once
                    })
                };
                let at_once = map_concurrent(0..size, 1, compute).await?;
                assert!(at_once.into_iter().all(|jobs| jobs <= 1));
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn u1_panic_of_one_item_is_a_value_with_its_position<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let compute = |n: u32| g.spawn_cpu(move || assert!(n != 3, "expected: three"));
                let error = map_concurrent(0..10, 2, compute).await.unwrap_err();
                assert!(error.index() == 3 && error.error().is_panic());
                assert_eq!(g.spawn_cpu(|| 7).await?, 7);
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn u3_iterator_ends_with_the_cancellation<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<_> = rt
            .group(async |g| {
                let group = g.clone();
                Ok(g.spawn_cpu(move || {
                    let mut items = (0_u64..).check_cancelled();
                    let first: Vec<_> = items.by_ref().take(3).collect();
                    group.cancel_because("enough");
                    (first, items.next(), items.next())
                }))
            })
            .await;
        let (first, at_the_cancel, after) = outcome.unwrap().await.unwrap();
        assert!(first.into_iter().eq([Ok(0), Ok(1), Ok(2)]));
        let cancelled = at_the_cancel.unwrap().unwrap_err();
        assert_eq!(cancelled.to_string(), "cancelled: requested: enough");
        assert_eq!(after, None);
    });
}

fn u3_iterator_gives_all_items_if_nobody_cancels<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let sum = || (1..=100_u64).check_cancelled().sum::<Result<u64, Cancelled>>();
        assert_eq!(sum(), Ok(5050), "outside any task");
        let outcome: Outcome<()> = rt
            .group(async |g| {
                assert_eq!(g.spawn_cpu(sum).await?, Ok(5050));
                assert_eq!(sum(), Ok(5050), "in a body");
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

/// As the pieces of a data-parallel computation do.
fn u3_helpers_on_other_threads_ask_the_jobs_context<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let outcome: Outcome<_> = rt
            .group(async |g| {
                let group = g.clone();
                Ok(g.spawn_cpu(move || {
                    let job = TaskContext::current().expect("in a job");
                    let on_helper = || {
                        let job = job.clone();
                        let helper =
                            thread::spawn(move || (job.check_cancelled(), check_cancelled()));
                        helper.join().unwrap()
                    };
                    let before = on_helper();
                    group.cancel();
                    (before, on_helper())
                }))
            })
            .await;
        let (before, (of_the_job, of_the_thread)) = outcome.unwrap().await.unwrap();
        assert_eq!(before, (Ok(()), Ok(())));
        assert!(of_the_job.is_err());
        assert!(of_the_thread.is_ok(), "the thread itself belongs to nobody");
    });
}

fn u3_check_in_a_shield_succeeds_and_the_contexts_does_not<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt| {
        let group = rt.group::<BoxError, _>(async |g| {
            let me = TaskContext::current().expect("in a body");
            g.cancel();
            let inside = shield(async { (check_cancelled(), me.check_cancelled()) }).await;
            assert!(inside.0.is_ok() && inside.1.is_err() && check_cancelled().is_err());
            Ok(())
        });
        group.await.unwrap();
    });
}
