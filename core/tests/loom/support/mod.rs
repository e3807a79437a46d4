//! What the models share: a runtime whose threads are loom's, and what they look at.

mod runtime;
mod watch;

pub(crate) use runtime::{Threads, block_on, past, poll_once};
pub(crate) use watch::{Flag, Marks};

use loom::model::Builder;

/// Checks a model with at most `preemptions` switches where a thread could have gone on.
pub(crate) fn check(preemptions: usize, model: impl Fn(Threads) + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(move || model(Threads::new()));
}
