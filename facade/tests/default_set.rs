//! A default runtime that was set: a process of its own, because it can be set once.

#![cfg(any(feature = "tokio", feature = "smol", feature = "async-std"))]

#[path = "support/bounded.rs"]
mod bounded;
#[path = "support/each.rs"]
mod each;
#[path = "support/panics.rs"]
mod panics;

use anyscope::prelude::*;
use anyscope::{DefaultAlreadySet, current_runtime, set_default_runtime};
use futures_executor::block_on;

use bounded::bounded;
use each::on_each;

/// The backend that the test sets, by the name in its type; driven as long as the process lives.
fn set() -> (&'static str, Result<(), DefaultAlreadySet>) {
    #[cfg(feature = "smol")]
    return ("Smol", set_default_runtime(anyscope::smol::Smol::global()));
    #[cfg(all(feature = "async-std", not(feature = "smol")))]
    return ("AsyncStd", set_default_runtime(anyscope::async_std::AsyncStd::global()));
    #[cfg(not(any(feature = "smol", feature = "async-std")))]
    {
        let native = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let given = anyscope::tokio::Tokio::from_handle(native.handle().clone());
        std::mem::forget(native);
        ("Tokio", set_default_runtime(given))
    }
}

/// One test, so that the order is known.
#[test]
fn the_default_is_used_outside_tasks_and_cannot_be_moved() {
    let (name, outcome) = set();
    assert_eq!(outcome, Ok(()));
    let (_, again) = set();
    assert!(again.unwrap_err().to_string().contains("already set"));

    bounded("outside", move || {
        assert!(format!("{:?}", current_runtime()).contains(name));
        let value = block_on(group(async |g| Ok(g.spawn(async { Ok(7) }).await?)));
        assert_eq!(value.unwrap(), 7);
        assert_eq!(block_on(spawn_blocking(|| 7)).unwrap(), 7);
        block_on(sleep(std::time::Duration::from_millis(1)));
    });
    bounded("run", run_takes_the_default);
    bounded("inside a tokio runtime", move || {
        let native = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let found = native.block_on(async { format!("{:?}", current_runtime()) });
        assert!(found.contains(name), "{found}");
        #[cfg(feature = "tokio")]
        native.block_on(async {
            let text = panics::panic_of(|| anyscope::run(async {}));
            assert!(text.contains("await the future instead"), "{text}");
        });
    });
    on_each(async || {
        let text = panics::panic_of(|| anyscope::run(async {}));
        assert!(text.contains("await the future instead"), "{text}");
    });
    #[cfg(feature = "tokio")]
    bounded("the task's own", || {
        let found = anyscope::tokio::run(async { format!("{:?}", current_runtime()) });
        assert!(found.contains("Tokio"), "{found}");
    });
}

fn run_takes_the_default() {
    let value = anyscope::run(async {
        // What wakes the main future may come while it blocks its own thread.
        let (sent, received) = std::sync::mpsc::channel();
        let job = spawn_blocking(move || sent.send(1));
        assert_eq!(received.recv(), Ok(1));
        job.await.unwrap().unwrap();
        sleep(std::time::Duration::from_millis(1)).await;
        group(async |g| Ok(g.spawn(async { Ok(7) }).await?)).await
    });
    assert_eq!(value.unwrap(), 7);
}
