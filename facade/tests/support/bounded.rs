//! A bound on every test: a hang is a failure with a name.

use std::panic::resume_unwind;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// Far more than any test needs, also on a loaded machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs `test` on a thread of its own. Panics with its panic, or if it does not end.
pub(crate) fn bounded(name: &str, test: impl FnOnce() + Send + 'static) {
    let (done, ended) = channel();
    let thread = thread::spawn(move || {
        test();
        let _ = done.send(());
    });
    match ended.recv_timeout(LIMIT) {
        Ok(()) => {}
        Err(RecvTimeoutError::Disconnected) => {
            let payload = thread.join().expect_err("a test that ends sends before");
            eprintln!("failed on {name}");
            resume_unwind(payload);
        }
        Err(RecvTimeoutError::Timeout) => panic!("hangs on {name}"),
    }
}
