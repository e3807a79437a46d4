//! Hashing: the CPU jobs, and what they give.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use anyscope::TaskError;
use sha2::{Digest, Sha256};

use crate::read::Small;

/// The SHA-256 of one file.
pub(crate) struct Sum {
    pub(crate) path: PathBuf,
    pub(crate) digest: [u8; 32],
}

/// Hashes files that were read whole.
pub(crate) fn hash_all(files: Vec<Small>) -> Vec<Sum> {
    let hash = |Small { path, bytes }| Sum { path, digest: Sha256::digest(bytes).into() };
    files.into_iter().map(hash).collect()
}

/// Adds a piece of a large file to its hash.
pub(crate) fn hash_more(mut hash: Sha256, piece: &[u8]) -> Sha256 {
    hash.update(piece);
    hash
}

/// Why something has no sum.
#[derive(Debug)]
pub(crate) enum SumError {
    /// A file or directory could not be read.
    Unreadable(PathBuf, io::Error),
    /// A job gave no value: recognised by the group, which has the reason.
    NoValue(TaskError),
}

impl From<TaskError> for SumError {
    fn from(error: TaskError) -> Self {
        Self::NoValue(error)
    }
}

impl fmt::Display for SumError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, _) => write!(f, "cannot read '{}'", path.display()),
            Self::NoValue(error) => error.fmt(f),
        }
    }
}

impl Error for SumError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreadable(_, error) => Some(error),
            Self::NoValue(error) => Some(error),
        }
    }
}
