//! `ProcessPool`: worker processes that are started when they are needed, and run registered jobs.

use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::builder::{Builder, Config};
use crate::call::{Call, wake};
use crate::conductor;
use crate::error::{Kind, ProcessError};
use crate::frame;
use crate::job::Job;
use crate::leaving::Leaving;
use crate::lock;
use crate::run::Run;
use crate::seat::Seat;

/// Runs [jobs](Job) in worker processes, a bounded number at a time (U4).
///
/// A worker is this program, started anew, which [`init`](crate::init()) turns into a worker.
/// Workers start when there is a job for them, are kept for further jobs, and are ended when they
/// were idle for a while. Jobs wait in a queue, first come first served. A pool needs no runtime: its
/// futures may be awaited on any.
///
/// It is a cheap handle of what all its clones share. When the last one is dropped, and the last
/// call, the workers are killed; dropping does not wait for that, [`close`](Self::close) does. They
/// also end when the program does, however that comes: a worker whose parent is gone kills itself
/// and what its job has started, in the middle of a job as well.
///
/// # Examples
///
/// See the [crate](crate).
#[derive(Clone)]
pub struct ProcessPool {
    owner: Arc<Owner>,
}

impl ProcessPool {
    /// A pool with a worker for each core, and the [defaults](Builder) for all else.
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    pub fn new() -> Result<Self, ProcessError> {
        Self::builder().build()
    }

    /// A pool with other settings.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn with(config: Config) -> Self {
        let shared = Shared { config, state: Mutex::default(), leaving: Arc::default() };
        Self { owner: Arc::new(Owner { shared: Arc::new(shared) }) }
    }

    /// Calls a job: the future gives its output (U4). The input is encoded here and now; nothing
    /// runs before the future is polled.
    ///
    /// # Errors
    ///
    /// When awaited, a [`ProcessError`], which is of this call alone: the input or output cannot be
    /// encoded or decoded or is too large, the worker does not know the job, cannot be started or was
    /// lost, the job panicked, the pool is closed.
    ///
    /// # Panics
    ///
    /// With a panic of the input's serialisation; when awaited, of the output's deserialisation.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the call: one that waits leaves the queue, a running one is
    /// killed, with its worker. The task, body or job that drops it does not end before the worker is gone
    /// (C5), so neither does its group (G1); see [`Run`].
    ///
    /// # Examples
    ///
    /// ```
    /// use anyscope_process::{Job, ProcessError, ProcessPool};
    ///
    /// const SUM: Job<Vec<u64>, u64> = Job::new("sum", 1, |numbers| numbers.iter().sum());
    ///
    /// async fn total(pool: &ProcessPool) -> Result<u64, ProcessError> {
    ///     pool.run(&SUM, vec![1, 2, 3]).await
    /// }
    /// ```
    pub fn run<I, O>(&self, job: &Job<I, O>, input: I) -> Run<O>
    where
        I: Serialize,
        O: DeserializeOwned,
    {
        Run::new(self.owner.clone(), job.id(), &input)
    }

    /// Closes the pool, and waits until all calls that were made before have ended, and all workers
    /// are gone. Calls made from now on fail.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped the pool is closed, and its workers end as they would have.
    pub async fn close(&self) {
        let shared = &self.owner.shared;
        shared.close();
        poll_fn(|cx| shared.poll_empty(cx)).await;
    }

    /// The process ids of the workers that there are now.
    pub fn worker_ids(&self) -> Vec<u32> {
        let seats = lock(&self.owner.shared.state).seats.clone();
        seats.iter().filter_map(|seat| seat.worker()).collect()
    }
}

impl fmt::Debug for ProcessPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.owner.shared.state);
        f.debug_struct("ProcessPool")
            .field("workers", &state.seats.len())
            .field("idle", &state.idle.len())
            .field("queued", &state.queue.len())
            .finish_non_exhaustive()
    }
}

/// What handles and calls keep: with the last of them the pool is closed.
pub(crate) struct Owner {
    pub(crate) shared: Arc<Shared>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// What conductors, handles and calls share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    /// Locked before a seat's and a call's state, and never while user code runs.
    state: Mutex<State>,
    pub(crate) leaving: Arc<Leaving>,
}

#[derive(Default)]
struct State {
    is_closed: bool,
    /// How many calls there have been; the last one's id.
    calls: u64,
    /// Calls that no seat has, by their ids. Empty while a seat is idle, or while there could be
    /// another, unless the operating system has refused that.
    queue: BTreeMap<u64, Arc<Call>>,
    /// All that have a conductor.
    seats: Vec<Arc<Seat>>,
    /// Those whose conductors wait, the one that came last at the end.
    idle: Vec<Arc<Seat>>,
    /// Those who wait for the end. That of a future which was dropped stays until then.
    closing: Vec<Waker>,
}

