//! Several backends: nothing is chosen silently.

#![cfg(any(
    all(feature = "tokio", feature = "smol"),
    all(feature = "tokio", feature = "async-std"),
    all(feature = "smol", feature = "async-std")
))]

#[path = "support/bounded.rs"]
mod bounded;
#[path = "support/each.rs"]
mod each;
#[path = "support/panics.rs"]
mod panics;

use anyscope::prelude::*;
use futures_executor::block_on;

use bounded::bounded;
use each::on_each;
use panics::panic_of;

const FIX: &str = "several backends enabled and cannot choose";

#[test]
fn outside_any_task_ambient_calls_panic_and_name_the_fix() {
    bounded("none", || {
        assert!(panic_of(anyscope::current_runtime).contains(FIX));
        assert!(panic_of(|| spawn_cpu(|| 1)).contains("anyscope::set_default_runtime"));
        let group = group(async |_| Ok(()));
        assert!(panic_of(|| block_on(group)).contains(FIX));
    });
}

#[test]
fn run_panics_and_names_the_fix() {
    bounded("none", || {
        let text = panic_of(|| anyscope::run(async {}));
        assert!(text.contains("`run` cannot choose"), "{text}");
        assert!(text.contains("anyscope::tokio::run"), "{text}");
    });
}

#[test]
fn who_enabled_a_second_one_is_to_be_looked_for_by_its_name() {
    let texts = [
        anyscope::try_current_runtime().unwrap_err().to_string(),
        panic_of(|| anyscope::run(async {})),
    ];
    for text in texts {
        let names = text.split_once("; enabled are ").expect("it ends with the names").1;
        assert_eq!(names.contains("`tokio`"), cfg!(feature = "tokio"), "{text}");
        assert_eq!(names.contains("`smol`"), cfg!(feature = "smol"), "{text}");
        assert_eq!(names.contains("`async-std`"), cfg!(feature = "async-std"), "{text}");
    }
}

#[test]
fn each_run_finds_its_own_runtime() {
    let found = || format!("{:?}", anyscope::current_runtime());
    #[cfg(feature = "tokio")]
    bounded("tokio", move || assert!(anyscope::tokio::run(async { found() }).contains("Tokio")));
    #[cfg(feature = "smol")]
    bounded("smol", move || assert!(anyscope::smol::run(async { found() }).contains("Smol")));
    #[cfg(feature = "async-std")]
    bounded("async-std", move || {
        assert!(anyscope::async_std::run(async { found() }).contains("AsyncStd"));
    });
}

#[test]
fn a_task_stays_on_its_runtime_when_a_tokio_runtime_is_entered() {
    on_each(async || {
        let before = format!("{:?}", anyscope::current_runtime());
        let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let after = {
            let _entered = tokio.enter();
            format!("{:?}", anyscope::current_runtime())
        };
        tokio.shutdown_background();
        assert_eq!(before, after);
    });
}
