//! The conformance suite on the simulated runtime: each case under a thousand seeds, or under that in
//! `ANYSCOPE_SEED` alone.

use std::cell::RefCell;
use std::env;
use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use anyscope_conformance::{Flavour, Harness, Turns, use_turns};
use anyscope_sim::{
    Options, Sim, Simulation, block_for, block_until, give_way, is_simulated, spawn_thread,
};

fn main() -> ExitCode {
    use_turns(OfSimulation);
    let seeds = match env::var("ANYSCOPE_SEED") {
        Ok(seed) => seed.parse().map(|seed| seed..seed + 1).expect("a number in ANYSCOPE_SEED"),
        Err(_) => 0..seeds(),
    };
    let flavour = Flavour::seeded("sim", seeds, start);
    anyscope_conformance::main([flavour.can_shut_down().time_limit(LIMIT)])
}

fn start(seed: u64) -> Host {
    drop(LAST.take());
    Host(Simulation::new(Options::seed(seed)))
}

/// A thousand, or as many as `ANYSCOPE_SEEDS` says.
fn seeds() -> u64 {
    let asked = env::var("ANYSCOPE_SEEDS").ok();
    asked.map_or(1000, |seeds| seeds.parse().expect("a number in ANYSCOPE_SEEDS"))
}

struct Host(Simulation);

impl Harness for Host {
    type Runtime = Sim;

    fn runtime(&self) -> Sim {
        self.0.runtime()
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        self.0.block_on(future);
    }

    /// Its jobs and threads go on until the case ends.
    fn shut_down(self: Box<Self>) {
        self.0.shut_down();
        LAST.set(Some(self.0));
    }
}

thread_local! {
    /// What was shut down by the case that runs, or by one before it.
    static LAST: RefCell<Option<Simulation>> = const { RefCell::new(None) };
}

struct OfSimulation;

impl Turns for OfSimulation {
    fn is_here(&self) -> bool {
        is_simulated()
    }

    fn block_until(&self, condition: &mut dyn FnMut() -> bool) {
        block_until(condition);
    }

    fn block_for(&self, duration: Duration) {
        block_for(duration);
    }

    fn give_way(&self) {
        give_way();
    }

    fn spawn(&self, f: Box<dyn FnOnce() + Send>) {
        drop(spawn_thread(f));
    }
}

/// For all seeds of one case.
const LIMIT: Duration = Duration::from_secs(300);
