//! The reference model: what it allows some programs by hand, and that each runtime keeps to it in
//! random ones.

use std::future::Future;
use std::str::FromStr;
use std::sync::{Arc, Once, mpsc};
use std::thread;
use std::time::Duration;

use anyscope_async_std::AsyncStd;
use anyscope_conformance::model::{
    Action, Options, Outcome, PANIC, Program, Search, Step, Whom, allowed, play,
};
use anyscope_core::{Runtime, panic_message, root_future};
use anyscope_smol::Smol;
use anyscope_tokio::Tokio;
use tokio::runtime::Builder;

#[test]
fn a_failure_stops_what_has_not_begun_and_waits_for_what_has() {
    let fail = || vec![Action::Fail.into()];
    let program = program([Action::Spawn(fail()), Action::Spawn(fail())]);
    assert_eq!(
        outcomes(&program),
        [
            "error by Failed(1) [1: Error(2)]; reached {1, 2, 3}",
            "error by Failed(1) [1: Error(2), 3: Error(4)]; reached {1, 2, 3, 4}",
            "error by Failed(3) [3: Error(4), 1: Error(2)]; reached {1, 2, 3, 4}",
            "error by Failed(3) [3: Error(4)]; reached {1, 3, 4}",
        ]
    );
}

#[test]
fn a_shield_that_has_begun_ends_and_the_task_is_cut_after_it() {
    let shield = Action::Shield(vec![Action::Sleep.into(), Action::Mark.into()]);
    let task = vec![shield.into(), Action::Sleep.into(), Action::Mark.into()];
    let program = program([Action::Spawn(task), Action::Cancel(Whom::Own)]);
    assert_eq!(
        outcomes(&program),
        [
            "value; reached {1, 2, 3, 4, 5, 6, 7}",
            "value; reached {1, 2, 3, 4, 5, 7}",
            "value; reached {1, 7}",
        ]
    );
}

#[test]
fn a_clean_up_runs_however_its_task_ends_and_is_told() {
    let task = vec![Action::Defer.into(), Action::Sleep.into(), Action::Panic.into()];
    let program = program([Action::Spawn(task), Action::Sleep, Action::Fail]);
    let cancelled = "Cancelled(Cause { root: Failed(0), inherited: false })";
    assert_eq!(
        outcomes(&program),
        [
            "panic of 4; reached {1, 2, 3, 4, 5}; clean-up 2 of 1 told Panicked",
            "panic of 4; reached {1, 2, 3, 4, 5, 6}; clean-up 2 of 1 told Panicked",
            "error by Failed(0) [0: Error(6)]; reached {1, 2, 3, 5, 6}; \
             clean-up 2 of 1 told CANCELLED",
            "error by Failed(0) [0: Error(6)]; reached {1, 5, 6}",
        ]
        .map(|line| line.replace("CANCELLED", cancelled))
    );
}

#[test]
fn a_sibling_may_fail_between_the_end_of_an_inner_group_and_the_failure_of_its_body() {
    let supervise = Options { supervises: true, ..FAIL_FAST };
    let inner = Action::Group(supervise, vec![Action::Fail.into()]);
    let program = program([Action::Spawn(vec![Action::Fail.into()]), inner]);
    assert_eq!(
        outcomes(&program),
        [
            "error by Failed(1) [1: Error(2)]; reached {1, 2, 3}",
            "error by Failed(0) [0: error [3: Error(4)], 1: Error(2)]; reached {1, 2, 3, 4}",
            "error by Failed(1) [1: Error(2)]; reached {1, 2, 3, 4}",
            "error by Failed(1) [1: Error(2), 0: error [3: Error(4)]]; reached {1, 2, 3, 4}",
            "error by Failed(1) [1: Error(2), 0: error by inherited Failed(1) [3: Error(4)]]; \
             reached {1, 2, 3, 4}",
            "error by Failed(0) [0: error [3: Error(4)]]; reached {1, 3, 4}",
        ]
    );
}

#[test]
fn the_error_of_an_inner_group_keeps_its_shape_and_a_dropped_one_is_waited_for() {
    let inner = |steps| Action::Group(FAIL_FAST, steps);
    let fails = inner(vec![Action::Spawn(vec![Action::Fail.into()]).into()]);
    assert_eq!(
        outcomes(&program([fails])),
        ["error by Failed(0) [0: error by Failed(2) [2: Error(3)]]; reached {1, 2, 3}"]
    );
    // The task is shielded: it ends, though nobody takes the group's value.
    let task = Action::Spawn(vec![Action::Shield(vec![Action::Sleep.into()]).into()]);
    let dropped = Action::Select(vec![inner(vec![task.into(), Action::Sleep.into()]).into()]);
    assert_eq!(
        outcomes(&program([dropped, Action::Mark])),
        ["value; reached {1, 2, 3, 4, 5, 6, 7}", "value; reached {1, 2, 3, 6, 7}"]
    );
}

