//! Walking: the blocking jobs that say what is under a path.

use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use crate::read::PIECE;

/// A path that cannot be read, and why.
pub(crate) type Unreadable = (PathBuf, io::Error);

/// A regular file.
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    /// When it was listed. It may have changed since.
    pub(crate) size: u64,
}

impl Found {
    /// Whether it is worth a task of its own.
    pub(crate) fn is_large(&self) -> bool {
        self.size > PIECE as u64
    }
}

/// What there is to do. Neither symbolic links nor devices, sockets and pipes are regular files.
#[derive(Default)]
pub(crate) struct Listing {
    pub(crate) directories: Vec<PathBuf>,
    pub(crate) files: Vec<Found>,
    pub(crate) failed: Vec<Unreadable>,
}

impl Listing {
    /// The paths themselves.
    pub(crate) fn of(paths: Vec<PathBuf>) -> Self {
        let mut listing = Self::default();
        for path in paths {
            let metadata = fs::symlink_metadata(&path);
            listing.add(path, metadata);
        }
        listing
    }

    /// What a directory holds. An entry that cannot be read does not hide the others.
    pub(crate) fn inside(directory: &Path) -> io::Result<Self> {
        let mut listing = Self::default();
        for entry in fs::read_dir(directory)? {
            match entry {
                Ok(entry) => listing.add_entry(&entry),
                Err(error) => listing.failed.push((directory.into(), error)),
            }
        }
        Ok(listing)
    }

    /// Asks for no more than it needs: the kind of an entry costs nothing, its size a system call.
    fn add_entry(&mut self, entry: &DirEntry) {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => self.directories.push(entry.path()),
            Ok(kind) if !kind.is_file() => {}
            _ => self.add(entry.path(), entry.metadata()),
        }
    }

    fn add(&mut self, path: PathBuf, metadata: io::Result<fs::Metadata>) {
        match metadata {
            Err(error) => self.failed.push((path, error)),
            Ok(metadata) if metadata.is_dir() => self.directories.push(path),
            Ok(metadata) if metadata.is_file() => {
                self.files.push(Found { path, size: metadata.len() })
            }
            Ok(_) => {}
        }
    }
}
