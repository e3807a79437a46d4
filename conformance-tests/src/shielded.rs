//! A shielded part that waits until it is told, and a group around it that is cancelled meanwhile.

use std::future::Future;
use std::sync::OnceLock;

use anyscope_core::{BoxError, GroupError, GroupHandle, Runtime};
use futures_util::future::join;

use crate::env::Env;
use crate::probe::{Count, Gate, eventually, never, parked, poll_once};

/// A shielded wait: tells that it has begun, and counts that it has ended.
#[derive(Clone, Default)]
pub(crate) struct Work {
    pub(crate) begun: Gate,
    pub(crate) finish: Gate,
    pub(crate) done: Count,
}

impl Work {
    pub(crate) fn run(&self) -> impl Future<Output = u32> + Send + use<> {
        let Self { begun, finish, done } = self.clone();
        async move {
            begun.open();
            finish.wait().await;
            done.add();
            7
        }
    }
}

/// Cancels a group around the shielded work, sees that it waits, and lets the work end.
pub(crate) async fn cancel_around<R: Runtime>(rt: &R, work: &Work, g: &GroupHandle<BoxError, R>) {
    work.begun.wait().await;
    g.cancel();
    let gone = Count::new();
    g.spawn(parked(&Gate::new(), &gone));
    eventually(rt, "a task without a shield is refused or dropped", || gone.get() == 1).await;
    assert_eq!(work.done.get(), 0, "nobody has let it end");
    work.finish.open();
}

/// Runs a group whose one task is `task`, and cancels it while the work is under way.
pub(crate) fn cancelled<R: Runtime, F>(
    env: &Env<R>,
    work: &Work,
    task: impl FnOnce(GroupHandle<BoxError, R>) -> F,
) -> GroupError<BoxError>
where
    F: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    env.run(async |rt| {
        let handle = OnceLock::new();
        let group = rt.group(async |g| {
            g.spawn(task(g.clone()));
            handle.get_or_init(|| g);
            never::<()>().await
        });
        let mut group = Box::pin(group);
        let _ = poll_once(group.as_mut());
        let g = handle.get().expect("the body was polled");
        let (outcome, ()) = join(group, cancel_around(&rt, work, g)).await;
        outcome.unwrap_err()
    })
}
