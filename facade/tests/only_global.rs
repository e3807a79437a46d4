//! A backend with a global runtime as the only one: that is the default.

#![cfg(all(
    any(feature = "smol", feature = "async-std"),
    not(all(feature = "smol", feature = "async-std")),
    not(feature = "tokio")
))]

#[path = "support/bounded.rs"]
mod bounded;

use anyscope::prelude::*;
use futures_executor::block_on;

use bounded::bounded;

#[test]
fn outside_any_task_the_global_runtime_is_found() {
    bounded("the only backend", || {
        assert_eq!(block_on(spawn_blocking(|| 1)).unwrap(), 1);
        let value = block_on(group(async |g| Ok(g.spawn(async { Ok(7) }).await?)));
        assert_eq!(value.unwrap(), 7);
    });
}

#[test]
fn run_takes_the_only_backend() {
    bounded("the only backend", || {
        let value = anyscope::run(group(async |g| Ok(g.spawn(async { Ok(7) }).await?)));
        assert_eq!(value.unwrap(), 7);
    });
}
