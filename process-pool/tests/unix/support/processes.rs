//! What the system says of processes and threads.

use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// Whether a process is there, be it a zombie.
pub(crate) fn exists(id: u32) -> bool {
    test_kill_process(pid(id)).is_ok()
}

/// Whether a process runs. One that has ended, and whose parent has not asked for it, does not.
pub(crate) fn runs(id: u32) -> bool {
    table().iter().any(|process| process.id == id && !process.is_zombie)
}

/// The children of this process, zombies included.
pub(crate) fn children() -> Vec<u32> {
    let own = std::process::id();
    table().iter().filter(|process| process.parent == own).map(|process| process.id).collect()
}

/// The threads of this process, where the system says that.
pub(crate) fn threads() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("Threads:"))?.trim().parse().ok()
}

pub(crate) fn signal(id: u32, signal: Signal) {
    kill_process(pid(id), signal).unwrap();
}

struct Process {
    id: u32,
    parent: u32,
    is_zombie: bool,
}

fn table() -> Vec<Process> {
    let mut ps = Command::new("ps");
    let ps = ps.args(["-A", "-o", "pid=,ppid=,stat="]).stdout(Stdio::piped()).spawn().unwrap();
    let own = ps.id();
    let output = ps.wait_with_output().unwrap();
    let process = |line: &str| {
        let mut words = line.split_whitespace();
        let mut number = || words.next()?.parse().ok();
        let (id, parent) = (number()?, number()?);
        Some(Process { id, parent, is_zombie: words.next()?.starts_with('Z') })
    };
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(process).filter(|process| process.id != own).collect()
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(id.try_into().unwrap()).unwrap()
}
