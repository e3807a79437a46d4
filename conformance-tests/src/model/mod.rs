//! The reference model: small programs of scopes, all outcomes that the contract allows each of them,
//! and what a runtime makes of them.

mod interpret;
mod outcome;
mod play;
mod program;
mod state;

use std::collections::BTreeSet;

pub use interpret::allowed;
pub use outcome::{Cause, Exit, Failed, Failure, Failures, Outcome, Returned, Root};
pub use play::{PANIC, play};
pub use program::{Action, Id, Options, Program, Step, Whom, programs};

/// What came of playing a program several times.
#[derive(Clone, Debug)]
pub struct Checked {
    /// What the contract allows.
    pub allowed: BTreeSet<Outcome>,
    /// What was seen of it.
    pub seen: BTreeSet<Outcome>,
}

/// Plays a program once with each seed, and sees that each outcome is allowed. `None` if the program
/// has so many states that this is not known.
///
/// # Errors
///
/// The seed with what was seen and what is allowed, or what `play` says.
pub fn check<P>(
    program: &Program,
    seeds: impl IntoIterator<Item = u64>,
    mut play: P,
) -> Result<Option<Checked>, String>
where
    P: FnMut(&Program, u64) -> Result<Outcome, String>,
{
    let Some(allowed) = allowed(program, STATES) else {
        return Ok(None);
    };
    let mut seen = BTreeSet::new();
    for seed in seeds {
        let told = |what: String| format!("{what}\nprogram, played with seed {seed}:\n{program}");
        let outcome = play(program, seed).map_err(told)?;
        if !allowed.contains(&outcome) {
            let lines: Vec<_> = allowed.iter().map(|outcome| format!("  {outcome}")).collect();
            let lines = lines.join("\n");
            return Err(told(format!("seen:\n  {outcome}\nallowed:\n{lines}")));
        }
        seen.insert(outcome);
    }
    Ok(Some(Checked { allowed, seen }))
}

/// Enough for all but a few of the programs that are made, and explored in a moment.
const STATES: usize = 20_000;
