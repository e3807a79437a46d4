//! A bound on tests with threads: a hang is the failure of a named test.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// Runs `test` on a thread of its own. Panics if that panics, or does not end.
pub(crate) fn bounded(test: impl FnOnce() + Send + 'static) {
    let (done, ended) = channel();
    thread::spawn(move || {
        test();
        let _ = done.send(());
    });
    ended.recv_timeout(Duration::from_secs(60)).expect("it ends, and does not panic");
}
