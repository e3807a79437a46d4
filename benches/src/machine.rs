//! What the figures were measured on.

use std::fs;
use std::process::Command;
use std::thread;

use serde::{Deserialize, Serialize};

/// A machine, and the versions of what ran on it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Machine {
    /// Cores and processor.
    pub hardware: String,
    /// The operating system.
    pub system: String,
    /// The compiler.
    pub rustc: String,
    /// What else it was doing.
    #[serde(default)]
    pub load: String,
    /// Whose allocator.
    pub allocator: String,
    /// Peers and runtimes, with their versions.
    pub versions: Vec<(String, String)>,
}

impl Machine {
    /// This one.
    pub fn here(allocator: &str) -> Self {
        let cores = thread::available_parallelism().map_or(0, usize::from);
        let (virtual_machine, model) = processor();
        let kind = if virtual_machine { ", a virtual machine" } else { "" };
        Self {
            hardware: format!("{cores} cores, {model}{kind}"),
            system: says("uname", &["-sr"]),
            rustc: says("rustc", &["--version"]),
            load: load(),
            allocator: allocator.into(),
            versions: versions(include_str!("../../Cargo.lock")),
        }
    }
}

/// Whether it is a virtual machine, and the name of the processor.
fn processor() -> (bool, String) {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |key| text.lines().find(|line| line.starts_with(key))?.split(": ").nth(1);
    let model = field("model name").unwrap_or("an unknown processor");
    let is_virtual = field("flags").is_some_and(|flags| flags.contains("hypervisor"));
    (is_virtual, model.split(" with ").next().unwrap_or(model).trim().into())
}

/// How many threads wanted to run in the last minutes.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let averages: Vec<_> = text.split(' ').take(3).collect();
    format!("load average {} before the start", averages.join(" "))
}

/// What a program prints, or that it is not there.
fn says(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_else(|_| format!("unknown, there is no {program}"))
}

/// The versions of the peers in the text of a lock file.
fn versions(lock: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for package in lock.split("[[package]]") {
        let field = |key| package.lines().find_map(|line| line.strip_prefix(key));
        let unquoted = |text: &str| text.trim_matches('"').to_owned();
        let (Some(name), Some(version)) = (field("name = "), field("version = ")) else {
            continue;
        };
        if PEERS.contains(&unquoted(name).as_str()) {
            found.push((unquoted(name), unquoted(version)));
        }
    }
    found
}

const PEERS: &[&str] = &[
    "anyhow",
    "async-executor",
    "async-std",
    "async-task",
    "async_executors",
    "async_nursery",
    "blocking",
    "futures-buffered",
    "futures-concurrency",
    "futures-util",
    "mimalloc",
    "moro",
    "oneshot",
    "rayon",
    "smol",
    "tokio",
    "tokio-util",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_peer_has_a_version_in_the_lock_file() {
        let found = Machine::here("").versions;
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, PEERS);
    }
}
