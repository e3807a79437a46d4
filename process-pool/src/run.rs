//! `Run`: the future of a call.

use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use anyscope_core::try_defer;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::Call;
use crate::codec::{EncodeError, decode, encode};
use crate::error::{Kind, ProcessError};
use crate::frame::{self, Tag};
use crate::job::JobId;
use crate::pool::Owner;

/// The future of [`ProcessPool::run`](crate::ProcessPool::run).
///
/// It belongs to whoever awaits it. Dropped before it is ready, it takes the call back: from the
/// queue, or by killing the worker at once, without waiting for its end. In a task or body of a
/// group, a clean-up then waits until the worker is gone, so that the group does not return before
/// (C5, G1). Outside any task the pool waits for it. A [shield](anyscope_core::shield()) keeps the
/// worker from being killed by a cancellation, a [time limit](Self::limit) comes back only when it is
/// gone.
#[must_use = "nothing runs unless it is awaited"]
pub struct Run<O> {
    owner: Arc<Owner>,
    job: JobId,
    limit: Option<Duration>,
    state: State,
    output: PhantomData<fn() -> O>,
}

enum State {
    /// Not polled yet: the request, if it can be sent at all.
    New(Result<Vec<u8>, Kind>),
    Called(Arc<Call>),
    Done,
}

impl<O> Run<O> {
    pub(crate) fn new<I: Serialize>(owner: Arc<Owner>, job: JobId, input: &I) -> Self {
        let request = request(job, input, owner.shared.config.max_payload);
        Self { owner, job, limit: None, state: State::New(request), output: PhantomData }
    }

    /// Kills the worker if it has not answered `limit` after it was sent the call, and fails when it
    /// is gone. Time in the queue does not count, nor does the start of a worker.
    ///
    /// Other than with a timeout around the future, the worker is gone when this returns.
    pub fn limit(self, limit: Duration) -> Self {
        let mut this = self;
        this.limit = Some(limit);
        this
    }
}

fn request<I: Serialize>(job: JobId, input: &I, limit: usize) -> Result<Vec<u8>, Kind> {
    let name = (job.name, job.version);
    let start = encode(&name, frame::begin(Tag::Request), usize::MAX);
    start.and_then(|start| encode(input, start, limit)).map_err(|error| match error {
        EncodeError::TooLarge => Kind::InputTooLarge(limit),
        EncodeError::Codec(why) => Kind::Input(why),
    })
}

impl<O: DeserializeOwned> Future for Run<O> {
    type Output = Result<O, ProcessError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let outcome = ready!(this.poll_outcome(cx));
        this.state = State::Done;
        let output = outcome.and_then(|bytes| decode(&bytes).map_err(Kind::Output));
        Poll::Ready(output.map_err(|kind| ProcessError::of(this.job, kind)))
    }
}

impl<O> Run<O> {
    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<u8>, Kind>> {
        if matches!(self.state, State::New(_)) {
            let State::New(request) = mem::replace(&mut self.state, State::Done) else {
                unreachable!("just looked at");
            };
            self.state = State::Called(self.owner.shared.submit(request?, self.limit)?);
        }
        match &self.state {
            State::Called(call) => call
                .poll_end(cx)
                .map(|outcome| outcome.expect("the outcome is taken by this future alone")),
            _ => panic!("`Run` was polled after it was ready"),
        }
    }
}

impl<O> Drop for Run<O> {
    fn drop(&mut self) {
        let State::Called(call) = mem::replace(&mut self.state, State::Done) else {
            return;
        };
        if self.owner.shared.cancel(&call) {
            let gone = async move |_| {
                poll_fn(|cx| call.poll_end(cx)).await;
            };
            // Outside any task nobody has to wait: the conductor does it in any case.
            drop(try_defer(gone));
        }
    }
}

impl<O> fmt::Debug for Run<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("job", &self.job).finish_non_exhaustive()
    }
}
