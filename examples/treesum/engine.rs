//! The engine: walks the tree with a group for each directory and hashes what it finds.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyscope::{CancelCause, GroupError, GroupHandle, Runtime, Supervise, TaskHandle};
use async_lock::Semaphore;
use sha2::{Digest, Sha256};

use crate::progress::Progress;
use crate::read::{Batch, Large, Listing, PIECE, read_piece};
use crate::sum::{Sum, SumError, hash_all, hash_more};

/// Cheap to clone: each task has one.
#[derive(Clone)]
pub(crate) struct Engine<R> {
    runtime: R,
    /// One for each file or directory that may be open.
    permits: Arc<Semaphore>,
    sums: Arc<Mutex<Vec<Sum>>>,
    progress: Progress,
}

/// How it went.
pub(crate) struct Report {
    /// Sorted by path.
    pub(crate) sums: Vec<Sum>,
    pub(crate) found: usize,
    pub(crate) cancelled: Option<CancelCause>,
    pub(crate) failed: Option<GroupError<SumError>>,
}

type Group<R> = GroupHandle<SumError, R>;

impl<R: Runtime> Engine<R> {
    pub(crate) fn new(runtime: R, jobs: usize) -> Self {
        let (permits, progress) = (Arc::new(Semaphore::new(jobs)), Progress::new());
        Self { runtime, permits, sums: Arc::default(), progress }
    }

    /// Hashes all that is under the paths. `opened` is given the handle of the group that does it.
    pub(crate) async fn run(self, paths: Vec<PathBuf>, opened: impl FnOnce(Group<R>)) -> Report {
        let mut handle = None;
        let group = self.runtime.group(async |g| {
            handle = Some(g.clone());
            opened(g.clone());
            for path in paths {
                let listing = g.spawn_blocking(move || Listing::of(path)).await?;
                self.spawn_all(&g, listing);
            }
            Ok(())
        });
        // What cannot be read is no reason to stop the rest.
        let outcome = group.policy(Supervise).await;
        self.progress.clear();
        let mut sums = std::mem::take(&mut *self.lock_sums());
        sums.sort_unstable_by(|a, b| a.path.as_os_str().cmp(b.path.as_os_str()));
        let cancelled = handle.and_then(|group| group.cause());
        Report { sums, found: self.progress.files_found(), cancelled, failed: outcome.err() }
    }

    /// Spawns a group for each directory, a task for each part of the files, and a failure for each
    /// error.
    fn spawn_all(&self, g: &Group<R>, listing: Listing) {
        listing.directories.into_iter().for_each(|path| drop(self.spawn_directory(g, path)));
        self.progress.found(listing.files.len());
        for files in listing.files.chunks(BATCH) {
            let (engine, group, files) = (self.clone(), g.clone(), files.to_vec());
            g.spawn(async move { engine.sum_files(&group, files).await });
        }
        listing.errors.into_iter().for_each(|error| fail(g, error));
    }

    fn spawn_directory(&self, g: &Group<R>, path: PathBuf) -> TaskHandle<(), R> {
        let (engine, name) = (self.clone(), path.display().to_string());
        let group = self.runtime.group(async move |g| {
            let permit = engine.permits.acquire_arc().await;
            let listing = g.spawn_blocking(move || Listing::inside(&path)).await?;
            drop(permit);
            engine.spawn_all(&g, listing);
            Ok(())
        });
        g.spawn_nested(group.name(name).policy(Supervise))
    }

    /// Reads on the blocking pool, hashes on the CPU pool, until all files of the list are done.
    async fn sum_files(&self, g: &Group<R>, mut files: Vec<PathBuf>) -> Result<(), SumError> {
        while !files.is_empty() {
            let _permit = self.permits.acquire().await;
            let batch = g.spawn_blocking(move || Batch::read(files)).await?;
            let sums = g.spawn_cpu(move || hash_all(batch.small)).await?;
            self.add(sums);
            for large in batch.large {
                let path = large.path.clone();
                match self.sum_large(g, large).await? {
                    Ok(sum) => self.add(vec![sum]),
                    Err(error) => fail(g, SumError::Unreadable(path, error)),
                }
            }
            batch.errors.into_iter().for_each(|error| fail(g, error));
            files = batch.rest;
        }
        Ok(())
    }

    /// Reads the next piece while the last one is hashed: two pieces in memory, however large the
    /// file.
    async fn sum_large(
        &self,
        g: &Group<R>,
        large: Large,
    ) -> Result<std::io::Result<Sum>, SumError> {
        let Large { path, mut file, mut piece } = large;
        let (mut hash, mut next) = (Sha256::new(), Vec::with_capacity(PIECE));
        loop {
            let is_last = piece.len() < PIECE;
            let hashing = g.spawn_cpu(move || (hash_more(hash, &piece), piece));
            if is_last {
                let digest = hashing.await?.0.finalize().into();
                return Ok(Ok(Sum { path, digest }));
            }
            let reading = g.spawn_blocking(move || {
                let read = read_piece(&mut file, &mut next);
                (file, next, read)
            });
            let (read_file, read_next, read) = reading.await?;
            let (hashed, free) = hashing.await?;
            if let Err(error) = read {
                return Ok(Err(error));
            }
            (file, piece, next, hash) = (read_file, read_next, free, hashed);
        }
    }

    fn add(&self, sums: Vec<Sum>) {
        self.progress.done(sums.len());
        self.lock_sums().extend(sums);
    }

    fn lock_sums(&self) -> std::sync::MutexGuard<'_, Vec<Sum>> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets a task fail that has the path as its name: so it stands in the group's error.
fn fail<R: Runtime>(g: &Group<R>, error: SumError) {
    let name = match &error {
        SumError::Unreadable(path, _) => Path::display(path).to_string(),
        SumError::NoValue(error) => error.to_string(),
    };
    g.task(async { Err::<(), _>(error) }).name(name).spawn();
}

/// How many files of one directory make a task.
const BATCH: usize = 64;
