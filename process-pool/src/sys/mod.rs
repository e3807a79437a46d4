//! What differs between systems: channels, signals, limits.

use std::time::Duration;

#[cfg(unix)]
mod unix;
#[cfg(not(unix))]
mod unsupported;

#[cfg(unix)]
pub(crate) use unix::{
    Stream, bell, connect, end_this_process, has_ended, is_quiet, itself, kill, limit_memory, pair,
    ring, take_channel, wait,
};
#[cfg(not(unix))]
pub(crate) use unsupported::{
    Stream, bell, connect, end_this_process, has_ended, is_quiet, itself, kill, limit_memory, pair,
    ring, take_channel, wait,
};

/// What an idle worker's conductor was woken by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(unix), expect(dead_code, reason = "there is nothing to wait for"))]
pub(crate) enum Event {
    /// Its bell.
    Rung,
    /// Something came from the worker, or it has ended.
    Worker,
    /// Nothing for that long.
    TimedOut,
}

/// How long a system call is asked to wait at most: longer ones are no different.
pub(crate) const LONGEST: Duration = Duration::from_secs(60 * 60 * 24);
