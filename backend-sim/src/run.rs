//! `run`: one run with one seed.

use std::future::Future;

use crate::{Options, Sim, Simulation};

/// Runs a future on a new simulation with this seed, and gives its value, after all that was opened in
/// it has ended (G2).
///
/// # Panics
///
/// With the panic of `main`; if nothing can run any more before it is ready; if something outside the
/// simulation wakes one of its tasks; and inside a task.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use anyscope_core::Timer;
///
/// let slept = anyscope_sim::run(1, async |rt| {
///     let begin = rt.now();
///     rt.sleep(Duration::from_secs(3600)).await;
///     rt.now() - begin
/// });
/// assert_eq!(slept, Duration::from_secs(3600)); // and no time has passed
/// ```
#[track_caller]
pub fn run<F: Future>(seed: u64, main: impl FnOnce(Sim) -> F) -> F::Output {
    Simulation::new(Options::seed(seed)).run(main)
}
