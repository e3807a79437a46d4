//! The example `process_primes` as its users run it.
#![cfg(unix)]

#[path = "support/running.rs"]
#[expect(dead_code, reason = "it is stopped by nobody")]
mod running;

use running::{Running, example};

#[test]
fn it_counts_in_worker_processes_and_kills_one() {
    let end = Running::start(example("process_primes").arg("20000")).end();
    assert!(end.status.success(), "{}", end.err);
    let mut lines: Vec<_> = end.out.lines().collect();
    assert_eq!(lines[..3], PRIMES[..3]);
    lines[3..6].sort();
    assert_eq!(lines[3..6], PRIMES[3..6]);
    assert_eq!(lines[6], "8 jobs");
    let names = ["one after the other: ", "CPU pool: ", "process pool: "];
    assert!(lines[7..10].iter().zip(names).all(|(line, name)| line.starts_with(name)));
    assert_eq!(
        lines[10..],
        [
            "job 'count primes' version 1: stopped after its time limit of 100ms",
            "Up to 100, found 25 primes"
        ]
    );
}

const PRIMES: [&str; 6] = [
    "Up to 50000, found 5133 primes",
    "Up to 60000, found 6057 primes",
    "Up to 70000, found 6935 primes",
    "Up to 100000, found 9592 primes",
    "Up to 120000, found 11301 primes",
    "Up to 80000, found 7837 primes",
];
