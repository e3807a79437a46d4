//! `check`: a scenario under many seeds.

use std::env;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};

use anyscope_core::panic_message;

use crate::failure::{CheckFailure, Panicked, SEED_VARIABLE};
use crate::fault::{Faults, Horizon};
use crate::hook::{quietly, with_places};
use crate::schedule::Schedule;
use crate::shrink::{shrink, switches};
use crate::trace::Trace;
use crate::{Options, Sim, Simulation};

/// Runs a scenario under so many seeds, each another schedule: [`Check`] with nothing else set.
///
/// # Panics
///
/// If it fails under one of them, with the seed, the message, and the schedule shrunk to few switches.
///
/// # Examples
///
/// ```should_panic
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// use anyscope_core::{BoxError, Group};
///
/// // Two tasks raise a number by reading and writing it, with a suspension between.
/// anyscope_sim::check(100, async |rt| {
///     let number = Arc::new(AtomicU32::new(0));
///     let outcome = rt.group::<BoxError, _>(async |g| {
///         for _ in 0..2 {
///             let (number, rt) = (number.clone(), g.runtime());
///             g.spawn(async move {
///                 let read = number.load(Ordering::Relaxed);
///                 rt.spawn_blocking(|| ()).await?;
///                 number.store(read + 1, Ordering::Relaxed);
///                 Ok(())
///             });
///         }
///         Ok(())
///     });
///     outcome.await.unwrap();
///     assert_eq!(number.load(Ordering::Relaxed), 2, "an increment is lost");
/// });
/// ```
#[track_caller]
pub fn check<F: Future<Output = ()>>(seeds: u64, scenario: impl Fn(Sim) -> F) {
    Check::new().seeds(seeds).run(scenario);
}

/// How a scenario is tried out.
///
/// A run fails if the scenario panics, if nothing can run any more before all has ended, if it goes on for
/// ever, and if something outside the simulation meddles. When the scenario is done, all that it has left to
/// the runtime must end as well: what is detached for good hangs, and is reported.
///
/// With the environment variable `ANYSCOPE_SEED` each check runs that seed alone.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use anyscope_core::{BoxError, Group, Timer};
/// use anyscope_sim::{Check, Faults};
///
/// // Whenever it is cancelled and however late timers are, nothing is left behind.
/// let faults = Faults::none().cancel().late_timers(Duration::from_secs(1));
/// Check::new().seeds(200).faults(faults).run(async |rt| {
///     let outcome = rt.group::<BoxError, _>(async |g| {
///         let rt = g.runtime();
///         g.spawn(async move { Ok(rt.sleep(Duration::from_secs(5)).await) });
///         Ok(())
///     });
///     outcome.await.unwrap();
/// });
/// ```
#[derive(Clone, Debug)]
#[must_use = "a check does nothing until it is run"]
pub struct Check {
    seeds: u64,
    only: Option<u64>,
    mode: Mode,
    faults: Faults,
    max_steps: usize,
    shrink_runs: usize,
}

#[derive(Clone, Debug)]
enum Mode {
    One(Schedule),
    /// Bounded preemption, with the length of the runs measured.
    Pct(usize),
}

impl Check {
    /// A thousand seeds, random schedules, no faults.
    pub fn new() -> Self {
        Self {
            seeds: 1000,
            only: env::var(SEED_VARIABLE).ok().map(|seed| parse(&seed)),
            mode: Mode::One(Schedule::Random),
            faults: Faults::none(),
            max_steps: 100_000,
            shrink_runs: 1000,
        }
    }

    /// How many seeds: from zero.
    pub fn seeds(self, seeds: u64) -> Self {
        Self { seeds, ..self }
    }

    /// This seed alone, whatever the environment says.
    pub fn only_seed(self, seed: u64) -> Self {
        Self { only: Some(seed), ..self }
    }

    /// With priorities that change at so many points, in place of random orders: finds other
    /// faults, those that need few switches at the right places. See [`Schedule::Pct`].
    pub fn pct(self, changes: usize) -> Self {
        Self { mode: Mode::Pct(changes), ..self }
    }

    /// With this schedule.
    pub fn schedule(self, schedule: Schedule) -> Self {
        Self { mode: Mode::One(schedule), ..self }
    }

    /// What goes wrong.
    pub fn faults(self, faults: Faults) -> Self {
        Self { faults, ..self }
    }

    /// After how many steps a run counts as one that does not end. The default is 100,000.
    pub fn max_steps(self, max_steps: usize) -> Self {
        Self { max_steps, ..self }
    }

    /// How many runs shrinking a failure may take. The default is a thousand.
    pub fn shrink_runs(self, shrink_runs: usize) -> Self {
        Self { shrink_runs, ..self }
    }

