//! Reading: the blocking jobs that bring files into memory, never more than a piece each.

use std::fs::File;
use std::io::{self, Read};
use std::iter;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::walk::{Found, Unreadable};

/// How much one job reads and another hashes: enough to be worth the hand-over, and little enough
/// to be in the processor's cache still.
pub(crate) const PIECE: usize = 1 << 20;

/// How many small files one job reads.
const MOST_FILES: usize = 64;

/// Small files, one after another in one buffer.
#[derive(Default)]
pub(crate) struct Contents {
    bytes: Vec<u8>,
    places: Vec<(PathBuf, Range<usize>)>,
}

impl Contents {
    /// The length of all files together.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn map<T>(self, f: impl Fn(PathBuf, &[u8]) -> T) -> Vec<T> {
        let Self { bytes, places } = self;
        places.into_iter().map(|(path, place)| f(path, &bytes[place])).collect()
    }

    /// Where the file now is in the buffer; `None` if it is longer than it was.
    fn append(&mut self, path: &Path, size: u64) -> io::Result<Option<Range<usize>>> {
        let begin = self.bytes.len();
        let mut file = File::open(path)?.take(size + 1);
        file.read_to_end(&mut self.bytes)?;
        let is_whole = file.limit() > 0;
        Ok(is_whole.then_some(begin..self.bytes.len()))
    }
}

/// What one job has read.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) contents: Contents,
    /// Longer than when they were listed, perhaps too long for a batch.
    pub(crate) grown: Vec<PathBuf>,
    pub(crate) failed: Vec<Unreadable>,
}

impl Batch {
    /// Divides small files into what one job each reads.
    pub(crate) fn split(mut files: Vec<Found>) -> impl Iterator<Item = Vec<Found>> {
        iter::from_fn(move || {
            let mut room = PIECE as u64;
            let fits = |file: &&Found| {
                let left = room.checked_sub(file.size);
                room = left.unwrap_or(room);
                left.is_some()
            };
            let count = files.iter().rev().take(MOST_FILES).take_while(fits).count();
            (count > 0).then(|| files.split_off(files.len() - count))
        })
    }

    pub(crate) fn read(files: Vec<Found>) -> Self {
        let mut batch = Self::default();
        batch.contents.bytes.reserve(files.iter().map(|file| file.size as usize + 1).sum());
        for Found { path, size } in files {
            match batch.contents.append(&path, size) {
                Ok(Some(place)) => batch.contents.places.push((path, place)),
                Ok(None) => batch.grown.push(path),
                Err(error) => batch.failed.push((path, error)),
            }
        }
        batch
    }
}

/// Reads the next piece of a large file: an empty one only at its end.
pub(crate) fn read_piece(mut file: File, mut piece: Vec<u8>) -> io::Result<(File, Vec<u8>)> {
    piece.clear();
    file.by_ref().take(PIECE as u64).read_to_end(&mut piece)?;
    Ok((file, piece))
}

pub(crate) fn new_piece() -> Vec<u8> {
    Vec::with_capacity(PIECE)
}
