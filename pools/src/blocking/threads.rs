//! Threads of the pool's own.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use crate::blocking::worker::Worker;

/// How long a thread waits for another job before it goes away.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Runs the worker on a new thread. Where the operating system gives none, it gives up.
pub(crate) fn start_thread(worker: Worker) {
    let handed = Arc::new(Mutex::new(Some(worker)));
    let taken = handed.clone();
    let run = move || {
        let worker = take(&taken);
        worker.into_iter().for_each(|worker| worker.run_until_idle_for(KEEP_ALIVE));
    };
    if Builder::new().name("anyscope-blocking".to_owned()).spawn(run).is_err() {
        take(&handed).into_iter().for_each(Worker::give_up);
    }
}

fn take(handed: &Mutex<Option<Worker>>) -> Option<Worker> {
    handed.lock().unwrap_or_else(PoisonError::into_inner).take()
}
