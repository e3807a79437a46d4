//! The suite catches broken backends: each fault fails the case that is named for it, and the
//! healthy backend passes the same case.

#[path = "faults/backend.rs"]
mod backend;
#[path = "faults/mortal.rs"]
mod mortal;
#[path = "reference/threads.rs"]
#[allow(unreachable_pub)] // written as a crate of its own would be
mod threads;

use std::time::Duration;

use anyscope_conformance::{Flavour, run_case};
use backend::{Fault, Host};

/// How the case sees a fault.
#[derive(Clone, Copy, PartialEq)]
enum Seen {
    /// It fails by itself.
    Fails,
    /// It waits for what does not come.
    Hangs,
}

/// A healthy backend passes the case; one with the fault fails it, directly and erased.
fn assert_fails(fault: Fault, case: &str) {
    assert_both(Seen::Fails, Host::start, fault, case);
}

/// The same of a fault with which the case hangs.
fn assert_hangs(fault: Fault, case: &str) {
    assert_both(Seen::Hangs, Host::start, fault, case);
}

fn assert_both(seen: Seen, start: fn(Fault) -> Host, fault: Fault, case: &str) {
    assert_seen(seen, start, fault, case);
    assert_seen(seen, start, fault, &format!("any/{case}"));
}

/// On a loaded machine a case may take long: that alone must not pass for a fault that it sees.
fn assert_seen(seen: Seen, start: fn(Fault) -> Host, fault: Fault, case: &str) {
    let healthy = Flavour::new("healthy", move || start(Fault::None));
    run_case(&healthy, case).expect("the healthy backend passes");
    let faulty = Flavour::new("faulty", move || start(fault));
    let faulty = if seen == Seen::Hangs { faulty.time_limit(LIMIT) } else { faulty };
    let caught = run_case(&faulty, case).expect_err("the faulty backend is caught");
    assert_eq!(caught.starts_with("hangs: "), seen == Seen::Hangs, "{case}: {caught}");
}

/// Of those that hang. The others have the common one.
const LIMIT: Duration = Duration::from_secs(2);

#[test]
fn swallows_a_panic() {
    assert_fails(Fault::SwallowsPanic, "runtime::p1_panic_reaches_the_thread_that_blocks");
}

#[test]
fn leaks_a_child() {
    assert_hangs(Fault::LeaksTask, "group::g1_waits_for_every_child");
}

#[test]
fn leaks_what_drives_an_open_group() {
    assert_hangs(Fault::LeaksTask, "open_group::g24_close_waits_for_all_and_gives_the_value");
}

#[test]
fn drops_a_task_without_saying_so() {
    assert_hangs(Fault::DropsTask, "runtime::r1_started_future_ends_or_its_handle_says_so");
}

#[test]
fn reports_finished_before_the_destructor_ran() {
    let case = "runtime::t3_await_resolves_after_the_destructor";
    assert_fails(Fault::ResolvesEarly, case);
}

#[test]
fn cuts_a_task_with_its_handle() {
    assert_hangs(Fault::CutsWithItsHandle, "runtime::r1_task_runs_to_its_end_without_its_handle");
}

#[test]
fn ignores_cancellation() {
    assert_hangs(Fault::IgnoresForeignWakes, "runtime::c7_cancel_from_a_foreign_thread");
}

#[test]
fn loses_a_wake_up() {
    assert_hangs(Fault::LosesWakesInPoll, "isolation::x2_tasks_on_one_thread_see_their_own");
}

#[test]
fn has_a_root_for_each_value() {
    // The erased runtime shares the one value that it was made from.
    let case = "roots::r6_values_of_one_runtime_share_the_root";
    assert_seen(Seen::Fails, Host::start, Fault::HasManyRoots, case);
}

#[test]
fn runs_a_job_on_the_async_thread() {
    let case = "jobs::b1_runs_off_the_async_threads_and_gives_its_value";
    assert_fails(Fault::RunsJobsInPlace, case);
}

#[test]
fn drops_a_job() {
    assert_fails(Fault::DropsJobs, "pools::b1_more_jobs_than_threads_all_run");
}

