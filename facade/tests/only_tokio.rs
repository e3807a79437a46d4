//! tokio as the only backend: it has no global runtime.

#![cfg(all(feature = "tokio", not(any(feature = "smol", feature = "async-std"))))]

#[path = "support/bounded.rs"]
mod bounded;
#[path = "support/panics.rs"]
mod panics;

use std::time::Duration;

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
fn future_without_a_runtime_says_where_it_was_made() {
    bounded("tokio", || {
        let says_where = |panic: String| panic.contains(FIX) && panic.contains(file!());
        let group = group(async |_| Ok(()));
        assert!(says_where(panic_of(|| block_on(group))));
        let sleep = sleep(Duration::ZERO);
        assert!(says_where(panic_of(|| block_on(sleep))));
        let limited = timeout(Duration::ZERO, async {});
        assert!(says_where(panic_of(|| block_on(limited).is_ok())));
    });
}

#[test]
fn run_takes_the_only_backend() {
    bounded("tokio", || {
        let value = anyscope::run(group(async |g| Ok(g.spawn(async { Ok(7) }).await?)));
        assert_eq!(value.unwrap(), 7);
    });
}
