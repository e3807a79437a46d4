//! Without a backend: what needs none works, the rest says what to do.

#![cfg(not(any(feature = "tokio", feature = "smol", feature = "async-std")))]

#[path = "support/bounded.rs"]
mod bounded;
#[path = "support/panics.rs"]
mod panics;

use anyscope::prelude::*;
use futures_executor::block_on;

use bounded::bounded;
use panics::panic_of;

const FIX: &str = "enable one of its features `tokio`, `smol` and `async-std`";

#[test]
fn ambient_calls_panic_and_name_the_fix() {
    bounded("no backend", || {
        assert!(panic_of(anyscope::current_runtime).contains(FIX));
        assert!(panic_of(|| spawn_blocking(|| 1)).contains(FIX));
        assert!(panic_of(|| spawn_cpu(|| 1)).contains(FIX));
        assert!(panic_of(|| block_on(sleep(std::time::Duration::ZERO))).contains(FIX));
        assert!(panic_of(|| anyscope::run(async {})).contains(FIX));
    });
}

#[test]
fn a_group_panics_when_it_is_polled_and_not_before() {
    bounded("no backend", || {
        let group = group(async |_| Ok(()));
        assert!(panic_of(|| block_on(group)).contains(FIX));
    });
}

#[test]
fn who_can_do_without_gets_a_value() {
    let none = anyscope::try_current_runtime().unwrap_err();
    assert!(none.to_string().contains(FIX));
}

#[test]
fn a_scope_needs_no_runtime() {
    bounded("no backend", || {
        let numbers = [1, 2];
        let sum = scope(async |s| {
            let a = s.spawn(async { Ok(numbers[0]) });
            let b = s.spawn(async { Ok(numbers[1]) });
            Ok(a.await? + b.await?)
        });
        assert_eq!(block_on(sum).unwrap(), 3);
    });
}
