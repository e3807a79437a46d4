//! Calls that were dropped while a worker ran them, until that is gone: what a task waits for (C5).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::poll_fn;
use std::mem;
use std::sync::{Arc, Mutex};

use anyscope_core::{TaskContext, TaskId, try_defer};

use crate::call::Call;
use crate::lock;

/// The calls that each task has dropped. One clean-up waits for all of a task's, so that one that
/// lives long, and gives up on many, keeps no more than those whose workers are still there.
#[derive(Debug, Default)]
pub(crate) struct Leaving {
    /// By the task, body or clean-up that will wait. Locked before a call's state.
    calls: Mutex<HashMap<TaskId, Vec<Arc<Call>>>>,
}

impl Leaving {
    /// The current task or body does not end before the call has. Outside of any, nobody has to
    /// wait: the call's conductor does it in any case.
    pub(crate) fn add(self: &Arc<Self>, call: Arc<Call>) {
        let Some(task) = TaskContext::current().map(|context| context.id()) else { return };
        if self.join(task, call) {
            return;
        }
        let entry = Leaver { leaving: self.clone(), task };
        // In a job it is given back, and the entry removed.
        let _ = try_defer(async move |_| {
            for call in entry.take() {
                poll_fn(|cx| call.poll_end(cx)).await;
            }
        });
    }

    /// Adds a call to those of a task; whether somebody waits for them already.
    fn join(&self, task: TaskId, call: Arc<Call>) -> bool {
        let mut gone = Vec::new();
        let mut calls = lock(&self.calls);
        let is_waited_for = match calls.entry(task) {
            Entry::Vacant(entry) => {
                entry.insert(vec![call]);
                false
            }
            Entry::Occupied(mut entry) => {
                let others = mem::replace(entry.get_mut(), vec![call]);
                let (ended, alive): (Vec<_>, _) = others.into_iter().partition(|c| c.has_ended());
                entry.get_mut().extend(alive);
                gone = ended;
                true
            }
        };
        drop(calls);
        drop(gone);
        is_waited_for
    }
}

/// The entry of a task, which goes with its clean-up.
struct Leaver {
    leaving: Arc<Leaving>,
    task: TaskId,
}

impl Leaver {
    fn take(&self) -> Vec<Arc<Call>> {
        lock(&self.leaving.calls).remove(&self.task).unwrap_or_default()
    }
}

impl Drop for Leaver {
    fn drop(&mut self) {
        drop(self.take());
    }
}
