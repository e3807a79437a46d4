//! The cases: a file for each part of the contract, a private function for each case, one list at
//! the top of each file. A case that is left out of its list is dead code, which the lints refuse.

mod background;
mod bad_values;
mod blocking;
mod bombs;
mod calling_back;
mod cancel;
mod carrying;
mod causes;
mod cleanup;
mod combine;
mod completion;
mod computing;
mod context;
mod dropping;
mod echoes;
mod edges;
mod ending;
mod errors;
mod given_up;
mod grace;
mod grid;
mod group;
mod handle;
mod handling;
mod identity;
mod isolation;
mod jobs;
mod kept;
mod kept_values;
mod limits;
mod local;
mod lost;
mod misuse;
mod nesting;
mod open_dropped;
mod open_group;
mod outcome;
mod overdue;
mod panics;
mod placeless;
mod policy;
mod pools;
mod queue;
mod quiet;
mod races;
mod reach;
mod repolled;
mod reports;
mod resource;
mod roots;
mod runtime;
mod shield;
mod shield_limits;
mod shutdown;
mod spawn_all;
mod spawn_when_free;
mod spawning;
mod start;
mod stopping;
mod supervise;
mod supervise_grace;
mod supervise_limits;
mod supervise_stop;
mod task;
mod time;
mod unseen;
mod until_cancelled;
mod waiting_shutdown;
mod wakers;

use std::time::Duration;

use anyscope_core::{AnyRuntime, Runtime};

use crate::env::Env;

/// Never over in a test.
const LONG: Duration = Duration::from_secs(3600);

/// A time that passes soon: of a deadline or a grace period that is to end.
const SHORT: Duration = Duration::from_millis(5);

/// One case, for one runtime type.
pub(crate) struct Case<R> {
    pub(crate) name: &'static str,
    pub(crate) needs_shutdown: bool,
    pub(crate) run: Run<R>,
}

type Run<R> = Box<dyn Fn(&Env<R>) + Send + Sync>;

impl<R> Case<R> {
    /// The case shuts the runtime down.
    pub(crate) fn needs_shutdown(mut self) -> Self {
        self.needs_shutdown = true;
        self
    }
}

/// A case, named after its function: `group::g1_waits_for_every_child`.
pub(crate) fn case<R, F>(run: F) -> Case<R>
where
    F: Fn(&Env<R>) + Send + Sync + 'static,
{
    let path = std::any::type_name::<F>();
    let path = path.split('<').next().unwrap_or(path);
    let name = path.split_once("::cases::").map_or(path, |(_, name)| name);
    Case { name, needs_shutdown: false, run: Box::new(run) }
}

/// The cases for the erased runtime: not generic, so that they are compiled once, in this crate, and
/// not again in the tests of each backend.
pub(crate) fn erased() -> Vec<Case<AnyRuntime>> {
    all()
}

pub(crate) fn all<R: Runtime>() -> Vec<Case<R>> {
    [
        background::cases(),
        bad_values::cases(),
        blocking::cases(),
        bombs::cases(),
        calling_back::cases(),
        cancel::cases(),
        carrying::cases(),
        causes::cases(),
        cleanup::cases(),
        combine::cases(),
        completion::cases(),
        computing::cases(),
        context::cases(),
        dropping::cases(),
        echoes::cases(),
        edges::cases(),
        ending::cases(),
        errors::cases(),
        given_up::cases(),
        grace::cases(),
        grid::cases(),
        group::cases(),
        handle::cases(),
        handling::cases(),
        identity::cases(),
        isolation::cases(),
        jobs::cases(),
        kept::cases(),
        kept_values::cases(),
        limits::cases(),
        local::cases(),
        lost::cases(),
        misuse::cases(),
        nesting::cases(),
        open_dropped::cases(),
        open_group::cases(),
        outcome::cases(),
        overdue::cases(),
        panics::cases(),
        placeless::cases(),
        policy::cases(),
        pools::cases(),
        queue::cases(),
        quiet::cases(),
        races::cases(),
        reach::cases(),
        repolled::cases(),
        reports::cases(),
        resource::cases(),
        roots::cases(),
        runtime::cases(),
        shield::cases(),
        shield_limits::cases(),
        shutdown::cases(),
        spawn_all::cases(),
        spawn_when_free::cases(),
        spawning::cases(),
        start::cases(),
        stopping::cases(),
        supervise::cases(),
        supervise_grace::cases(),
        supervise_limits::cases(),
        supervise_stop::cases(),
        task::cases(),
        time::cases(),
        unseen::cases(),
        until_cancelled::cases(),
        waiting_shutdown::cases(),
        wakers::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