/// What a conductor does next.
pub(crate) enum Next {
    Serve(Arc<Call>),
    Wait,
    Leave,
}

impl Shared {
    /// Queues the request, and gives the first that is queued to an idle seat or a new one, if it can.
    pub(crate) fn submit(
        self: &Arc<Self>,
        request: Vec<u8>,
        limit: Option<Duration>,
    ) -> Result<Arc<Call>, Kind> {
        let mut state = lock(&self.state);
        if state.is_closed {
            return Err(Kind::Closed);
        }
        state.calls += 1;
        let request = frame::finish(request, state.calls)
            .map_err(|_| Kind::InputTooLarge(u32::MAX as usize))?;
        let call = Arc::new(Call::new(state.calls, request, limit));
        state.queue.insert(call.id, call.clone());
        if let Err(error) = self.seat_queued(&mut state) {
            if state.seats.is_empty() {
                state.queue.remove(&call.id);
                return Err(Kind::Start(error));
            }
        }
        Ok(call)
    }

    /// Gives what is queued, the first first, to idle seats and to new ones, as far as there may be more. An
    /// error says why there is not one more.
    fn seat_queued(self: &Arc<Self>, state: &mut State) -> io::Result<()> {
        while !state.queue.is_empty() {
            let seat = match state.idle.pop() {
                Some(seat) => seat,
                None if state.seats.len() < self.config.workers => self.new_seat(state)?,
                None => break,
            };
            state.queue.pop_first().into_iter().for_each(|(_, call)| seat.hand(call));
        }
        Ok(())
    }

    fn new_seat(self: &Arc<Self>, state: &mut State) -> io::Result<Arc<Seat>> {
        let (seat, ear) = Seat::new()?;
        let seat = Arc::new(seat);
        conductor::start(self.clone(), seat.clone(), ear)?;
        state.seats.push(seat.clone());
        Ok(seat)
    }

    /// Takes a call out of the queue, or has its worker killed. Whether a conductor has it, and will
    /// end it when the worker is gone.
    pub(crate) fn cancel(&self, call: &Call) -> bool {
        // A statement of its own, so that the lock is gone when what it gives is dropped.
        let queued = lock(&self.state).queue.remove(&call.id);
        if let Some(call) = queued {
            call.end(Err(Kind::Cancelled { begun: false }));
        }
        let seat = call.seat.get().filter(|_| !call.has_ended());
        if let Some(seat) = seat {
            seat.cancel(call.id);
        }
        seat.is_some()
    }

    /// The call that has waited longest; if there is none, the seat is idle from now on.
    pub(crate) fn next(&self, seat: &Arc<Seat>) -> Next {
        let mut state = lock(&self.state);
        match state.take_queued(seat) {
            Some(call) => Next::Serve(call),
            None if state.is_closed => Next::Leave,
            None => {
                state.idle.push(seat.clone());
                Next::Wait
            }
        }
    }

    /// What an idle conductor does that has heard something: it waits on only if `may_wait`.
    pub(crate) fn rouse(&self, seat: &Arc<Seat>, may_wait: bool) -> Next {
        let mut state = lock(&self.state);
        match seat.take_handed() {
            Some(call) => Next::Serve(call),
            None if may_wait && !state.is_closed => Next::Wait,
            None => {
                state.idle.retain(|idle| !Arc::ptr_eq(idle, seat));
                Next::Leave
            }
        }
    }

    /// The worker of a seat is gone: so goes the seat, unless there is a call for it.
    pub(crate) fn leave(&self, seat: &Arc<Seat>) -> Option<Arc<Call>> {
        let mut state = lock(&self.state);
        let next = state.take_queued(seat);
        if next.is_some() {
            return next;
        }
        state.seats.retain(|other| !Arc::ptr_eq(other, seat));
        let waiting = match state.seats.is_empty() {
            true => std::mem::take(&mut state.closing),
            false => Vec::new(),
        };
        drop(state);
        waiting.into_iter().for_each(wake);
        None
    }

    fn close(&self) {
        let mut state = lock(&self.state);
        state.is_closed = true;
        state.idle.iter().for_each(|seat| seat.ring());
    }

    fn poll_empty(&self, cx: &mut Context<'_>) -> Poll<()> {
        let fresh = cx.waker().clone();
        let mut state = lock(&self.state);
        if state.seats.is_empty() {
            return Poll::Ready(());
        }
        if !state.closing.iter().any(|waker| waker.will_wake(&fresh)) {
            state.closing.push(fresh);
        }
        Poll::Pending
    }
}

impl State {
    fn take_queued(&mut self, seat: &Arc<Seat>) -> Option<Arc<Call>> {
        let (_, call) = self.queue.pop_first()?;
        seat.assign(&call);
        Some(call)
    }
}
