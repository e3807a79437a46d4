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
        // A job has no clean-ups, but a thread that may block.
        if let Err(call) = self.defer(call) {
            let _ = block_on(shield(poll_fn(|cx| call.poll_end(cx))));
        }
    }

    /// Leaves it to a clean-up of the current task or body, if there is one. In a job it is given back.
    fn defer(self: &Arc<Self>, call: Arc<Call>) -> Result<(), Arc<Call>> {
        let Some(task) = TaskContext::current().map(|context| context.id()) else { return Ok(()) };
        let first = call.id;
        if self.join(task, call.clone()) {
            return Ok(());
        }
        let mut entry = Leaver { leaving: self.clone(), task, first, calls: Vec::new() };
        try_defer(async move |_| entry.wait().await).map_err(|unused| {
            // Without an entry it has nobody to leave the call to.
            drop(lock(&self.calls).remove(&task));
            drop(unused);
            call
        })
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
    /// Once the clean-up has begun: those that it has yet to wait for.
    calls: Vec<Arc<Call>>,
}

impl Leaver {
    async fn wait(&mut self) {
        self.calls = self.take();
        while let Some(call) = self.calls.last() {
            poll_fn(|cx| call.poll_end(cx)).await;
            self.calls.pop();
        }
    }

    fn take(&self) -> Vec<Arc<Call>> {
        match lock(&self.leaving.calls).entry(self.task) {
            Entry::Occupied(entry) if entry.get().first == self.first => entry.remove().calls,
            _ => Vec::new(),
        }
    }
}

impl Drop for Leaver {
    /// A clean-up that does not come to its end, as one of a child whose scope is dropped, leaves its calls
    /// to whoever drops it: the task around may have dropped some of them itself. A job around waits here.
    fn drop(&mut self) {
        let calls = mem::take(&mut self.calls).into_iter().chain(self.take());
        for call in calls.filter(|call| !call.has_ended()) {
            self.leaving.add(call);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::pending;
    use std::task::Poll;

    use anyscope_core::{BoxError, Group, scope};
    use anyscope_tokio::Tokio;
    use futures_util::future::join;
    use futures_util::poll;

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

    /// The clean-ups of a child are dropped with its scope. The task that is left waits in its place, also
    /// for a call that it has dropped itself, when the child had a clean-up for its own.
    #[test]
    fn a_task_waits_for_what_it_and_the_children_of_a_dropped_scope_have_dropped() {
        for last in 0..2 {
            let calls = [1, 2].map(|id| Arc::new(Call::new(id, Vec::new(), None)));
            let (leaving, has_returned) = (Arc::<Leaving>::default(), Cell::new(false));
            anyscope_tokio::run(async {
                let rt = Tokio::current().unwrap();
                let group = rt.group::<BoxError, _>(async |_| {
                    let mut within = Box::pin(scope::<BoxError, _>(async |s| {
                        s.spawn(async {
                            leaving.add(calls[0].clone());
                            pending().await
                        })
                        .await?;
                        Ok(())
                    }));
                    assert!(poll!(&mut within).is_pending());
                    leaving.add(calls[1].clone());
                    drop(within);
                    Ok(())
                });
                let waiting = async {
                    group.await.unwrap();
                    has_returned.set(true);
                };
                let end = async {
                    yield_often().await;
                    calls[1 - last].end(Ok(Vec::new()));
                    yield_often().await;
                    assert!(!has_returned.get(), "it has not waited for call {last}");
                    calls[last].end(Ok(Vec::new()));
                };
                join(waiting, end).await;
            });
            assert!(lock(&leaving.calls).is_empty());
        }
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
