//! `Job`: a function that worker processes know by name and version.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use anyscope_core::panic_message;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::{EncodeError, decode, encode};

/// A function that runs in worker processes: from `I`, which travels there, to `O`, which travels
/// back.
///
/// Meant to be a constant, given to [`init`](crate::init()) once and to
/// [`ProcessPool::run`](crate::ProcessPool::run) wherever it is called. Both sides know it by its
/// name and version. They are the same program as a rule; where they are not
/// ([`Builder::program`](crate::Builder::program)), a new version says that input, output or meaning
/// have changed, and a worker that knows only another one refuses the call (U4).
///
/// It is a plain function and no closure: what it needs is in its input. A `Result` that it returns
/// is a value like any other, and comes back as one.
///
/// # Examples
///
/// ```
/// use anyscope_process::Job;
///
/// const WORDS: Job<String, usize> = Job::new("words", 1, words);
///
/// fn words(text: String) -> usize {
///     text.split_whitespace().count()
/// }
/// # let _ = WORDS;
/// ```
pub struct Job<I, O> {
    id: JobId,
    function: fn(I) -> O,
}

impl<I, O> Job<I, O> {
    /// A job with this name, which is the only one of that name and version in its program.
    pub const fn new(name: &'static str, version: u32, function: fn(I) -> O) -> Self {
        Self { id: JobId { name, version }, function }
    }

    /// The name that it is known by.
    pub const fn name(&self) -> &'static str {
        self.id.name
    }

    /// The version that it is known by.
    pub const fn version(&self) -> u32 {
        self.id.version
    }

    pub(crate) const fn id(&self) -> JobId {
        self.id
    }
}

impl<I, O> fmt::Debug for Job<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Job").field(&self.id.name).field(&self.id.version).finish()
    }
}

/// A [`Job`] of any type, as [`init`](crate::init()) takes it. Implemented for those whose input can
/// be deserialised and whose output can be serialised.
pub trait AnyJob: Serve + Sync {}

impl<T: Serve + Sync> AnyJob for T {}

/// What a job is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobId {
    pub(crate) name: &'static str,
    pub(crate) version: u32,
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "job '{}' version {}", self.name.escape_debug(), self.version)
    }
}

/// How a worker runs a job. Not named outside, so that nobody else implements [`AnyJob`].
pub trait Serve {
    /// What it is called.
    fn job_id(&self) -> JobId;

    /// Runs it on an encoded input; gives the output as what can follow `frame`.
    fn serve(&self, input: &[u8], frame: Vec<u8>, limit: usize) -> Result<Vec<u8>, Unserved>;
}

/// Why a job that ran, or should have, has no output.
#[derive(Debug)]
pub enum Unserved {
    /// Its input is not of its type.
    Undecodable(String),
    /// It panicked, with this text.
    Panicked(String),
    /// Its output cannot be serialised.
    Unencodable(String),
    /// Its output is too large.
    TooLarge,
}

impl<I: DeserializeOwned, O: Serialize> Serve for Job<I, O> {
    fn job_id(&self) -> JobId {
        self.id
    }

    fn serve(&self, input: &[u8], frame: Vec<u8>, limit: usize) -> Result<Vec<u8>, Unserved> {
        // All three are the user's code. What a panic leaves behind is dropped, not looked at.
        let run = || {
            let input = decode(input).map_err(Unserved::Undecodable)?;
            encode(&(self.function)(input), frame, limit).map_err(|error| match error {
                EncodeError::TooLarge => Unserved::TooLarge,
                EncodeError::Codec(why) => Unserved::Unencodable(why),
            })
        };
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| {
            let text = panic_message(&*payload).to_owned();
            // A payload is the user's, and its destructor may panic as well.
            if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                std::mem::forget(second);
            }
            Err(Unserved::Panicked(text))
        })
    }
}
