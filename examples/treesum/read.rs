//! Reading: the blocking jobs, which list directories and read files.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::sum::SumError;

/// What a directory holds, or the one file that a path names.
#[derive(Default)]
pub(crate) struct Listing {
    pub(crate) directories: Vec<PathBuf>,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) errors: Vec<SumError>,
}

impl Listing {
    /// Lists a path that the user gave.
    pub(crate) fn of(path: PathBuf) -> Self {
        let mut listing = Self::default();
        match fs::symlink_metadata(&path) {
            Err(error) => listing.errors.push(SumError::Unreadable(path, error)),
            Ok(metadata) if metadata.is_dir() => listing.directories.push(path),
            Ok(metadata) if metadata.is_file() => listing.files.push(path),
            Ok(_) => {}
        }
        listing
    }

    /// Lists a directory. Neither symbolic links nor devices, sockets and pipes are regular files.
    pub(crate) fn inside(directory: &Path) -> Self {
        let mut listing = Self::default();
        if let Err(error) = listing.add_entries(directory) {
            listing.errors.push(SumError::Unreadable(directory.into(), error));
        }
        listing
    }

    fn add_entries(&mut self, directory: &Path) -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.directories.push(entry.path());
            } else if kind.is_file() {
                self.files.push(entry.path());
            }
        }
        Ok(())
    }
}

/// A file that was read whole.
pub(crate) struct Small {
    pub(crate) path: PathBuf,
    pub(crate) bytes: Vec<u8>,
}

/// A file of which the first piece was read.
pub(crate) struct Large {
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    pub(crate) piece: Vec<u8>,
}

/// What one job has read of a list of files.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) small: Vec<Small>,
    pub(crate) large: Vec<Large>,
    pub(crate) errors: Vec<SumError>,
    /// What it has not come to.
    pub(crate) rest: Vec<PathBuf>,
}

impl Batch {
    /// Reads files until they fill a piece. At most one large file is kept open.
    pub(crate) fn read(mut files: Vec<PathBuf>) -> Self {
        let (mut batch, mut bytes) = (Self::default(), 0);
        while bytes < PIECE && batch.large.is_empty() {
            let Some(path) = files.pop() else { break };
            bytes += batch.add(path);
        }
        batch.rest = files;
        batch
    }

    /// Reads one file, and tells how many bytes that were.
    fn add(&mut self, path: PathBuf) -> usize {
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|mut file| {
            read_piece(&mut file, &mut bytes)?;
            Ok(file)
        });
        let length = bytes.len();
        match read {
            Err(error) => self.errors.push(SumError::Unreadable(path, error)),
            Ok(_) if length < PIECE => self.small.push(Small { path, bytes }),
            Ok(file) => self.large.push(Large { path, file, piece: bytes }),
        }
        length
    }
}

/// Reads the next piece: less than a whole one only at the end of the file.
pub(crate) fn read_piece(file: &mut File, piece: &mut Vec<u8>) -> io::Result<()> {
    piece.clear();
    file.take(PIECE as u64).read_to_end(piece).map(drop)
}

/// How much is read by one job and hashed by one job: much against the cost of handing it over,
/// little against the memory of the machine.
pub(crate) const PIECE: usize = 1 << 20;
