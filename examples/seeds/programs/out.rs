//! What all programs have: somewhere to print to, seconds, a stopwatch, the documents' exceptions.

use std::fmt::Display;
use std::time::{Duration, Instant};

use anyscope::{Timer, current_runtime};

/// Where a program prints to. It lives as long as the process, so that tasks can simply copy it, as
/// they use `print` in the documents.
#[derive(Clone, Copy)]
pub(crate) struct Out(&'static (dyn Fn(String) + Send + Sync));

impl Out {
    pub(crate) fn new(print: impl Fn(String) + Send + Sync + 'static) -> Self {
        Self(Box::leak(Box::new(print)))
    }

    pub(crate) fn print(self, line: impl Display) {
        (self.0)(line.to_string());
    }
}

/// How many of the documents' seconds are one second here.
pub(crate) const SPEED: f64 = 50.0;

/// Seconds of the documents.
pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds / SPEED)
}

/// Tells the time that has passed by the clock of the current runtime, in the documents' seconds.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(current_runtime().now())
    }

    pub(crate) fn seconds(&self) -> f64 {
        (current_runtime().now() - self.0).as_secs_f64() * SPEED
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ValueError(pub(crate) String);

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct RuntimeError(pub(crate) String);

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ConnectionError(pub(crate) String);

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct TimeoutError(pub(crate) String);

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct AbortError(pub(crate) String);
