//! `Simulation`: one run, with its runtime, its clock and its trace.

use std::any::Any;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use anyscope_core::{LiveGroup, LiveWatch, root_future};

use crate::blocking::{THREADS, Threads};
use crate::drive::{self, Stepped};
use crate::fault::{Faults, Plan};
use crate::schedule::{Chooser, Schedule};
use crate::scheduler::Shared;
use crate::state::Work;
use crate::thread;
use crate::trace::{Trace, UnitKind};
use crate::{Sim, report};

/// What decides a run.
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) seed: u64,
    pub(crate) schedule: Schedule,
    pub(crate) faults: Faults,
    pub(crate) max_steps: usize,
    pub(crate) labels: bool,
}

impl Options {
    /// This seed, with [`Schedule::Random`] and without faults.
    pub fn seed(seed: u64) -> Self {
        let (schedule, faults) = Default::default();
        Self { seed, schedule, faults, max_steps: MAX_STEPS, labels: false }
    }

    /// Who runs next.
    pub fn schedule(self, schedule: Schedule) -> Self {
        Self { schedule, ..self }
    }

    /// What goes wrong.
    pub fn faults(self, faults: Faults) -> Self {
        Self { faults, ..self }
    }

    /// After how many steps a run counts as one that does not end, and panics. The default is a million.
    pub fn max_steps(self, max_steps: usize) -> Self {
        Self { max_steps, ..self }
    }

    /// Tasks have their names and spawn locations in the trace, and so have jobs, where it is certain which
    /// one a unit is. That costs a look at all that is alive for each.
    pub fn labels(self) -> Self {
        Self { labels: true, ..self }
    }
}

/// One run: owns what its [`Sim`] stands for, and drives it on the thread that made it.
///
/// Dropping it shuts the runtime down: its tasks are dropped, and jobs that have not begun never run.
///
/// # Examples
///
/// ```
/// use anyscope_core::{BoxError, Group};
/// use anyscope_sim::{Options, Simulation};
///
/// let simulation = Simulation::new(Options::seed(3));
/// simulation.run(async |rt| {
///     let outcome = rt.group::<BoxError, _>(async |g| {
///         g.spawn(async { Ok(()) });
///         Ok(())
///     });
///     outcome.await.unwrap();
/// });
/// assert_eq!(simulation.trace().to_string(), "main\ntask 1\nmain\n");
/// ```
pub struct Simulation {
    shared: Arc<Shared>,
    /// What all values share that have no threads of their own.
    blocking: Threads,
    watch: Rc<LiveWatch>,
}

impl Simulation {
    /// A run that has not begun.
    pub fn new(options: Options) -> Self {
        let Options { seed, schedule, faults, max_steps, labels } = options;
        let plan = Plan::new(&faults, seed);
        let shared = Shared::new(Chooser::new(schedule, seed), plan, labels, max_steps);
        let watch = Rc::new(LiveWatch::start());
        thread::enter(&shared, &watch);
        let blocking = Threads::of(&shared, THREADS);
        Self { shared, blocking, watch }
    }

    /// The runtime.
    pub fn runtime(&self) -> Sim {
        Sim { shared: self.shared.clone(), blocking: self.blocking.clone() }
    }

    /// Runs a future, and gives its value, after all that was opened in it has ended (G2).
    ///
    /// # Panics
    ///
    /// As [`run`](crate::run()).
    #[track_caller]
    pub fn run<F: Future>(&self, main: impl FnOnce(Sim) -> F) -> F::Output {
        let rt = self.runtime();
        self.block_on(root_future(&rt, main(rt.clone())))
    }

    /// Runs a future to its end, in no group, as in a plain `main` of another runtime. What it leaves
    /// behind goes on at the next call.
    ///
    /// # Panics
    ///
    /// As [`run`](crate::run()); and inside a step of the same simulation.
    pub fn block_on<F: Future>(&self, main: F) -> F::Output {
        let shared = &self.shared;
        assert!(shared.lock().running.is_none(), "`block_on` was called inside the simulation");
        let mut main = pin!(main);
        let Ok(id) = shared.add(UnitKind::Main, Work::Main) else {
            unreachable!("a main future is refused by nobody");
        };
        thread::enter(shared, &self.watch);
        let _leaves = Leaves(shared, id);
        let waker = shared.waker(id).expect("it was added, and leaves at the end");
        loop {
            let stepped = drive::step(shared, false).unwrap_or_else(|why| panic!("{why}"));
            if stepped == Stepped::Main {
                let polled = main.as_mut().poll(&mut Context::from_waker(&waker));
                shared.end_step();
                if let Poll::Ready(value) = polled {
                    if let Some(why) = shared.meddling() {
                        panic!("{why}");
                    }
                    return value;
                }
            }
        }
    }

    /// As `run`, but the main future may be cut by a fault; then there is no value.
    #[track_caller]
    pub(crate) fn run_or_cut<F: Future>(&self, main: impl FnOnce(Sim) -> F) -> Option<F::Output> {
        let rt = self.runtime();
        let mut main = Box::pin(Some(root_future(&rt, main(rt.clone()))));
        let mut left = self.shared.lock().plan.cancel_at;
        self.block_on(poll_fn(|cx| {
            if left == Some(0) {
                main.set(None);
            }
            left = left.map(|left| left.saturating_sub(1));
            main.as_mut().as_pin_mut().map_or(Poll::Ready(None), |main| main.poll(cx).map(Some))
        }))
    }

    /// Waits until all has ended that was left to the runtime.
    pub(crate) fn drain(&self) {
        self.block_on(self.shared.root.drained());
    }

    /// Shuts the runtime down: drops all tasks and all jobs that have not begun. Tasks that are spawned
    /// later are dropped at once (R5); the clock and the timers go on.
    pub fn shut_down(&self) {
        drive::shut_down(&self.shared);
    }

    /// What has happened so far.
    pub fn trace(&self) -> Trace {
        self.shared.lock().trace.clone()
    }

    /// The groups that are open, and what is alive in them.
    pub fn groups(&self) -> Vec<LiveGroup> {
        self.watch.groups(&self.shared.root)
    }

    /// The tree of what is alive, and what each part of it waits for, as a deadlock shows it.
    pub fn report(&self) -> String {
        report::tree(&self.shared, &self.groups())
    }
}

impl Drop for Simulation {
    /// All comes to its end, whatever panics in it; the first of the panics goes on then.
    fn drop(&mut self) {
        let shared = &self.shared;
        let mut first = None;
        // What has panicked is gone: each time there is less.
        while let Some(panic) = caught(|| drive::shut_down(shared)) {
            first.get_or_insert(panic);
        }
        for (id, seat) in shared.end() {
            seat.end(shared, id);
            let panic = caught(|| drop((shared.remove(id), seat)));
            first = first.or(panic);
        }
        thread::leave(shared);
        if let Some(panic) = first.filter(|_| !std::thread::panicking()) {
            resume_unwind(panic);
        }
    }
}

fn caught(f: impl FnOnce()) -> Option<Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(f)).err()
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation").finish_non_exhaustive()
    }
}

/// Takes the main future out of the simulation, also if it panics. Others that this thread drives, and that
/// are younger, are meant again by what asks which it is.
struct Leaves<'a>(&'a Arc<Shared>, crate::UnitId);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.end_step();
        drop(self.0.remove(self.1));
        thread::leave(self.0);
    }
}

const MAX_STEPS: usize = 1_000_000;
