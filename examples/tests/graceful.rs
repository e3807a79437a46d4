//! A program that signals stop: what its tasks do, what it reports, and with which code it ends.

#![cfg(unix)]

#[path = "support/running.rs"]
mod running;

use std::os::unix::process::ExitStatusExt;

use running::{End, Running, example, wait_until};

const RUNTIMES: [&str; 3] = ["tokio", "smol", "async-std"];

const HOUR: &str = "3600000";

/// A program whose tasks all run.
fn start(runtime: &str, grace: &str, tasks: &[&str]) -> Running {
    let running = Running::start(example("graceful").args([runtime, grace]).args(tasks));
    tasks.iter().for_each(|task| wait_to_read(&running, &format!("{task}: running\n")));
    running
}

fn wait_to_read(running: &Running, text: &str) {
    wait_until(text, || String::from_utf8_lossy(&running.output()).contains(text));
}

fn assert_ended(end: &End, code: i32, report: &str, runtime: &str) {
    assert_eq!(end.status.code(), Some(code), "{runtime}: {}", end.err);
    assert!(end.err.starts_with(report), "{runtime}: {}", end.err);
}

/// The report lists the task, with its name and place.
fn assert_lists(end: &End, name: &str) {
    let line = end.err.lines().find(|line| line.contains(&format!("'{name}'")));
    let line = line.unwrap_or_else(|| panic!("{name} is not in: {}", end.err));
    assert!(line.starts_with("  task #") && line.contains("examples/graceful.rs:"), "{line}");
}

#[test]
fn tasks_that_end_when_they_are_told_are_waited_for() {
    for runtime in RUNTIMES {
        for (signal, code) in [("INT", 130), ("TERM", 143)] {
            let mut running = start(runtime, HOUR, &["polite"]);
            running.signal(signal);
            let end = running.end();
            assert_ended(&end, code, &format!("stopped by SIG{signal}\n"), runtime);
            assert!(end.out.contains("polite: told (shutdown)\n"), "{}", end.out);
        }
    }
}

#[test]
fn who_does_not_end_in_the_grace_period_is_dropped_cleaned_up_and_listed() {
    for runtime in RUNTIMES {
        let mut grace = 20;
        while !the_polite_one_ended_in(grace, runtime) {
            grace *= 2; // the machine stood still
            assert!(grace < 30_000, "{runtime}: it is not told");
        }
    }
}

/// Whether a grace period of so many milliseconds was enough for it; for the stubborn one none is.
fn the_polite_one_ended_in(grace: u64, runtime: &str) -> bool {
    let mut running = start(runtime, &grace.to_string(), &["polite", "stubborn"]);
    running.signal("TERM");
    let end = running.end();
    assert_ended(&end, 143, "stopped by SIGTERM; ", runtime);
    assert_lists(&end, "stubborn");
    assert!(end.out.contains("stubborn: cleaned up"), "{}", end.out);
    end.out.contains("polite: told") && !end.err.contains("'polite'")
}

#[test]
fn a_second_signal_does_not_wait_for_the_grace_period() {
    for runtime in RUNTIMES {
        for (first, second) in [("INT", "INT"), ("TERM", "TERM"), ("INT", "TERM")] {
            let mut running = start(runtime, HOUR, &["polite", "stubborn"]);
            running.signal(first);
            wait_to_read(&running, "polite: told (shutdown)\n");
            running.signal(second);
            let end = running.end();
            let code = if first == "INT" { 130 } else { 143 };
            assert_ended(&end, code, &format!("stopped by SIG{first}; "), runtime);
            assert_lists(&end, "stubborn");
            assert!(end.out.contains("stubborn: cleaned up"), "{}", end.out);
        }
    }
}

#[test]
fn a_third_signal_ends_the_process_as_by_default() {
    for runtime in RUNTIMES {
        let mut running = start(runtime, HOUR, &["polite", "stuck"]);
        running.signal("INT");
        wait_to_read(&running, "polite: told (shutdown)\n");
        running.signal("INT");
        wait_to_read(&running, "stuck: cleaning up\n");
        running.signal("TERM");
        let end = running.end();
        assert_eq!(end.status.signal(), Some(15), "{runtime}: {}", end.err);
    }
}

#[test]
fn failures_while_stopping_are_reported_and_are_the_exit_code() {
    for runtime in RUNTIMES {
        let mut running = start(runtime, HOUR, &["failing"]);
        running.signal("TERM");
        let end = running.end();
        assert_ended(&end, 1, "stopped by SIGTERM\ngroup failed: 1 failure\n", runtime);
        assert!(end.err.contains("'failing'") && end.err.contains("last words"), "{}", end.err);
    }
}

#[test]
fn failures_without_a_signal_are_reported() {
    for runtime in RUNTIMES {
        let end = Running::start(example("graceful").args([runtime, HOUR, "other"])).end();
        assert_ended(&end, 1, "failed\ngroup failed: 1 failure\n", runtime);
    }
}