    /// Runs the scenario under each seed.
    ///
    /// # Panics
    ///
    /// With the failure, if there is one.
    #[track_caller]
    pub fn run<F: Future<Output = ()>>(&self, scenario: impl Fn(Sim) -> F) {
        if let Err(failure) = self.try_run(scenario) {
            panic!("{failure}");
        }
    }

    /// Runs the scenario under each seed, and gives the first failure.
    ///
    /// # Errors
    ///
    /// The failure. Its panics have been printed as usual, those of the runs that shrink it have not.
    #[track_caller]
    pub fn try_run<F: Future<Output = ()>>(
        &self,
        scenario: impl Fn(Sim) -> F,
    ) -> Result<(), Box<CheckFailure>> {
        let horizon = self.horizon(&scenario);
        let seeds = if self.only.is_some() { 0 } else { self.seeds };
        for (before, seed) in (0..seeds).chain(self.only).enumerate() {
            let options = self.options(seed, horizon);
            if let Outcome { failure: Some(failure), trace } = one_run(options, &scenario) {
                let tried = before as u64 + 1;
                let failure = self.explain(seed, tried, horizon, (failure, trace), &scenario);
                return Err(Box::new(failure));
            }
        }
        Ok(())
    }

    /// How long a run is without faults: what moments are drawn from. Not a matter of the seed.
    #[track_caller]
    fn horizon<F: Future<Output = ()>>(&self, scenario: &impl Fn(Sim) -> F) -> Horizon {
        let needs = self.faults != Faults::none() || matches!(self.mode, Mode::Pct(_));
        if !needs {
            return Horizon::default();
        }
        let options = Options::seed(0).schedule(Schedule::Fifo).max_steps(self.max_steps);
        let Outcome { trace, .. } = quietly(|| one_run(options, scenario));
        Horizon { polls: trace.polls_of_main().max(1), steps: trace.turns().max(1) }
    }

    fn options(&self, seed: u64, horizon: Horizon) -> Options {
        let schedule = match &self.mode {
            Mode::One(schedule) => schedule.clone(),
            Mode::Pct(changes) => Schedule::Pct { changes: *changes, steps: horizon.steps },
        };
        let faults = self.faults.clone().within(horizon);
        Options::seed(seed).schedule(schedule).faults(faults).max_steps(self.max_steps)
    }

    /// Shrinks the schedule of a failure, and runs it once more for the names in it.
    #[track_caller]
    fn explain<F: Future<Output = ()>>(
        &self,
        seed: u64,
        tried: u64,
        horizon: Horizon,
        (failure, first_trace): (Panicked, Trace),
        scenario: &impl Fn(Sim) -> F,
    ) -> CheckFailure {
        let longest = first_trace.steps().len() * 4 + 100;
        let replay = |switches: &[_]| {
            let schedule = Schedule::Switches(switches.to_vec());
            self.options(seed, horizon).schedule(schedule).max_steps(longest)
        };
        let all = switches(&first_trace);
        let (shrunk, last) = quietly(|| {
            let shrunk = shrink(all.clone(), self.shrink_runs, |switches| {
                one_run(replay(switches), scenario).fails_as(&failure)
            });
            let last = one_run(replay(&shrunk).labels(), scenario);
            (shrunk, last)
        });
        let (switches, trace, replayed) = match last.fails_as(&failure) {
            true => (shrunk, last.trace, last.failure.map(|again| again.message)),
            false => (all, first_trace.clone(), None),
        };
        let message = failure.message;
        CheckFailure { seed, tried, message, first_trace, trace, switches, replayed }
    }
}

impl Default for Check {
    fn default() -> Self {
        Self::new()
    }
}

/// What became of one run: `None` for the failure if it was well.
struct Outcome {
    failure: Option<Panicked>,
    trace: Trace,
}

impl Outcome {
    fn fails_as(&self, failure: &Panicked) -> bool {
        self.failure.as_ref().is_some_and(|own| own.is_same(failure))
    }
}

#[track_caller]
fn one_run<F: Future<Output = ()>>(options: Options, scenario: &impl Fn(Sim) -> F) -> Outcome {
    let simulation = Simulation::new(options);
    let (ran, places) = with_places(|| {
        catch_unwind(AssertUnwindSafe(|| {
            simulation.run_or_cut(scenario);
            simulation.drain();
        }))
    });
    let failure = ran.err().map(|payload| {
        let message = panic_message(&*payload).to_owned();
        Panicked { places: places.of(&message), message }
    });
    Outcome { failure, trace: simulation.trace() }
}

fn parse(seed: &str) -> u64 {
    seed.trim().parse().unwrap_or_else(|_| panic!("{SEED_VARIABLE}={seed} is not a number"))
}
