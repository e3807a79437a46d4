//! `anyscope::test`: what it makes of a function, and what a failure says.

#![cfg(feature = "test")]

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyscope::prelude::*;
use anyscope::testing::{Options, on_sim};

#[anyscope::test]
async fn takes_the_runtime(rt: AnyRuntime) {
    let sum = rt.group::<BoxError, _>(async |g| {
        let one = g.spawn(async { Ok(1) });
        let two = g.spawn_blocking(|| 2);
        Ok(one.await? + two.await? + g.spawn_cpu(|| 3).await?)
    });
    assert_eq!(sum.await.unwrap(), 6);
}

#[anyscope::test(limit = 30, seeds = 10)]
async fn takes_nothing_and_gives_a_result() -> Result<(), BoxError> {
    sleep(Duration::from_millis(1)).await;
    let value = group(async |g| Ok(g.spawn(async { Ok(7) }).await?)).await?;
    assert_eq!(value, 7);
    Ok(())
}

#[anyscope::test(seeds = 10)]
#[should_panic(expected = "of the test")]
async fn panics_as_it_should(rt: AnyRuntime) {
    rt.group::<BoxError, _>(async |g| {
        g.spawn(async { Err::<(), _>(BoxError::msg("of the test")) });
        std::future::pending::<Result<(), _>>().await
    })
    .await
    .unwrap();
}

#[anyscope::test(seeds = 10)]
#[should_panic(expected = "an error as a value")]
async fn fails_with_its_error() -> Result<(), BoxError> {
    Err(BoxError::msg("an error as a value"))
}

/// As a crate of one's own exports it.
mod exported {
    pub(crate) use ::anyscope as scopes;
}

#[exported::scopes::test(crate = "crate::exported::scopes", seeds = 10)]
async fn finds_the_facade_under_another_name(rt: AnyRuntime) -> Result<(), GroupError> {
    rt.group(async |g| Ok(g.spawn(async { Ok(()) }).await?)).await
}

/// Is not run.
#[anyscope::test]
#[ignore = "to see that it can be"]
async fn is_ignored() {
    panic!("it was run");
}

#[test]
fn schedules_on_the_simulated_runtime_are_many() {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let note = seen.clone();
    on_sim(Options::new(), move |rt| {
        let note = note.clone();
        async move {
            let order = Arc::new(Mutex::new(Vec::new()));
            let tasks = rt.group::<BoxError, _>(async |g| {
                for n in 0..3 {
                    let order = order.clone();
                    g.spawn(async move {
                        order.lock().unwrap().push(n);
                        Ok(())
                    });
                }
                Ok(())
            });
            tasks.await.unwrap();
            note.lock().unwrap().insert(order.lock().unwrap().clone());
        }
    });
    assert_eq!(seen.lock().unwrap().len(), 6, "all orders of three tasks");
}

fn false_now() -> bool {
    false
}

/// What a test that fails says.
fn message(test: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let panic = catch_unwind(test).expect_err("it fails");
    anyscope::panic_message(&*panic).to_owned()
}

#[test]
fn failure_on_the_simulated_runtime_names_its_seed() {
    let text =
        message(|| on_sim(Options::new(), async |_| assert!(false_now(), "expected: always")));
    assert!(text.contains("seed 0 fails") && text.contains("ANYSCOPE_SEED=0"), "{text}");
    assert!(text.contains("expected: always"), "{text}");
}

#[test]
fn leak_on_the_simulated_runtime_is_a_deadlock() {
    let leak = async |rt: AnyRuntime| {
        rt.spawn_detached(std::future::pending::<()>());
    };
    let text = message(move || on_sim(Options::new(), leak));
    assert!(text.contains("attribute.rs"), "the place of what is left: {text}");
}

#[cfg(feature = "tokio")]
#[test]
fn leak_on_a_real_runtime_is_shown_when_the_time_is_up() {
    let leak = async |rt: AnyRuntime| {
        rt.spawn_detached(std::future::pending::<()>());
    };
    let text = time_is_up("left to the runtime", |options| {
        anyscope::testing::on_tokio(options, leak);
    });
    assert!(text.starts_with("on tokio: not done after "), "{text}");
    assert!(text.contains("; alive:") && text.contains("attribute.rs"), "{text}");
    let hang = async |rt: AnyRuntime| {
        let group = rt.group::<BoxError, _>(async |g| {
            g.task(std::future::pending::<Result<(), _>>()).name("hangs").spawn();
            Ok(())
        });
        group.await.unwrap();
    };
    time_is_up("'hangs'", |options| anyscope::testing::on_tokio_current_thread(options, hang));
}

/// What a run says whose time is up, once it was enough to come to what is to be `shown`: a machine may
/// stand still for longer than a short one.
#[cfg(feature = "tokio")]
fn time_is_up(shown: &str, run: impl Fn(Options) + std::panic::RefUnwindSafe) -> String {
    let mut limit = Duration::from_millis(200);
    loop {
        let text = message(|| run(Options::new().limit(limit)));
        if text.contains(shown) {
            return text;
        }
        limit *= 2;
        assert!(limit < Duration::from_secs(30), "{text}");
    }
}
