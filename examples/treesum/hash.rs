//! Hashing: the CPU jobs, and what comes of them.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::read::Contents;

/// The SHA-256 of one file.
pub(crate) struct Sum {
    pub(crate) path: PathBuf,
    pub(crate) digest: [u8; 32],
}

/// Hashes files that were read whole.
pub(crate) fn hash_contents(contents: Contents) -> Vec<Sum> {
    contents.map(|path, bytes| Sum { path, digest: Sha256::digest(bytes).into() })
}

/// Adds a piece of a large file to its hash, and gives the piece back to be filled again.
pub(crate) fn hash_piece(mut hash: Sha256, piece: Vec<u8>) -> (Sha256, Vec<u8>) {
    hash.update(&piece);
    (hash, piece)
}
