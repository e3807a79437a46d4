//! `Spawner`: tasks on smol's executors.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use anyscope_core::{NativeHandle, Root, Spawner};
use smol::Task;

use crate::Smol;
use crate::runtime::Spawn;

impl Spawner for Smol {
    type Handle<T: Send + 'static> = SmolHandle<T>;

    fn start<F>(&self, future: F) -> SmolHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let task = self.executor().map(|executor| match executor {
            Spawn::Global => smol::spawn(future),
            Spawn::Own(executor) => executor.spawn(future),
        });
        SmolHandle(task.map(Task::fallible))
    }

    fn root(&self) -> &Root {
        &self.root
    }
}

/// smol's `Task`, whose drop would cancel: this one detaches (T2). `None` where there was no
/// executor any more.
#[derive(Debug)]
pub struct SmolHandle<T>(Option<async_executor::FallibleTask<T>>);

impl<T: Send + 'static> NativeHandle<T> for SmolHandle<T> {
    fn poll_join(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.0.as_mut().map_or(Poll::Ready(None), |task| Pin::new(task).poll(cx))
    }
}

impl<T> Drop for SmolHandle<T> {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.detach();
        }
    }
}