#[test]
fn forgets_a_job() {
    assert_hangs(Fault::ForgetsJobs, "jobs::b4_dropped_handle_lets_the_job_run_on");
}

#[test]
fn starts_a_thread_for_each_job() {
    assert_fails(Fault::HasNoBound, "blocking::b2_no_more_jobs_run_at_once_than_the_bound");
}

#[test]
fn has_one_bound_for_all_values() {
    assert_hangs(Fault::SharesItsBound, "blocking::b2_bound_is_that_of_the_value_and_its_clones");
}

#[test]
fn lets_a_job_wait_although_a_thread_is_allowed() {
    assert_hangs(Fault::HasFewerThreads, "blocking::b2_as_many_jobs_run_at_once_as_the_bound");
}

#[test]
fn runs_the_second_of_two_jobs_first() {
    let case = "blocking::b2_jobs_start_in_the_order_in_which_they_came";
    assert_fails(Fault::ServesTheLastFirst, case);
}

#[test]
fn starts_a_thread_for_each_cpu_job() {
    let case = "pools::u1_no_more_jobs_run_at_once_than_the_pool_has_threads";
    assert_fails(Fault::HasNoCpuBound, case);
}

#[test]
fn runs_a_cpu_job_on_the_async_thread() {
    assert_fails(Fault::RunsCpuInPlace, "jobs::u1_cpu_jobs_run_apart_from_the_others");
}

#[test]
fn runs_cpu_jobs_with_the_blocking_ones() {
    assert_fails(Fault::HasOnePool, "jobs::u1_cpu_jobs_run_apart_from_the_others");
}

#[test]
fn fires_a_timer_early() {
    assert_fails(Fault::FiresEarly, "runtime::r4_timer_does_not_fire_early");
}

#[test]
fn never_fires_a_timer() {
    assert_fails(Fault::NeverFires, "runtime::r4_zero_and_past_fire_at_once");
}

#[test]
fn ignores_that_a_timer_is_reset() {
    assert_fails(Fault::IgnoresReset, "runtime::r4_timer_reset_to_later_does_not_fire_before");
}

#[test]
fn has_a_stopped_clock() {
    assert_fails(Fault::HasAStoppedClock, "runtime::r4_timer_does_not_fire_early");
}

#[test]
fn leaks_tasks_at_shutdown() {
    let case = "shutdown::r1_shutdown_drops_tasks_and_their_handles_say_so";
    assert_both(Seen::Fails, Host::start_mortal, Fault::LeaksAtShutdown, case);
}

#[test]
fn leaves_a_waiter_hanging_at_shutdown() {
    let case = "shutdown::r1_shutdown_wakes_who_waits_in_another_thread";
    assert_both(Seen::Hangs, Host::start_mortal, Fault::LeaksAtShutdown, case);
}

#[test]
fn tells_of_the_shutdown_before_it_drops() {
    let case = "shutdown::t3_shutdown_tells_nobody_before_the_destructor_has_run";
    assert_seen(Seen::Fails, Host::start_mortal, Fault::TellsBeforeItDrops, case);
}

#[test]
fn keeps_what_is_spawned_after_the_shutdown() {
    let case = "shutdown::r5_spawn_on_a_dead_runtime_drops_the_future";
    assert_both(Seen::Hangs, Host::start_mortal, Fault::KeepsWhatComesTooLate, case);
}

#[test]
fn panics_after_the_shutdown() {
    let case = "shutdown::r5_group_on_a_dead_runtime_is_cancelled";
    assert_both(Seen::Fails, Host::start_mortal, Fault::PanicsWhenDead, case);
}

#[test]
fn shows_the_backend_that_is_tested() {
    let shown = include_str!("../../docs/adding-a-backend.md");
    let real = include_str!("reference/threads.rs");
    let begin = real.find("#[derive(Clone)]").expect("the backend begins there");
    assert!(shown.contains(&real[begin..]), "the code in docs/adding-a-backend.md has moved on");
    let lines = real[begin..].lines().filter(|line| !line.trim().is_empty()).count();
    assert!(lines <= 65, "{lines} lines are no longer a page");
}
