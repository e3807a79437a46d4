//! `Run`: the future of a call.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use anyscope_core::Branch;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::Call;
use crate::codec::{EncodeError, decode, encode};
use crate::error::{Kind, ProcessError};
use crate::frame::{self, Tag};
use crate::job::JobId;
use crate::pool::Owner;

/// The future of [`ProcessPool::run`](crate::ProcessPool::run), and a branch for the combinators:
/// `gather`, `race` and their like stop it by [`cancel`](Self::cancel).
///
/// It belongs to whoever awaits it. There are three ways to stop a call that runs; each kills the
/// worker at once, and they differ in who waits until it is gone.
///
/// | | who waits |
/// |---|---|
/// | [`cancel`](Self::cancel), and what has a [time limit](Self::limit) | whoever awaits the call: it fails when the worker is gone |
/// | it is dropped in a task, body or job of a group, by a cancellation, a timeout, a `select!` | that task: it does not end, nor does its group return, before the worker is gone (C5, G1); a job blocks its thread |
/// | it is dropped elsewhere | the pool, on a thread of its own |
///
/// Inside a [shield](anyscope_core::shield()) no cancellation drops it.
#[must_use = "nothing runs unless it is awaited"]
pub struct Run<O> {
    owner: Arc<Owner>,
    job: JobId,
    limit: Option<Duration>,
    state: State<O>,
}

enum State<O> {
    /// Not polled yet: the request, if it can be sent at all.
    New(Result<Vec<u8>, Kind>),
    Called(Arc<Call>),
    Ended(Result<O, ProcessError>),
    /// The outcome was taken.
    Taken,
}

/// Nothing in it is pinned.
impl<O> Unpin for Run<O> {}

impl<O> Run<O> {
    pub(crate) fn new<I: Serialize>(owner: Arc<Owner>, job: JobId, input: &I) -> Self {
        let request = request(job, input, owner.shared.config.max_payload);
        Self { owner, job, limit: None, state: State::New(request) }
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

    /// Takes the call back: out of the queue, or by killing the worker. Await it after that: it fails
    /// with [`is_cancelled`](ProcessError::is_cancelled) once the worker is gone, or gives the output
    /// if that was there before.
    pub fn cancel(&mut self) {
        match &self.state {
            State::New(_) => self.state = State::New(Err(Kind::Cancelled { begun: false })),
            State::Called(call) => drop(self.owner.shared.cancel(call)),
            State::Ended(_) | State::Taken => {}
        }
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

impl<O: DeserializeOwned> Run<O> {
    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<u8>, Kind>> {
        if let State::New(request) = &mut self.state {
            let request = mem::replace(request, Ok(Vec::new()))?;
            self.state = State::Called(self.owner.shared.submit(request, self.limit)?);
        }
        match &self.state {
            State::Called(call) => call
                .poll_end(cx)
                .map(|outcome| outcome.expect("the outcome is taken by this future alone")),
            _ => unreachable!("looked at before"),
        }
    }
}

impl<O: DeserializeOwned> Branch for Run<O> {
    fn poll_ended(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if matches!(self.state, State::Ended(_) | State::Taken) {
            return Poll::Ready(());
        }
        self.poll_outcome(cx).map(|outcome| {
            let output = outcome.and_then(|bytes| decode(&bytes).map_err(Kind::Output));
            self.state = State::Ended(output.map_err(|kind| ProcessError::of(self.job, kind)));
        })
    }

    fn outcome(&self) -> Option<&Self::Output> {
        match &self.state {
            State::Ended(outcome) => Some(outcome),
            _ => None,
        }
    }

    fn stop(mut self: Pin<&mut Self>) {
        self.cancel();
    }
}

impl<O: DeserializeOwned> Future for Run<O> {
    type Output = Result<O, ProcessError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.as_mut().poll_ended(cx).map(|()| match mem::replace(&mut self.state, State::Taken) {
            State::Ended(outcome) => outcome,
            _ => panic!("`Run` was polled after it was ready"),
        })
    }
}

impl<O> Drop for Run<O> {
    fn drop(&mut self) {
        if let State::Called(call) = &self.state {
            let shared = &self.owner.shared;
            if shared.cancel(call) {
                shared.leaving.add(call.clone());
            }
        }
    }
}

impl<O> fmt::Debug for Run<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("job", &self.job).finish_non_exhaustive()
    }
}
