//! tokio as the only backend: it has no global runtime.

#![cfg(all(feature = "tokio", not(any(feature = "smol", feature = "async-std"))))]

#[path = "support/bounded.rs"]
mod bounded;
#[path = "support/panics.rs"]
mod panics;

use anyscope::prelude::*;
use futures_executor::block_on;

use bounded::bounded;
use panics::panic_of;

const FIX: &str = "outside a tokio runtime: call it inside one";

#[test]
fn outside_a_runtime_ambient_calls_panic_and_name_the_fix() {
    bounded("tokio", || {
        assert!(panic_of(anyscope::current_runtime).contains(FIX));
        assert!(panic_of(|| spawn_blocking(|| 1)).contains(FIX));
        let group = group(async |_| Ok(()));
        assert!(panic_of(|| block_on(group)).contains(FIX));
    });
}

#[test]
fn run_takes_the_only_backend() {
    bounded("tokio", || {
        let value = anyscope::run(group(async |g| Ok(g.spawn(async { Ok(7) }).await?)));
        assert_eq!(value.unwrap(), 7);
    });
}
