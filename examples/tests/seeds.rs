//! The programs of `seeds`, each on each runtime, against the output that its document states.
//!
//! On the simulated runtime the output is the same in each run: order, text and times are compared as they
//! stand, so that 2.00 s says that the tasks ran concurrently. By a real clock nothing is compared
//! that a busy machine could change: the lines in any order, where they depend on no race, and that
//! no time was less than that of the longest chain of sleeps.

#[path = "seeds/expected.rs"]
mod expected;
#[path = "../seeds/programs/mod.rs"]
mod programs;
#[path = "../seeds/runtimes.rs"]
mod runtimes;

use std::collections::HashSet;
use std::env;
use std::process::{Command, Output};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::expected::{EXPECTED, RACING};
use crate::programs::{Out, programs};
use crate::runtimes::{Choice, run};

const ALL: [Choice; 3] = [Choice::Tokio, Choice::Smol, Choice::AsyncStd];

#[test]
fn every_program_has_its_expected_output_in_the_order_of_the_documents() {
    let names: Vec<_> = programs().iter().map(|program| program.name).collect();
    let expected: Vec<_> = EXPECTED.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, expected);
    assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len(), "a name stands twice");
    assert!(RACING.iter().all(|name| names.contains(name)));
}

#[test]
fn simulated_each_program_prints_what_its_document_states() {
    for (name, expected) in EXPECTED {
        let printed = printed(Choice::Simulated, name);
        assert!(is_like(&printed, expected), "{name} printed:\n{printed}");
    }
}

#[test]
fn by_the_real_clock_each_program_prints_the_same_lines_and_takes_its_time() {
    for (name, expected) in EXPECTED {
        for choice in ALL {
            let printed = printed(choice, name);
            let same = is_like(&steady(&printed), &steady(expected));
            assert!(same || RACING.contains(name), "{name} on {choice:?} printed:\n{printed}");
            let (took, least) = (times(&printed), times(expected));
            let slow_enough = took.iter().zip(&least).all(|(took, least)| took >= least);
            assert!(slow_enough && took.len() == least.len(), "{name} on {choice:?}:\n{printed}");
        }
    }
}

#[test]
fn other_text_order_or_time_is_noticed() {
    let expected = "first\nsecond … line\nTotal time: 2.00s (not 4.5s)";
    assert!(is_like("first\nsecond good line\nTotal time: 2.00s (not 4.5s)", expected));
    for other in ["first", "first\nsecond line\nTotal time: 2.00s (not 4.5s)"] {
        assert!(!is_like(other, expected), "{other}");
    }
    assert!(!is_like("second good line\nfirst\nTotal time: 2.00s (not 4.5s)", expected));
    assert!(!is_like("first\nsecond good line\nTotal time: 4.50s (not 4.5s)", expected));
    assert_eq!(times(expected), [2.0]);
    assert_eq!(steady("b took 1.00s\na"), "a\nb took _s");
}

#[test]
fn the_binary_lists_and_runs_them_and_knows_no_others() {
    let names: Vec<_> = programs().iter().map(|program| program.name).collect();
    let list = seeds(&["--list"]);
    assert_eq!(String::from_utf8(list.stdout).unwrap().lines().collect::<Vec<_>>(), names);
    for runtime in ["tokio", "smol", "async-std", "simulated"] {
        let end = seeds(&["--runtime", runtime, "notebook::create_task"]);
        let printed = String::from_utf8(end.stdout).unwrap();
        let mut lines: Vec<_> = printed.lines().collect();
        lines.sort();
        assert_eq!(lines, ["--- notebook::create_task", "Fired", "after"], "{runtime}");
    }
    for wrong in [&["no_such_program"][..], &["--runtime", "none", "notebook"], &[]] {
        let end = seeds(wrong);
        assert!(!end.status.success() && end.stdout.is_empty(), "{wrong:?}");
        assert!(String::from_utf8(end.stderr).unwrap().starts_with("seeds: "), "{wrong:?}");
    }
}

fn seeds(args: &[&str]) -> Output {
    let test = env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("examples/seeds");
    let program = program.with_extension(env::consts::EXE_EXTENSION);
    Command::new(program).args(args).output().unwrap()
}

/// What a program prints. A bound on each, so that one that hangs fails by its name; one at a time,
/// because the hook for lost failures, which one of them sets, is the process's.
fn printed(choice: Choice, name: &'static str) -> String {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let (ended, end) = channel();
    thread::spawn(move || {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let print = lines.clone();
        let out = Out::new(move |line| print.lock().unwrap().push(line));
        let programs = programs();
        let program = programs.iter().find(|program| program.name == name).unwrap();
        let outcome = run(choice, program, out);
        let _ = ended.send(outcome.map(|()| lines.lock().unwrap().join("\n")));
    });
    match end.recv_timeout(LIMIT) {
        Ok(outcome) => outcome.unwrap_or_else(|error| panic!("{name} on {choice:?}: {error:?}")),
        Err(why) => panic!("{name} on {choice:?}: no end: {why}"),
    }
}

/// Far more than any of them needs, also on a loaded machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Line by line; `…` in an expected line stands for any text: ids, and places in files.
fn is_like(printed: &str, expected: &str) -> bool {
    let is_like = |(line, expected): (&str, &str)| match expected.split_once('…') {
        Some((start, rest)) => line.strip_prefix(start).is_some_and(|line| goes_on(line, rest)),
        None => line == expected,
    };
    let (printed, expected) = (printed.split('\n'), expected.split('\n'));
    printed.clone().count() == expected.clone().count() && printed.zip(expected).all(is_like)
}

/// Whether a line ends as expected, after any text.
fn goes_on(line: &str, expected: &str) -> bool {
    match expected.split_once('…') {
        Some((next, rest)) => line.split_once(next).is_some_and(|(_, line)| goes_on(line, rest)),
        None => line.ends_with(expected),
    }
}

/// What no machine can change: the lines in the order of their text, without the times taken.
fn steady(printed: &str) -> String {
    let words = |line: &str| -> String {
        let steady = |word| time(word).map_or(word, |_| "_s");
        line.split(' ').map(steady).collect::<Vec<_>>().join(" ")
    };
    let mut lines: Vec<_> = printed.split('\n').map(words).collect();
    lines.sort();
    lines.join("\n")
}

/// The times that a program has measured.
fn times(printed: &str) -> Vec<f64> {
    printed.split_whitespace().filter_map(time).collect()
}

/// A measured time has two decimals, as `2.00s`.
fn time(word: &str) -> Option<f64> {
    let number = word.strip_suffix('s')?;
    let (_, decimals) = number.split_once('.')?;
    (decimals.len() == 2).then(|| number.parse().ok()).flatten()
}
