//! Threads of the pool's own.

use std::thread::Builder;
use std::time::Duration;

use crate::blocking::worker::Worker;

/// How long a thread waits for another job before it goes away.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Runs the worker on a new thread. Whether the operating system gives one.
pub(crate) fn start_thread(worker: Worker) -> bool {
    let run = move || worker.run_until_idle_for(KEEP_ALIVE);
    Builder::new().name("anyscope-blocking".to_owned()).spawn(run).is_ok()
}
