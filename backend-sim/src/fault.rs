//! Faults: what goes wrong in a run, on purpose.

use std::time::Duration;

use crate::rng::Rng;

/// What goes wrong in a run, on purpose: to see that code under test holds where the world does not. None
/// by default.
///
/// Where and how often is drawn from the seed, for each fault by itself; the forms that end in `_at` say
/// where, counted from zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    cancel: Moment,
    spawn: Moment,
    job: Moment,
    shut_down: Moment,
    late: Option<Duration>,
    /// Moments are drawn below this: about as many as a run has.
    horizon: Horizon,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Moment {
    #[default]
    Never,
    Drawn,
    At(usize),
}

/// How long runs are without faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Horizon {
    pub(crate) polls: usize,
    pub(crate) steps: usize,
}

impl Default for Horizon {
    fn default() -> Self {
        Self { polls: 8, steps: 64 }
    }
}

impl Faults {
    /// No faults.
    pub fn none() -> Self {
        Self::default()
    }

    /// The main future is dropped instead of one of its polls, as a timeout or `select!` would do it, and all
    /// that it has begun must end.
    pub fn cancel(self) -> Self {
        Self { cancel: Moment::Drawn, ..self }
    }

    /// The main future is dropped instead of this poll.
    pub fn cancel_at(self, poll: usize) -> Self {
        Self { cancel: Moment::At(poll), ..self }
    }

    /// Some tasks are refused by the runtime, as by one that is shutting down: their futures are dropped.
    pub fn refuse_spawns(self) -> Self {
        Self { spawn: Moment::Drawn, ..self }
    }

    /// This task is refused.
    pub fn refuse_spawn_at(self, task: usize) -> Self {
        Self { spawn: Moment::At(task), ..self }
    }

    /// Some jobs panic before they have done anything.
    pub fn panicking_jobs(self) -> Self {
        Self { job: Moment::Drawn, ..self }
    }

    /// This job panics.
    pub fn panicking_job_at(self, job: usize) -> Self {
        Self { job: Moment::At(job), ..self }
    }

    /// The runtime is shut down under the main future, which goes on: tasks are dropped, jobs that have not
    /// begun never run, and what is spawned later is refused.
    pub fn shut_down(self) -> Self {
        Self { shut_down: Moment::Drawn, ..self }
    }

    /// The runtime is shut down before this step.
    pub fn shut_down_at(self, step: usize) -> Self {
        Self { shut_down: Moment::At(step), ..self }
    }

    /// Timers fire too late, by up to so much.
    pub fn late_timers(self, most: Duration) -> Self {
        Self { late: Some(most), ..self }
    }

    /// In runs of this length.
    pub(crate) fn within(self, horizon: Horizon) -> Self {
        Self { horizon, ..self }
    }
}

/// The faults of one run.
#[derive(Debug)]
pub(crate) struct Plan {
    rng: Rng,
    /// At which poll the main future is dropped.
    pub(crate) cancel_at: Option<usize>,
    shut_down_at: Option<usize>,
    spawn: Moment,
    spawned: usize,
    job: Moment,
    queued: usize,
    late: Option<Duration>,
}

impl Plan {
    pub(crate) fn new(faults: &Faults, seed: u64) -> Self {
        let mut rng = Rng::new(seed, FAULTS);
        let Horizon { polls, steps } = faults.horizon;
        let mut draw = |moment, below: usize| match moment {
            Moment::Never => None,
            Moment::Drawn => Some(rng.below(below.max(1))),
            Moment::At(moment) => Some(moment),
        };
        Self {
            cancel_at: draw(faults.cancel, polls),
            shut_down_at: draw(faults.shut_down, steps),
            spawn: faults.spawn,
            spawned: 0,
            job: faults.job,
            queued: 0,
            late: faults.late,
            rng,
        }
    }

    pub(crate) fn shuts_down_at(&self, step: usize) -> bool {
        self.shut_down_at.is_some_and(|at| at <= step)
    }

    pub(crate) fn refuses_spawn(&mut self) -> bool {
        self.spawned += 1;
        happens(self.spawn, self.spawned - 1, &mut self.rng)
    }

    pub(crate) fn job_panics(&mut self) -> bool {
        self.queued += 1;
        happens(self.job, self.queued - 1, &mut self.rng)
    }

    pub(crate) fn lateness(&mut self) -> Duration {
        let Some(most) = self.late.filter(|_| self.rng.one_in(2)) else {
            return Duration::ZERO;
        };
        let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.rng.next() % nanos.max(1))
    }
}

fn happens(moment: Moment, now: usize, rng: &mut Rng) -> bool {
    match moment {
        Moment::Never => false,
        Moment::Drawn => rng.one_in(OFTEN),
        Moment::At(moment) => moment == now,
    }
}

/// Of what may go wrong, one in so many does.
const OFTEN: usize = 8;

/// The stream of random numbers that decides the faults.
const FAULTS: u64 = 2;
