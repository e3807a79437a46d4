//! U4, on the systems that have worker processes. This program is also its own worker.

#![forbid(unsafe_code)]

#[cfg(unix)]
mod faults;
#[cfg(unix)]
mod pool;
#[cfg(unix)]
mod queue;
#[cfg(unix)]
mod support;

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    support::main([faults::tests(), pool::tests(), queue::tests()].into_iter().flatten().collect())
}

#[cfg(not(unix))]
fn main() {}
