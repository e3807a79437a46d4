//! The engine: a group for each directory, a task for each batch of small files and for each large
//! file. It runs on any runtime and names none.

use std::fs::File;
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyscope::{BoxError, CancelCause, GroupError, GroupHandle, Runtime, Semaphore, Supervise};
use sha2::{Digest, Sha256};

use crate::hash::{Sum, hash_contents, hash_piece};
use crate::progress::Progress;
use crate::read::{Batch, new_piece, read_piece};
use crate::walk::{Found, Listing};

/// What the tasks and jobs of one group are started with.
pub(crate) type Group<R> = GroupHandle<BoxError, R>;

/// How it went.
pub(crate) struct Report {
    /// Sorted by path.
    pub(crate) sums: Vec<Sum>,
    /// How many files were found and have no sum.
    pub(crate) missing: usize,
    pub(crate) cancelled: Option<CancelCause>,
    pub(crate) error: Option<GroupError>,
}

/// Hashes all files under the paths; at most `jobs` files and directories are open at once. `opened`
/// is given the handle of the group that encloses everything: to cancel it, for instance.
pub(crate) async fn sum_trees<R: Runtime>(
    runtime: R,
    paths: Vec<PathBuf>,
    jobs: usize,
    opened: impl FnOnce(&Group<R>),
) -> Report {
    let (engine, mut handle) = (Engine::new(jobs), None);
    let group = runtime.group(async |g| {
        opened(handle.insert(g.clone()));
        let listing = g.spawn_blocking(move || Listing::of(paths)).await?;
        engine.spawn_all(&g, listing);
        Ok(())
    });
    // What cannot be read does not stop the rest: the group collects its failures.
    let error = group.policy(Supervise).await.err();
    engine.report(handle.and_then(|group| group.cause()), error)
}

/// What all tasks share.
#[derive(Clone)]
struct Engine {
    /// Whoever has one may have a file or directory open, and pieces of files in memory.
    permits: Semaphore,
    sums: Arc<Mutex<Vec<Sum>>>,
    progress: Progress,
}

impl Engine {
    fn new(jobs: usize) -> Self {
        Self { permits: Semaphore::new(jobs), sums: Arc::default(), progress: Progress::new() }
    }

    /// Starts what there is to do, and awaits none of it: the group does that.
    fn spawn_all<R: Runtime>(&self, g: &Group<R>, listing: Listing) {
        let Listing { directories, files, failed } = listing;
        self.progress.found(&files);
        failed.into_iter().for_each(|(path, error)| fail(g, &path, error));
        directories.into_iter().for_each(|path| self.spawn_directory(g, path));
        let (large, small): (Vec<_>, Vec<_>) = files.into_iter().partition(Found::is_large);
        large.into_iter().for_each(|file| self.spawn_large(g, file.path));
        Batch::split(small).for_each(|files| self.spawn_batch(g, files));
    }

    /// A directory is a group of its own inside this one: what fails in it is one branch of the error.
    fn spawn_directory<R: Runtime>(&self, g: &Group<R>, path: PathBuf) {
        let (engine, name) = (self.clone(), name_of(&path));
        let group = g.runtime().group(async move |g| {
            let permit = engine.permits.acquire().await;
            let listing = g.spawn_blocking(move || Listing::inside(&path)).await??;
            drop(permit);
            engine.spawn_all(&g, listing);
            Ok(())
        });
        g.spawn_nested(group.name(name).policy(Supervise));
    }

    fn spawn_batch<R: Runtime>(&self, g: &Group<R>, files: Vec<Found>) {
        let (engine, group) = (self.clone(), g.clone());
        g.spawn(async move { engine.sum_batch(&group, files).await });
    }

    /// Reads small files in one blocking job, then hashes them in one CPU job.
    async fn sum_batch<R: Runtime>(&self, g: &Group<R>, files: Vec<Found>) -> Result<(), BoxError> {
        let _permit = self.permits.acquire().await;
        let batch = g.spawn_blocking(|| Batch::read(files)).await?;
        let Batch { contents, grown, failed } = batch;
        self.progress.read(contents.len());
        let sums = g.spawn_cpu(|| hash_contents(contents)).await?;
        self.add(sums);
        grown.into_iter().for_each(|path| self.spawn_large(g, path));
        failed.into_iter().for_each(|(path, error)| fail(g, &path, error));
        Ok(())
    }

    fn spawn_large<R: Runtime>(&self, g: &Group<R>, path: PathBuf) {
        let (engine, group, name) = (self.clone(), g.clone(), name_of(&path));
        g.task(async move { engine.sum_large(&group, path).await }).name(name).spawn();
    }

    /// Reads the next piece while the last one is hashed, so that two pieces are in memory however
    /// large the file is. No job waits for another: full pools cannot block each other.
    async fn sum_large<R: Runtime>(&self, g: &Group<R>, path: PathBuf) -> Result<(), BoxError> {
        let _permit = self.permits.acquire().await;
        let file = path.clone();
        let open = g.spawn_blocking(move || read_piece(File::open(file)?, new_piece()));
        let (mut file, mut full) = open.await??;
        let (mut hash, mut spare) = (Sha256::new(), new_piece());
        while !full.is_empty() {
            self.progress.read(full.len());
            let hashing = g.spawn_cpu(move || hash_piece(hash, full));
            let reading = g.spawn_blocking(move || read_piece(file, spare));
            (hash, spare) = hashing.await?;
            (file, full) = reading.await??;
        }
        self.add(vec![Sum { path, digest: hash.finalize().into() }]);
        Ok(())
    }

    fn add(&self, mut sums: Vec<Sum>) {
        self.sums().append(&mut sums);
    }

    fn sums(&self) -> MutexGuard<'_, Vec<Sum>> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(self, cancelled: Option<CancelCause>, error: Option<GroupError>) -> Report {
        let files = self.progress.finish();
        let mut sums = mem::take(&mut *self.sums());
        sums.sort_unstable_by(|a, b| a.path.as_os_str().cmp(b.path.as_os_str()));
        Report { missing: files - sums.len(), sums, cancelled, error }
    }
}

/// Enters a failure into the group: a task that has the path as its name, and fails.
fn fail<R: Runtime>(g: &Group<R>, path: &Path, error: io::Error) {
    g.task(async { Err::<(), _>(error.into()) }).name(name_of(path)).spawn();
}

/// A path as failures show it: on one line, and without power over the terminal.
fn name_of(path: &Path) -> String {
    path.to_string_lossy().escape_debug().to_string()
}
