//! error_tree prints what the README shows.

#![cfg(unix)]

use std::process::Command;
use std::{env, fs, path::Path};

#[test]
fn prints_what_the_readme_shows() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let (_, shown) = readme.split_once("`cargo run --example error_tree`").unwrap();
    let shown = shown.split("```").nth(1).unwrap().strip_prefix("text\n").unwrap();

    let test = env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("examples/error_tree");
    let output = Command::new(program).output().unwrap();
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(steady(&printed), steady(shown), "\n{printed}");
}

/// The lines in order of their text, without what differs from run to run: the order in which tasks
/// fail, and with it which is first and last, and their ids.
fn steady(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.contains("; first: "));
    let steady = |line: &str| {
        let line = line.replace(['│', '├', '└', '─', ' '], "");
        line.split('#').map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit())).collect()
    };
    let mut lines: Vec<String> = lines.map(steady).collect();
    lines.sort();
    lines
}
