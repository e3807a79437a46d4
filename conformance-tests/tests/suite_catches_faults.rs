//! The suite catches broken backends: each fault fails the case that is named for it, and the
//! healthy backend passes the same case.

#[path = "faults/backend.rs"]
mod backend;
#[path = "reference/threads.rs"]
#[allow(unreachable_pub)] // written as a crate of its own would be
mod threads;

use std::time::Duration;

use anyscope_conformance::{Flavour, run_case};
use backend::{Fault, Faulty};

/// A healthy backend passes the case; one with the fault does not, directly and erased.
fn assert_catches(fault: Fault, case: &str) {
    assert_catches_case(fault, case);
    assert_catches_case(fault, &format!("any/{case}"));
}

fn assert_catches_case(fault: Fault, case: &str) {
    let healthy = Flavour::new("healthy", || Faulty::start(Fault::None));
    let faulty = Flavour::new("faulty", move || Faulty::start(fault)).time_limit(LIMIT);
    run_case(&healthy, case).expect("the healthy backend passes");
    let caught = run_case(&faulty, case).expect_err("the faulty backend is caught");
    eprintln!("{case}: {caught}");
}

/// Only the faults that hang reach it.
const LIMIT: Duration = Duration::from_secs(2);

#[test]
fn swallows_a_panic() {
    assert_catches(Fault::SwallowsPanic, "runtime::p1_panic_reaches_the_thread_that_blocks");
}

#[test]
fn leaks_a_child() {
    assert_catches(Fault::LeaksTask, "group::g1_waits_for_every_child");
}

#[test]
fn drops_a_task_without_saying_so() {
    assert_catches(Fault::DropsTask, "runtime::r1_started_future_ends_or_its_handle_says_so");
}

#[test]
fn reports_finished_before_the_destructor_ran() {
    // The erased runtime has a handle of its own and never asks the native one.
    assert_catches_case(Fault::ResolvesEarly, "runtime::t3_await_resolves_after_the_destructor");
}

#[test]
fn ignores_cancellation() {
    assert_catches(Fault::IgnoresForeignWakes, "runtime::c7_cancel_from_a_foreign_thread");
}

#[test]
fn loses_a_wake_up() {
    assert_catches(Fault::LosesWakesInPoll, "context::x2_tasks_on_one_thread_see_their_own");
}

#[test]
fn runs_a_job_on_the_async_thread() {
    assert_catches(
        Fault::RunsJobsInPlace,
        "jobs::b1_runs_off_the_async_threads_and_gives_its_value",
    );
}

#[test]
fn forgets_a_job() {
    assert_catches(Fault::ForgetsJobs, "jobs::b4_dropped_handle_lets_the_job_run_on");
}

#[test]
fn runs_cpu_jobs_with_the_blocking_ones() {
    assert_catches(Fault::RunsCpuInPlace, "jobs::u1_cpu_jobs_run_apart_from_the_others");
}

#[test]
fn fires_a_timer_early() {
    assert_catches(Fault::FiresEarly, "runtime::r4_timer_does_not_fire_early");
}

#[test]
fn never_fires_a_timer() {
    assert_catches(Fault::NeverFires, "runtime::r4_zero_and_past_fire_at_once");
}

#[test]
fn shows_the_backend_that_is_tested() {
    let shown = include_str!("../../docs/adding-a-backend.md");
    let real = include_str!("reference/threads.rs");
    let begin = real.find("#[derive(Clone)]").expect("the backend begins there");
    assert!(shown.contains(&real[begin..]), "the code in docs/adding-a-backend.md has moved on");
}
