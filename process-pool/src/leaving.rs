//! Calls that were dropped while a worker ran them, until that is gone: what a task waits for (C5).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::poll_fn;
use std::mem;
use std::sync::{Arc, Mutex};

use anyscope_core::{TaskContext, TaskId, block_on, shield, try_defer};

use crate::call::Call;
use crate::lock;

/// The calls that each task has dropped. One clean-up waits for all of a task's, so that one that
/// lives long, and gives up on many, keeps no more than those whose workers are still there.
#[derive(Debug, Default)]
pub(crate) struct Leaving {
    /// By the task, body or clean-up that will wait. Locked before a call's state.
    calls: Mutex<HashMap<TaskId, Dropped>>,
}

/// What a task has dropped, for a clean-up that has not begun.
#[derive(Debug)]
struct Dropped {
    /// The first of them, by which the clean-up knows that it is its own: while that waits, a child of the
    /// task's local scope may drop others, for which there is another.
    first: u64,
    calls: Vec<Arc<Call>>,
}

impl Leaving {
    /// The current task, body or job does not end before the call has. Outside of any, nobody has to
    /// wait: the call's conductor does it in any case.
    pub(crate) fn add(self: &Arc<Self>, call: Arc<Call>) {
        let Some(task) = TaskContext::current().map(|context| context.id()) else { return };
        let first = call.id;
        if self.join(task, call.clone()) {
            return;
        }
        let entry = Leaver { leaving: self.clone(), task, first };
        let deferred = try_defer(async move |_| {
            for call in entry.take() {
                poll_fn(|cx| call.poll_end(cx)).await;
            }
        });
        // A job has no clean-ups: it is given back, and the entry removed. It has a thread that may block.
        if deferred.map_err(drop).is_err() {
            let _ = block_on(shield(poll_fn(|cx| call.poll_end(cx))));
        }
    }

    /// Adds a call to those of a task; whether somebody waits for them already.
    fn join(&self, task: TaskId, call: Arc<Call>) -> bool {
        let mut gone = Vec::new();
        let mut calls = lock(&self.calls);
        let is_waited_for = match calls.entry(task) {
            Entry::Vacant(entry) => {
                entry.insert(Dropped { first: call.id, calls: vec![call] });
                false
            }
            Entry::Occupied(mut entry) => {
                let dropped = &mut entry.get_mut().calls;
                let others = mem::replace(dropped, vec![call]);
                let (ended, alive): (Vec<_>, _) = others.into_iter().partition(|c| c.has_ended());
                dropped.extend(alive);
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
    first: u64,
}

impl Leaver {
    fn take(&self) -> Vec<Arc<Call>> {
        match lock(&self.leaving.calls).entry(self.task) {
            Entry::Occupied(entry) if entry.get().first == self.first => entry.remove().calls,
            _ => Vec::new(),
        }
    }
}

impl Drop for Leaver {
    fn drop(&mut self) {
        drop(self.take());
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::task::Poll;

    use anyscope_core::{BoxError, scope};
    use futures_util::future::join;

    use super::*;

    /// They are one task to the pool. The second ends when the clean-up of the first is over.
    #[test]
    fn each_child_of_a_scope_waits_for_what_it_has_dropped() {
        let [one, two] = [1, 2].map(|id| Arc::new(Call::new(id, Vec::new(), None)));
        let (leaving, is_over) = (Arc::<Leaving>::default(), Cell::new(false));
        let outcome = anyscope_tokio::run(async {
            scope(async |s| {
                let first = s.spawn(async {
                    leaving.add(one.clone());
                    Ok(())
                });
                let second = s.spawn(async {
                    leaving.add(two.clone());
                    Ok(first.await?)
                });
                let end = async {
                    yield_often().await;
                    one.end(Ok(Vec::new()));
                    yield_often().await;
                    is_over.set(true);
                    two.end(Ok(Vec::new()));
                };
                let (waited, ()) = join(async { second.await.map(|()| is_over.get()) }, end).await;
                Ok::<_, BoxError>(waited?)
            })
            .await
        });
        assert!(outcome.unwrap(), "the second has not waited");
        assert!(lock(&leaving.calls).is_empty());
    }

    /// Lets the children of the scope go as far as they can.
    async fn yield_often() {
        for _ in 0..20 {
            let mut yielded = false;
            poll_fn(|cx| match mem::replace(&mut yielded, true) {
                true => Poll::Ready(()),
                false => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
            })
            .await;
        }
    }
}
