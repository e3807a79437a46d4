//! The progress bar, on stderr if that is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Cheap to clone; hidden where stderr is not a terminal.
#[derive(Clone)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn new() -> Self {
        // indicatif hides it by itself where stderr is not a terminal.
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} files {elapsed}");
        Self(bar.with_style(style.expect("the template is right")))
    }

    pub(crate) fn found(&self, files: usize) {
        self.0.inc_length(files as u64);
    }

    pub(crate) fn done(&self, files: usize) {
        self.0.inc(files as u64);
    }

    pub(crate) fn files_found(&self) -> usize {
        self.0.length().map_or(0, |files| files as usize)
    }

    /// Leaves no trace on the terminal.
    pub(crate) fn clear(&self) {
        self.0.finish_and_clear();
    }
}
