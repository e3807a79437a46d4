//! The scenarios, a file each.

mod cancel;
mod checks;
mod collect;
mod compile;
mod deep;
mod errors;
mod gather;
mod groups;
mod instructions;
mod jobs;
mod local;
mod map;
mod million;
mod parked;
mod recurse;
mod rules;
mod saturated;
mod timers;
mod traps;
mod work;

use crate::Scenario;

pub use instructions::{is_child, run_child};
pub use jobs::init_workers;

/// All scenarios, in the order of the page.
pub const ALL: &[Scenario] = &[
    collect::READY,
    collect::YIELDING,
    cancel::CANCEL,
    cancel::LATENCY,
    recurse::RECURSE,
    groups::GROUPS,
    million::MILLION,
    deep::DEEP,
    errors::ERRORS,
    timers::TIMERS,
    parked::PARKED,
    gather::GATHER,
    local::LOCAL,
    map::MAP,
    traps::TRAPS,
    jobs::BLOCKING_ROUND_TRIP,
    jobs::BLOCKING_IN_FLIGHT,
    jobs::CPU_ITEMS,
    jobs::CPU_ROUND_TRIP,
    jobs::CPU_IN_FLIGHT,
    saturated::SATURATED,
    checks::CHECKS,
    instructions::INSTRUCTIONS,
    compile::COMPILE,
    compile::CRATES,
];

/// The scenario of this name.
pub fn find(name: &str) -> Option<&'static Scenario> {
    ALL.iter().find(|scenario| scenario.name == name)
}

/// Whether it starts other programs that take seconds, so that it is not for tests.
pub fn is_slow(scenario: &Scenario) -> bool {
    [compile::COMPILE.name, compile::CRATES.name, instructions::INSTRUCTIONS.name]
        .contains(&scenario.name)
}
