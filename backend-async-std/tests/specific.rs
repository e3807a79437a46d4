//! What only async-std has: its current task, in tasks and their destructors (X3).

use std::sync::mpsc;

use anyscope_async_std::AsyncStd;
use anyscope_core::{BoxError, Group, GroupError};
use async_std::task;

struct TellOnDrop(mpsc::Sender<bool>);

impl Drop for TellOnDrop {
    fn drop(&mut self) {
        self.0.send(task::try_current().is_some()).unwrap();
    }
}

#[test]
fn x3_current_task_is_there_in_tasks_and_when_they_are_dropped() {
    let (sender, told) = mpsc::channel();
    let outcome: Result<(), GroupError<BoxError>> =
        task::block_on(AsyncStd::global().group(async |g| {
            assert!(g.spawn(async { Ok(task::try_current().is_some()) }).await?);
            let probe = TellOnDrop(sender);
            let parked = g.spawn(async move {
                let _probe = probe;
                std::future::pending::<Result<(), BoxError>>().await
            });
            parked.cancel();
            assert!(parked.await.unwrap_err().is_cancelled());
            Ok(())
        }));
    outcome.unwrap();
    assert!(told.recv().unwrap());
}
