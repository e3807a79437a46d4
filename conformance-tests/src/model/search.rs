//! The search for a program whose outcome is not allowed.

use std::cell::RefCell;
use std::collections::BTreeSet;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::model::interpret::allowed;
use crate::model::outcome::Outcome;
use crate::model::program::{Program, programs};

/// How much is played.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// How many programs.
    pub programs: u32,
    /// How often each.
    pub plays: u64,
    /// Which programs: the same seed makes the same ones.
    pub seed: u64,
}

/// What was played, and what came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The programs.
    pub programs: usize,
    /// Those of them that may have more than one outcome.
    pub undecided: usize,
    /// The outcomes that are allowed, over all programs.
    pub allowed: usize,
    /// Those that were seen.
    pub seen: usize,
}

impl Search {
    /// Has each program whose outcomes are known played with the seeds from 0 on; `play` is given
    /// program and seed.
    ///
    /// # Errors
    ///
    /// The smallest program found whose outcome is not allowed, or of which `play` gave an error, with
    /// all that is needed to play it again.
    pub fn run<P>(self, play: P) -> Result<Found, String>
    where
        P: Fn(&Program, u64) -> Result<Outcome, String>,
    {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &key);
        let config = Config {
            cases: self.programs,
            max_global_rejects: u32::MAX,
            max_shrink_time: SHRINKING,
            failure_persistence: None,
            ..Config::default()
        };
        let found = RefCell::new(Found::default());
        let ended = TestRunner::new_with_rng(config, rng).run(&programs(), |program| {
            let Some(allowed) = allowed(&program, STATES) else {
                return Err(TestCaseError::reject("its outcomes are not known"));
            };
            let seen = self.play(&program, &allowed, &play).map_err(TestCaseError::fail)?;
            found.borrow_mut().add(&allowed, &seen);
            Ok(())
        });
        ended.map_err(|error| match error {
            TestError::Fail(what, _) => format!("{what}\nmade with seed {}", self.seed),
            TestError::Abort(why) => why.to_string(),
        })?;
        Ok(found.into_inner())
    }

    fn play<P>(
        self,
        program: &Program,
        allowed: &BTreeSet<Outcome>,
        play: &P,
    ) -> Result<BTreeSet<Outcome>, String>
    where
        P: Fn(&Program, u64) -> Result<Outcome, String>,
    {
        let mut seen = BTreeSet::new();
        for seed in 0..self.plays {
            let told = |what: String| format!("{what}\nplayed with seed {seed}:\n{program}");
            let outcome = play(program, seed).map_err(told)?;
            if !allowed.contains(&outcome) {
                let lines: Vec<_> = allowed.iter().map(Outcome::to_string).collect();
                let lines = lines.join("\n  ");
                return Err(told(format!("seen:\n  {outcome}\nallowed:\n  {lines}")));
            }
            seen.insert(outcome);
        }
        Ok(seen)
    }
}

impl Found {
    fn add(&mut self, allowed: &BTreeSet<Outcome>, seen: &BTreeSet<Outcome>) {
        self.programs += 1;
        self.undecided += usize::from(allowed.len() > 1);
        self.allowed += allowed.len();
        self.seen += seen.len();
    }
}

/// Enough for all but a few of the programs that are made, and explored in a moment.
const STATES: usize = 20_000;

/// For how long a failing program is made smaller, in milliseconds: one that hangs takes long.
const SHRINKING: u32 = 60_000;
