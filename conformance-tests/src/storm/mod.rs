//! The storm: random trees of groups that fail, panic, time out, shield, defer and are dropped, and
//! after each the question whether anything is left (rules G1, G2, C4, C5).

mod plan;
mod play;
mod tally;

use anyscope_core::Runtime;

pub(crate) use plan::Plan;
use play::play;
use tally::Tally;

/// The text of every panic of a storm: for those who keep them quiet.
pub const PANIC: &str = "a storm panics";

/// Plays the tree of this seed, and says what is wrong when its outermost group has returned. A group
/// that does not return is for the caller to notice.
///
/// # Errors
///
/// What was left alive, or not cleaned up, or done twice.
pub async fn storm<R: Runtime>(runtime: &R, seed: u64) -> Result<(), String> {
    let tally = Tally::new();
    play(runtime, &tally, Plan::of(seed)).await;
    tally.verdict()
}
