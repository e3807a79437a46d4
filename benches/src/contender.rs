//! One way to do the work of a scenario.

use std::future::Future;
use std::time::Instant;

use crate::Backend;

/// What one run of a contender gave.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// What is measured: nanoseconds of the whole run, or what the scenario says.
    pub value: f64,
    /// What the work came to, to be compared with what it has to be.
    pub sum: u64,
}

/// Why a contender cannot run here.
#[derive(Clone, Debug)]
pub struct Skipped(pub String);

type Run = Box<dyn Fn(usize) -> Result<Sample, Skipped>>;

/// One way to do the work of a scenario, on one backend.
pub struct Contender {
    /// As it is called in tables and goals.
    pub name: &'static str,
    most: usize,
    /// Whether its heap is that of this process.
    pub is_here: bool,
    run: Run,
}

impl Contender {
    /// A future that runs as a task of the backend and is timed as a whole.
    pub fn task<B: Backend, F>(
        name: &'static str,
        backend: &B,
        work: impl Fn(B, usize) -> F + 'static,
    ) -> Self
    where
        F: Future<Output = u64> + Send + 'static,
    {
        let timed = move |backend: B, n| {
            let work = work(backend, n);
            async move {
                let begin = Instant::now();
                let sum = work.await;
                Sample::since(begin, sum)
            }
        };
        Self::part(name, backend, timed)
    }

    /// A future that runs as a task of the backend and measures a part of itself.
    pub fn part<B: Backend, F>(
        name: &'static str,
        backend: &B,
        work: impl Fn(B, usize) -> F + 'static,
    ) -> Self
    where
        F: Future<Output = Sample> + Send + 'static,
    {
        let backend = backend.clone();
        Self::new(name, move |n| Ok(backend.drive(work(backend.clone(), n))))
    }

    /// Work that is done on the measuring thread and timed as a whole.
    pub fn plain(name: &'static str, work: impl Fn(usize) -> u64 + 'static) -> Self {
        Self::new(name, move |n| {
            let begin = Instant::now();
            let sum = work(n);
            Ok(Sample::since(begin, sum))
        })
    }

    /// Work that measures itself and may not be possible here.
    pub fn new(
        name: &'static str,
        run: impl Fn(usize) -> Result<Sample, Skipped> + 'static,
    ) -> Self {
        Self { name, most: usize::MAX, is_here: true, run: Box::new(run) }
    }

    /// It is left out where there is more to do, because it would take too long.
    pub fn up_to(self, most: usize) -> Self {
        Self { most, ..self }
    }

    /// What it does on the heap is done in other processes.
    pub fn elsewhere(self) -> Self {
        Self { is_here: false, ..self }
    }

    /// It is left out where there is a reason.
    pub fn unless(self, reason: fn() -> Option<String>) -> Self {
        Self::new(self.name, move |n| match reason() {
            Some(reason) => Err(Skipped(reason)),
            None => self.run(n),
        })
    }

    /// Whether it takes part at this size.
    pub fn takes(&self, size: usize) -> bool {
        size <= self.most
    }

    /// One run.
    ///
    /// # Errors
    ///
    /// The reason why it cannot run on this machine.
    pub fn run(&self, n: usize) -> Result<Sample, Skipped> {
        (self.run)(n)
    }
}

impl Sample {
    /// The nanoseconds since `begin`.
    pub fn since(begin: Instant, sum: u64) -> Self {
        Self { value: begin.elapsed().as_nanos() as f64, sum }
    }
}
