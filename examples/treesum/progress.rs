//! The progress bar, on stderr if that is a terminal.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::walk::Found;

/// How much was found and how much of it was read. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Progress {
    /// Counts bytes. Hides itself where stderr is not a terminal.
    bar: ProgressBar,
    /// Relaxed: it is read after all who add to it have ended.
    files: Arc<AtomicUsize>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{wide_bar} {bytes} of {total_bytes}, {elapsed}");
        Self { bar: bar.with_style(style.expect("the template is right")), files: Arc::default() }
    }

    pub(crate) fn found(&self, files: &[Found]) {
        self.files.fetch_add(files.len(), Ordering::Relaxed);
        self.bar.inc_length(files.iter().map(|file| file.size).sum());
    }

    pub(crate) fn read(&self, bytes: usize) {
        self.bar.inc(bytes as u64);
    }

    /// Leaves no trace on the terminal, and tells how many files were found.
    pub(crate) fn finish(&self) -> usize {
        self.bar.finish_and_clear();
        self.files.load(Ordering::Relaxed)
    }
}