fn program<const N: usize>(body: [Action; N]) -> Program {
    Program::new(FAIL_FAST, body.map(Step::from).to_vec())
}

const FAIL_FAST: Options = Options { supervises: false, captures: false, deadline: false };

fn outcomes(program: &Program) -> Vec<String> {
    let allowed = allowed(program, 10_000).expect("a small program");
    allowed.iter().map(Outcome::to_string).collect()
}

#[test]
fn tokio_multi_thread_keeps_to_the_model() {
    let host = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let runtime = Tokio::from_handle(host.handle().clone());
    keeps_to_the_model(move |program, seed| host.block_on(played(&runtime, program, seed)));
}

#[test]
fn tokio_current_thread_keeps_to_the_model() {
    let host = Builder::new_current_thread().enable_all().build().unwrap();
    let runtime = Tokio::from_handle(host.handle().clone());
    keeps_to_the_model(move |program, seed| host.block_on(played(&runtime, program, seed)));
}

#[test]
fn smol_keeps_to_the_model() {
    let runtime = Smol::global();
    keeps_to_the_model(move |program, seed| smol::block_on(played(&runtime, program, seed)));
}

#[test]
fn async_std_keeps_to_the_model() {
    let runtime = AsyncStd::global();
    keeps_to_the_model(move |program, seed| {
        async_std::task::block_on(played(&runtime, program, seed))
    });
}

/// As a program's `main` would run it.
fn played<R: Runtime>(
    runtime: &R,
    program: &Program,
    seed: u64,
) -> impl Future<Output = Result<Outcome, String>> {
    let (main, program) = (runtime.clone(), program.clone());
    let main = async move { play(&main, &program, seed).await };
    root_future(runtime, main)
}

/// `MODEL_PROGRAMS`, `MODEL_PLAYS` and `MODEL_SEED` ask for more, or others. Several searches at once,
/// because most of a play is sleep.
fn keeps_to_the_model<P>(play: P)
where
    P: Fn(&Program, u64) -> Result<Outcome, String> + Send + Sync + 'static,
{
    keep_expected_panics_quiet();
    let first = from_env("MODEL_SEED", 1);
    let searches = (first..first + SEARCHES).map(|seed| Search {
        programs: from_env("MODEL_PROGRAMS", 1200) / SEARCHES as u32,
        plays: from_env("MODEL_PLAYS", 4),
        seed,
    });
    let play = Arc::new(play);
    let play = &|program: &Program, seed| within_bound(&play, program, seed);
    thread::scope(|scope| {
        let searches = searches.map(|search| scope.spawn(move || search.run(play)));
        for search in searches.collect::<Vec<_>>() {
            let found = search.join().unwrap().unwrap_or_else(|what| panic!("{what}"));
            println!("{found:?}");
            assert!(found.undecided > found.programs / 4, "most have but one outcome: {found:?}");
        }
    });
}

/// At once.
const SEARCHES: u64 = 4;

fn from_env<T: FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// One that hangs leaves its thread behind.
fn within_bound<P>(play: &Arc<P>, program: &Program, seed: u64) -> Result<Outcome, String>
where
    P: Fn(&Program, u64) -> Result<Outcome, String> + Send + Sync + 'static,
{
    let (sender, receiver) = mpsc::channel();
    let (play, program) = (play.clone(), program.clone());
    thread::spawn(move || sender.send(play(&program, seed)));
    receiver.recv_timeout(BOUND).unwrap_or_else(|error| match error {
        mpsc::RecvTimeoutError::Timeout => Err(format!("has not returned after {BOUND:?}")),
        mpsc::RecvTimeoutError::Disconnected => Err("has panicked".to_owned()),
    })
}

/// Far more than a program of milliseconds needs.
const BOUND: Duration = Duration::from_secs(30);

fn keep_expected_panics_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let default = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !panic_message(info.payload()).starts_with(PANIC) {
                default(info);
            }
        }));
        anyscope_core::set_unhandled_hook(|_| {});
    });
}
