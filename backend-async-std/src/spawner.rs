//! `Spawner`: tasks on async-std's global executor.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use anyscope_core::{NativeHandle, Root, Spawner};
use async_std::task::JoinHandle;

use crate::AsyncStd;

impl Spawner for AsyncStd {
    type Handle<T: Send + 'static> = AsyncStdHandle<T>;

    fn start<F>(&self, future: F) -> AsyncStdHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        AsyncStdHandle(async_std::task::spawn(future))
    }

    fn root(&self) -> &Root {
        &self.root
    }
}

/// async-std's `JoinHandle`, whose drop detaches.
#[derive(Debug)]
pub struct AsyncStdHandle<T>(JoinHandle<T>);

impl<T: Send + 'static> NativeHandle<T> for AsyncStdHandle<T> {
    fn poll_join(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        Pin::new(&mut self.0).poll(cx).map(Some)
    }
}
