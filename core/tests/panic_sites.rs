//! Where captured panics happened, as the hook writes it down (rule E1). A program of its own,
//! because the hook is the process's.

use std::sync::Mutex;
use std::{panic, thread};

use anyscope_core::{
    BoxError, GroupError, PanicPayload, PanicPolicy, Supervise, record_panic_sites, scope,
};
use futures_executor::block_on;

static BEFORE: Mutex<Vec<u32>> = Mutex::new(Vec::new());

fn captured<F: Future<Output = Result<(), BoxError>>>(task: F) -> PanicPayload {
    let failed: Result<(), GroupError> = block_on(
        scope(async |s| {
            s.spawn(task);
            Ok(())
        })
        .policy(Supervise)
        .panics(PanicPolicy::Capture),
    );
    let mut failures = failed.unwrap_err().into_failures().unwrap().into_failures();
    match failures.remove(0).into_kind() {
        anyscope_core::FailureKind::Panic(panic) => panic,
        other => panic!("not a panic: {other:?}"),
    }
}

/// Panics with another text when it is dropped.
struct Second;

impl Drop for Second {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("expected: the second");
        }
    }
}

fn place(line: u32) -> String {
    format!("{}:{line}:", file!())
}

#[test]
fn panic_knows_its_place_once_the_hook_is_there() {
    let before = captured(async { panic!("expected: before") });
    assert!(before.location().is_none() && before.backtrace().is_none());
    assert_eq!(before.to_string(), "panicked: expected: before");

    panic::set_hook(Box::new(|info| BEFORE.lock().unwrap().push(info.location().unwrap().line())));
    record_panic_sites();
    record_panic_sites();

    let line = line!() + 1;
    let panic = captured(async { panic!("expected: {}", "formatted") });
    assert!(panic.location().unwrap().starts_with(&place(line)), "{panic}");
    assert!(panic.to_string().ends_with(": expected: formatted"), "{panic}");
    assert!(panic.backtrace().is_some());
    assert_eq!(*BEFORE.lock().unwrap(), [line], "the hook that was there is called, once");

    // One that the task caught itself is not taken for the one that it ended with.
    let line = line!() + 3;
    let panic = captured(async {
        let _ = panic::catch_unwind(|| panic!("expected: caught"));
        panic!("expected: not caught")
    });
    assert!(panic.location().unwrap().starts_with(&place(line)), "{panic}");

    // Nor is one of the destructor that runs after it.
    let line = line!() + 4;
    let second = Second;
    let panic = captured(std::future::poll_fn(move |_| {
        let _ = &second;
        panic!("expected: the first")
    }));
    assert!(panic.location().unwrap().starts_with(&place(line)), "{panic}");

    // A panic without a text has a place too.
    let line = line!() + 1;
    let panic = captured(async { panic::panic_any(7) });
    assert!(panic.location().unwrap().starts_with(&place(line)), "{panic}");

    // One that did not go through the hook has none, whatever was caught before it.
    let panic = captured(async {
        let _ = panic::catch_unwind(|| panic!("expected: caught"));
        panic::resume_unwind(Box::new("expected: raised again"))
    });
    assert!(panic.location().is_none(), "{panic}");

    // Other threads' panics are their own.
    let _ = thread::spawn(|| panic!("expected: elsewhere")).join();
    let panic = captured(async { panic::resume_unwind(Box::new("expected: elsewhere")) });
    assert!(panic.location().is_none());
}
