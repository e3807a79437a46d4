//! `Spawner`: tasks on tokio's scheduler.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll};

use anyscope_core::{NativeHandle, Root, Spawner};
use tokio::task::{JoinHandle, coop};

use crate::Tokio;
use crate::runtime::enter;

impl Spawner for Tokio {
    type Handle<T: Send + 'static> = TokioHandle<T>;

    fn start<F>(&self, future: F) -> TokioHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        TokioHandle(self.handle.spawn(future))
    }

    fn root(&self) -> &Root {
        &self.root
    }

    fn within<T>(&self, f: impl FnOnce() -> T) -> T {
        let _context = enter(&self.handle);
        f()
    }
}

/// tokio's `JoinHandle`, whose drop detaches.
#[derive(Debug)]
pub struct TokioHandle<T>(JoinHandle<T>);

impl<T: Send + 'static> NativeHandle<T> for TokioHandle<T> {
    /// Outside tokio's budget: once that is spent, a set of many handles would be told "pending"
    /// for ready ones and polled all over after every 128.
    fn poll_join(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        pin!(coop::unconstrained(&mut self.0)).poll(cx).map(Result::ok)
    }
}
