//! What several of the tests need.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// Far more than any test needs.
const BOUND: Duration = Duration::from_secs(60);

/// Runs a test that may hang: that is its failure then.
pub(crate) fn bounded(test: impl FnOnce() + Send + 'static) {
    let (done, is_done) = channel();
    let thread = thread::spawn(move || {
        test();
        done.send(()).unwrap();
    });
    let ended = is_done.recv_timeout(BOUND);
    assert!(ended.is_ok() || thread.is_finished(), "it hangs");
    thread.join().unwrap();
}
